"""Learned styles: a vector for each of T stages, with a name, and their files.

    style = load_style("starry.safetensors", width=768)             # ours, or another program's; nothing in it is run
    save_style(style, "starry.safetensors"); save_reference(style, "starry.bin"); save_textual_inversion(style, path)

The released code of DreamStyler (Ahn et al., arXiv 2309.06933) writes a dict of "<name>-T0", "<name>-T1", … → (width,),
one vector for each stage; ours has the same names, and metadata about how it was learned. Textual inversions of
diffusers and of AUTOMATIC1111's web UI are styles of one stage, which may take the place of several words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from engines.checkpoints import Budget, OwnFile, Record, claimed_shape, items_of, open_checkpoint, to_tensor
from engines.dreamstyler.stages import NUM_TRAIN_TIMESTEPS, stage_of_timestep
from engines.errors import EngineError
from engines.files import replacing, write_bytes

__all__ = [
    "MAX_STAGES",
    "Style",
    "load_style",
    "mixed",
    "save_reference",
    "save_style",
    "save_textual_inversion",
    "stage_shares",
]

FORMAT = "atelier-style-1"
KIND = "a style of DreamStyler"
MAX_STAGES = 50
MAX_VECTORS = 64
"""Of a textual inversion; a prompt has 75 tokens."""
MAX_NAME = 100
MODELS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 1280: "a part of Stable Diffusion XL"}
"""Widths of the text encoders that most embeddings are made for."""
_STAGE = re.compile(r"(.+)-T(\d{1,3})", re.DOTALL)


@dataclass(frozen=True)
class Style:
    """vectors: (stages, width) float32, the cleanest stage first; (stages, num_vectors, width) for several in a prompt.
    name: "<style>", that of its tokens.

    metadata, as far as known: "model", "sentences" (those it was learned with, one a line), "initializer", "steps",
    "lr", "seed", "pictures" (their SHA-256, one a line).
    """

    vectors: Tensor
    name: str
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def num_stages(self) -> int:
        return len(self.vectors)

    @property
    def num_vectors(self) -> int:
        """Tokens that the style takes in a prompt."""
        return 1 if self.vectors.dim() == 2 else self.vectors.shape[1]

    def at(self, timestep: int, num_train_timesteps: int = NUM_TRAIN_TIMESTEPS) -> Tensor:
        """(width,) or (num_vectors, width): the vectors of the timestep's stage."""
        return self.vectors[stage_of_timestep(timestep, self.num_stages, num_train_timesteps)]

    def named(self) -> dict[str, Tensor]:
        """The vectors by the names that the released code gives them."""
        vectors = self.vectors.detach().cpu().float()
        return {f"{self.name}-T{stage}": vector.clone() for stage, vector in enumerate(vectors)}


# ---------------------------------------------------------------------------------------------- mixing


def mixed(
    first: Style, second: Style, share: float, amount: float, word: Tensor, timestep: int, num_train_timesteps: int
) -> Tensor:
    """(width,): the vector at a timestep between two styles, whose numbers of stages may differ (§4, "style mixing").

    share: of the second, in [0, 1]. amount: 0 is the plain `word`, (width,), 1 the style; above, it is exaggerated.
    """
    vector = torch.lerp(first.at(timestep, num_train_timesteps), second.at(timestep, num_train_timesteps), share)
    return word + amount * (vector - word)


def stage_shares(text: str) -> tuple[float, ...]:
    """Shares in [0, 1] from a text like "0 0 0 1 1 1"; raises `ValueError` for anything else."""
    shares = tuple(float(part) for part in text.replace(",", " ").split())
    if not 1 <= len(shares) <= MAX_STAGES or not all(0 <= share <= 1 for share in shares):
        raise ValueError
    return shares


# ---------------------------------------------------------------------------------------------- files


def save_style(style: Style, path: Path | str) -> None:
    """As safetensors, atomically; `load_style` reads it back identically."""
    write_bytes(Path(path), save(style.named(), {**style.metadata, "format": FORMAT}))


def save_reference(style: Style, path: Path | str) -> None:
    """As the released code's embedding/final.bin, atomically."""
    with replacing(Path(path)) as temporary:
        torch.save(style.named(), temporary)


def save_textual_inversion(style: Style, path: Path | str) -> None:
    """The mean of all stages as ordinary textual inversion, safetensors with one tensor; atomically.

    What `load_textual_inversion` of diffusers and other programs read; without its stages a style is weaker.
    """
    write_bytes(Path(path), save({style.name: style.vectors.detach().cpu().float().mean(0)}, {"format": FORMAT}))


