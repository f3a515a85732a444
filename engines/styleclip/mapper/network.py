"""Latent mappers: small networks that learned one edit, and their files. Nothing in a file is ever run.

    mapper = load_mapper("purple_hair.pt")
    w_hat = add_residual(w, mapper(w))                          # strength 0.1, as trained
    w_hat = add_residual(w, mapper(w, levels={"coarse"}))       # without the medium and the fine rows

StyleCLIP (Patashnik et al., arXiv 2103.17249), §5. A mapper belongs to the generator it was trained with. Tensors have
the names they have in the released checkpoints, "course" included.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.checkpoints import OwnFile, claimed_shape, fill, open_checkpoint, save_own
from engines.errors import EngineError
from engines.stylegan2 import is_torgb
from engines.stylegan2.generator import EPSILON, GAIN, SLOPE, FullyConnected

__all__ = [
    "LEVELS",
    "STRENGTH",
    "Level",
    "LevelsMapper",
    "SingleMapper",
    "StyleSpaceMapper",
    "add_residual",
    "latent_loss",
    "load_mapper",
    "mapper_of",
    "save_mapper",
]

Level = Literal["coarse", "medium", "fine"]
LEVELS: tuple[Level, ...] = get_args(Level)

ROWS = {"coarse": slice(0, 4), "medium": slice(4, 8), "fine": slice(8, None)}
"""Of W+."""
MODULES = {"coarse": "course_mapping", "medium": "medium_mapping", "fine": "fine_mapping"}
"""Names in the released checkpoints, sic."""
STRENGTH = 0.1
"""What a residual is multiplied by in training."""
NUM_LAYERS = 4
LR_MULTIPLIER = 0.01
FORMAT = "atelier-styleclip-mapper-1"
KIND = "a mapper of StyleCLIP"
NO_MAPPER = "The file has no mapper in it; choose one that was trained with StyleCLIP."


# ---------------------------------------------------------------------------------------------- networks


class PixelNorm(nn.Module):
    """x / √(mean of its squares over dimension 1).

    In (N, rows, w_dim) these are the rows and not the channels, by mistake; but released mappers were trained so.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(dim=1, keepdim=True) + EPSILON).rsqrt()


class ActivatedLayer(FullyConnected):
    """Fully connected with an equalised learning rate, then a leaky ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(super().forward(x), SLOPE) * GAIN


class Mapper(nn.Module):
    """(N, …, width) → the same shape: normalisation and four layers."""

    def __init__(self, width: int):
        super().__init__()
        layers = (ActivatedLayer(width, width, lr_multiplier=LR_MULTIPLIER) for _ in range(NUM_LAYERS))
        self.mapping = nn.Sequential(PixelNorm(), *layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.mapping(x)


class LatentMapper(nn.Module):
    """What all kinds share."""

    def __init__(self):
        super().__init__()
        self.metadata: dict[str, str] = {}
        """What its file says of it; "prompt" is the text it was trained for."""


class LevelsMapper(LatentMapper):
    """Three mappers for the coarse, medium and fine rows of W+: 0-3, 4-7 and from 8 on.

    w_dim: numbers in a row. levels: those it has.
    """

    def __init__(self, w_dim: int, levels: Collection[Level] = LEVELS):
        super().__init__()
        self.w_dim = w_dim
        self.levels = tuple(level for level in LEVELS if level in levels)
        for level in self.levels:
            self.add_module(MODULES[level], Mapper(w_dim))

    def forward(self, w: Tensor, levels: Collection[Level] = LEVELS) -> Tensor:
        """(N, rows, w_dim) → the residual before the factor 0.1, of the same shape; zero outside of `levels`.

        Raises `EngineError` for a code of another width.
        """
        _expect_code(w, self.w_dim)
        parts = []
        for level, rows in ROWS.items():
            is_active = level in self.levels and level in levels
            parts.append(self.get_submodule(MODULES[level])(w[:, rows]) if is_active else torch.zeros_like(w[:, rows]))
        return torch.cat(parts, dim=1)


class SingleMapper(LatentMapper):
    """One mapper for all rows of W+, w_dim numbers each."""

    def __init__(self, w_dim: int):
        super().__init__()
        self.w_dim = w_dim
        self.mapping = Mapper(w_dim)

    def forward(self, w: Tensor) -> Tensor:
        """(N, rows, w_dim) → the residual before the factor 0.1. Raises `EngineError` for a code of another width."""
        _expect_code(w, self.w_dim)
        return self.mapping(w)


class StyleSpaceMapper(LatentMapper):
    """One mapper for each style vector, or for each but those of the toRGB layers.

    widths: position of a style vector in the order of execution → its channels, for those that move.
    """

    def __init__(self, widths: Mapping[int, int]):
        super().__init__()
        self.widths = dict(sorted(widths.items()))
        for index, width in self.widths.items():
            self.add_module(f"mapper_{index}", Mapper(width))

    def forward(self, styles: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{name: (N, C)} as `Generator.styles` gives it → residuals before the factor 0.1, zero where none is learnt.

        Raises `EngineError` for the styles of a generator of another size.
        """
        wanted = {
            index: style.shape[1]
            for index, (name, style) in enumerate(styles.items())
            if index in self.widths or not is_torgb(name)
        }
        if wanted != self.widths:
            raise EngineError(
                "The mapper was trained in the style space of another size of generator; choose the one it belongs to."
            )
        return {
            name: self.get_submodule(f"mapper_{index}")(style) if index in self.widths else torch.zeros_like(style)
            for index, (name, style) in enumerate(styles.items())
        }


