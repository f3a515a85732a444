"""Learned styles: T vectors with a name, and their files.

    style = load_style("starry.safetensors", width=768)             # ours, or the released code's .bin; nothing is run
    save_style(style, "starry.safetensors"); save_reference(style, "starry.bin"); save_textual_inversion(style, path)

The released code of DreamStyler (Ahn et al., arXiv 2309.06933) writes a dict of "<name>-T0", "<name>-T1", … → (width,),
one vector for each stage; ours has the same names, and beside them tells how it was learned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from engines.checkpoints import Budget, OwnFile, claimed_shape, open_checkpoint, to_tensor
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
_STAGE = re.compile(r"(.+)-T(\d{1,3})", re.DOTALL)


@dataclass(frozen=True)
class Style:
    """vectors: (stages, width) float32, the cleanest stage first. name: "<style>", that of its tokens.

    metadata, as far as known: "model", "sentences" (those it was learned with, one a line), "initializer", "steps",
    "lr", "seed", "pictures" (their SHA-256, one a line).
    """

    vectors: Tensor
    name: str
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def num_stages(self) -> int:
        return len(self.vectors)

    def at(self, timestep: int, num_train_timesteps: int = NUM_TRAIN_TIMESTEPS) -> Tensor:
        """(width,): the vector of the timestep's stage."""
        return self.vectors[stage_of_timestep(timestep, self.num_stages, num_train_timesteps)]

    def named(self) -> dict[str, Tensor]:
        """As the released code stores it."""
        vectors = self.vectors.detach().cpu().float()
        return {f"{self.name}-T{stage}": vector.clone() for stage, vector in enumerate(vectors)}


# ---------------------------------------------------------------------------------------------- mixing


def mixed(
    first: Style, second: Style, share: float, amount: float, word: Tensor, timestep: int, num_train_timesteps: int
) -> Tensor:
    """(width,): a timestep's vector between two styles, whose numbers of stages may differ (§4, "style mixing").

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
    """A file of `save_style` or `save_textual_inversion`, or a .bin of the released code or of textual inversion.

    width: of the text encoder it is for. Raises `EngineError` when the file cannot be read, has other things in it, or
    is for a text encoder of another width.
    """
    with open_checkpoint(path, KIND, FORMAT) as file:
        values, metadata = (file.tensors, file.metadata) if isinstance(file, OwnFile) else (file, {})
        name, keys = _stages(values)
        for key in keys:
            shape = claimed_shape(values, key)
            if shape != (width,):
                raise EngineError(
                    "The style has vectors of {choices} numbers where this model reads {width}; choose the model "
                    "it was learned with, or another style.",
                    choices=" × ".join(map(str, shape)),
                    width=width,
                )
        budget = Budget()
        vectors = torch.stack([to_tensor(values[key], budget) for key in keys])
        if not vectors.isfinite().all():
            raise EngineError("The style has numbers that are not finite; choose an undamaged file.")
        return Style(vectors, name, metadata)


def _stages(values: dict) -> tuple[str, Sequence[str]]:
    """The style's name, and the keys of its stages in their order, which in a file may be any."""
    if type(values) is not dict or not values or not all(type(key) is str for key in values):
        raise ValueError("it holds no vectors by name")
    if len(values) == 1 and not _STAGE.fullmatch(next(iter(values))):
        return next(iter(values)), list(values)
    parts = [_STAGE.fullmatch(key) for key in values]
    if not all(parts) or len({part[1] for part in parts}) != 1:
        raise ValueError("its vectors are not those of one style")
    keys = {int(part[2]): part[0] for part in parts}
    if len(values) > MAX_STAGES or sorted(keys) != list(range(len(values))):
        raise ValueError("it lacks some of its stages, or has too many")
    return parts[0][1], [keys[stage] for stage in sorted(keys)]