def load_style(path: Path | str, width: int) -> Style:
    """A style from a file of ours, of the released code, or a textual inversion of diffusers or AUTOMATIC1111's web UI.

    width: of the text encoder it is for. Raises `EngineError` when the file cannot be read, has other things in it, or
    is for a text encoder of another width.
    """
    with open_checkpoint(path, KIND, FORMAT, foreign=True) as file:
        is_own = isinstance(file, OwnFile)
        values, metadata = (file.tensors, file.metadata) if is_own else (file, {})
        is_safetensors = is_own or Path(path).suffix.lower() == ".safetensors"
        name, keys, values = _vectors(values, Path(path).stem, has_stages=is_own or not is_safetensors)
        budget, stages = Budget(), []
        for key in keys:
            _check_shape(claimed_shape(values, key), width, may_be_several=is_own or not _STAGE.fullmatch(key))
            stages.append(to_tensor(values[key], budget).reshape(-1, width))
        if len({len(stage) for stage in stages}) != 1:
            raise ValueError("its stages have different numbers of vectors")
        vectors = torch.stack(stages)
        if not vectors.isfinite().all():
            raise EngineError("The style has numbers that are not finite; choose an undamaged file.")
        return Style(vectors.squeeze(1) if vectors.shape[1] == 1 else vectors, name, metadata)


def _check_shape(shape: tuple[int, ...], width: int, *, may_be_several: bool) -> None:
    """(width,), (1, width), and (num_vectors, width) where several are possible."""
    most = MAX_VECTORS if may_be_several else 1
    if shape == (width,) or (len(shape) == 2 and 1 <= shape[0] <= most and shape[1] == width):
        return
    if len(shape) == 2 and shape[1] != width:
        shape = shape[1:]
    made_for = f" (it is for {MODELS[shape[-1]]})" if shape and shape[-1] in MODELS else ""
    raise EngineError(
        "The style has vectors of {value} numbers where this model reads {width}{made_for}; choose "
        "the model it was learned with, or another style.",
        value=" × ".join(map(str, shape)) or "no",
        width=width,
        made_for=made_for,
    )


def _vectors(file: object, stem: str, *, has_stages: bool) -> tuple[str, Sequence[str], dict]:
    """The style's name, and the keys of its stages in their order (which in a file may be any) in a dict."""
    values = items_of(file)
    if not values or not all(type(key) is str for key in values):
        raise ValueError("it holds no vectors by name")
    _refuse_others(values)
    if "string_to_param" in values:  # of AUTOMATIC1111's web UI
        vectors = _parameters(values["string_to_param"])
        if len(vectors) != 1:
            raise ValueError("it holds several embeddings")
        name = values.get("name")
        return name[:MAX_NAME] if type(name) is str and name else stem[:MAX_NAME], list(vectors), vectors
    if len(values) == 1 and not _STAGE.fullmatch(next(iter(values))):
        key = next(iter(values))
        return stem[:MAX_NAME] if key == "emb_params" else key[:MAX_NAME], [key], values
    return *_stages(values, has_stages), values


def _parameters(value: object) -> dict:
    """The tensors of a dict, or of a ParameterDict, a module."""
    if type(value) is Record and type(value.state) is dict:
        value = value.state.get("_parameters")
    vectors = items_of(value)
    if vectors is None or not all(type(key) is str for key in vectors):
        raise ValueError("it holds no vectors by name")
    return vectors


def _refuse_others(values: dict) -> None:
    """Raise `EngineError` for the files that people take for a style most often."""
    if "clip_g" in values:
        raise EngineError(
            "The file is an embedding for Stable Diffusion XL, whose two text encoders this model does not have; "
            "choose one for Stable Diffusion 1.5, or learn the style."
        )
    if any("lora_" in key or "lora." in key or "hada_w" in key for key in values):
        raise EngineError("The file is a LoRA, which changes the network and is no embedding; choose a learned style.")
    if any(key.startswith(("model.diffusion_model.", "cond_stage_model.", "first_stage_model.")) for key in values):
        raise EngineError("The file is a whole diffusion model and no learned style; choose an embedding.")


def _stages(values: dict, has_stages: bool) -> tuple[str, Sequence[str]]:
    parts = [_STAGE.fullmatch(key) for key in values]
    if not all(parts) or len({part[1] for part in parts}) != 1:
        raise ValueError("its vectors are not those of one style")
    if not has_stages:
        raise EngineError("The file was not saved as {KIND} by Atelier; choose one that was.", KIND=KIND)
    keys = {int(part[2]): part[0] for part in parts}
    if len(values) > MAX_STAGES or sorted(keys) != list(range(len(values))):
        raise ValueError("it lacks some of its stages, or has too many")
    return parts[0][1], [keys[stage] for stage in sorted(keys)]