def _expect_code(w: Tensor, w_dim: int) -> None:
    if w.dim() != 3 or w.shape[2] != w_dim:
        raise EngineError(
            "The mapper moves codes of shape (N, rows, {w_dim}) and got {shape}; choose the generator it "
            "was trained with.",
            w_dim=w_dim,
            shape=tuple(w.shape),
        )


# ---------------------------------------------------------------------------------------------- moving


def add_residual(
    code: Tensor | Mapping[str, Tensor], residual: Tensor | Mapping[str, Tensor], strength: float = STRENGTH
) -> Tensor | dict[str, Tensor]:
    """code + strength · residual, for codes of W+ and for styles (§5)."""
    if isinstance(code, Tensor):
        return code + strength * residual
    return {name: style + strength * residual[name] for name, style in code.items()}


def latent_loss(moved: Tensor | Mapping[str, Tensor], code: Tensor | Mapping[str, Tensor]) -> Tensor:
    """The mean squared movement of a code of W+; in style space the sum over its vectors of such means (§5).

    `engines.styleclip.optimize.losses.l2_loss` is a sum of squares: the weights of the two do not compare.
    """
    if isinstance(code, Tensor):
        return F.mse_loss(moved, code)
    return torch.stack([F.mse_loss(moved[name], style) for name, style in code.items()]).sum()


# ---------------------------------------------------------------------------------------------- files


def load_mapper(path: Path | str) -> LevelsMapper | SingleMapper | StyleSpaceMapper:
    """The mapper of a released checkpoint or of `save_mapper`: float32, on the CPU, in evaluation mode, no gradients.

    A level without tensors is one that was disabled in training. A generator in the same file is not read
    (`engines.stylegan2.load_generator` does). Raises `EngineError` when the file cannot be read, is damaged, or holds
    anything else.
    """
    with open_checkpoint(path, KIND, FORMAT) as content:
        is_own = isinstance(content, OwnFile)
        return mapper_of(*((content.tensors, content.metadata) if is_own else _read_released(content)))


def mapper_of(values: dict[str, Any], metadata: dict[str, str]) -> LevelsMapper | SingleMapper | StyleSpaceMapper:
    """The mapper with these tensors, by name; as `load_mapper` gives it."""
    with torch.device("meta"):
        mapper = _empty_mapper(values)
    fill(mapper, values, KIND)
    mapper.metadata = metadata
    return mapper


def _read_released(value: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """{"state_dict": {"mapper.…", "decoder.…"}, "opts": {"description": prompt, …}} → records and metadata."""
    if not isinstance(value, dict) or not isinstance(value.get("state_dict"), dict):
        raise EngineError(NO_MAPPER)
    state, options = value["state_dict"], value.get("opts")
    records = {
        name.removeprefix("mapper."): record
        for name, record in state.items()
        if isinstance(name, str) and name.startswith("mapper.")
    }
    prompt = options.get("description") if isinstance(options, dict) else None
    return records, {"prompt": prompt} if isinstance(prompt, str) else {}


def _empty_mapper(values: dict[str, Any]) -> LevelsMapper | SingleMapper | StyleSpaceMapper:
    """The kind and the sizes, from names and shapes."""
    biases = {match[1]: name for name in values if (match := re.fullmatch(r"(\w{1,20})\.mapping\.1\.bias", name))}
    widths = {module: width for module, name in biases.items() if (width := math.prod(claimed_shape(values, name)))}
    if "mapping" in widths:
        return SingleMapper(widths["mapping"])
    indices = {int(name[7:]): width for name, width in widths.items() if re.fullmatch(r"mapper_(0|[1-9]\d?)", name)}
    if indices:
        return StyleSpaceMapper(indices)
    levels = [level for level in LEVELS if MODULES[level] in widths]
    if not levels:
        raise EngineError(NO_MAPPER)
    return LevelsMapper(widths[MODULES[levels[0]]], levels)


def save_mapper(
    mapper: LevelsMapper | SingleMapper | StyleSpaceMapper, path: Path | str, *, half: bool = False
) -> None:
    """Write a mapper and its metadata as safetensors, atomically; `load_mapper` reads it back identically.

    half: as fp16, half the size, numbers rounded to 11 bits. Raises `EngineError` when they do not fit that.
    """
    save_own(mapper, path, FORMAT, mapper.metadata, half=half)
