"""Latent mappers: small networks that learned one edit, and their files. Nothing in a file is ever run.

    mapper = load_mapper("purple_hair.pt")
    w_hat = add_residual(w, mapper(w))                          # strength 0.1, as trained
    w_hat = add_residual(w, mapper(w, levels={"coarse"}))       # without the medium and the fine rows

StyleCLIP (Patashnik et al., arXiv 2103.17249), §5. A mapper belongs to the generator it was trained with. Tensors have
the names they have in the released checkpoints, "course" included.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from engines.base import EngineError
from engines.files import write_bytes
from engines.stylegan2 import is_torgb
from engines.stylegan2._tensors import Budget, read_torch_legacy, read_torch_zip, to_tensor
from engines.stylegan2.checkpoint import MAX_FILE_BYTES
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
            f"The mapper moves codes of shape (N, rows, {w_dim}) and got {tuple(w.shape)}; "
            "choose the generator it was trained with."
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

    `engines.styleclip.optimization.l2_loss` is a sum of squares: the weights of the two do not compare.
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
    path = Path(path)
    try:
        with path.open("rb") as file:
            if not 16 < path.stat().st_size <= MAX_FILE_BYTES:
                raise ValueError(f"it has {path.stat().st_size} bytes")
            return _load(path, file)
    except FileNotFoundError:
        raise EngineError(f"There is no file '{path}'; choose a mapper of StyleCLIP.") from None
    except OSError as error:
        raise EngineError(f"'{path}' cannot be read ({error.strerror}); choose a mapper of StyleCLIP.") from None
    except EngineError as error:
        raise EngineError(f"'{path.name}': {error}") from None
    except Exception as error:  # a file that is not what it seems to be may fail anywhere
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise EngineError(
            f"'{path.name}' is damaged or no mapper of StyleCLIP ({reason}); choose another file."
        ) from None


def _load(path: Path, file: BinaryIO) -> LevelsMapper | SingleMapper | StyleSpaceMapper:
    start = file.read(16)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return _assemble(*_read_own(path))
    if start.startswith(b"PK"):
        return _assemble(*_read_released(read_torch_zip(file)))
    if start.startswith(b"\x80"):
        # Reading more than there is, as a damaged pickle may ask for, costs nothing from a mapped file.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _assemble(*_read_released(read_torch_legacy(content)))
    raise ValueError("it is neither a torch nor a safetensors file")


def _read_released(value: Any) -> tuple[dict[str, Tensor], dict[str, str]]:
    """{"state_dict": {"mapper.…", "decoder.…"}, "opts": {"description": prompt, …}} → tensors and metadata."""
    if not isinstance(value, dict) or not isinstance(value.get("state_dict"), dict):
        raise EngineError(NO_MAPPER)
    state, options = value["state_dict"], value.get("opts")
    budget = Budget()
    tensors = {
        name.removeprefix("mapper."): to_tensor(tensor, budget)
        for name, tensor in state.items()
        if isinstance(name, str) and name.startswith("mapper.")
    }
    prompt = options.get("description") if isinstance(options, dict) else None
    return tensors, {"prompt": prompt} if isinstance(prompt, str) else {}


def _read_own(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if metadata.pop("format", None) != FORMAT:
            raise EngineError("The file was not saved as a mapper by Atelier; choose one that was.")
        budget = Budget()
        for name in file.keys():  # noqa: SIM118 (it is no dict)
            budget.take(tuple(file.get_slice(name).get_shape()))
        return {name: file.get_tensor(name).float() for name in file.keys()}, metadata  # noqa: SIM118


def _assemble(tensors: dict[str, Tensor], metadata: dict[str, str]) -> LevelsMapper | SingleMapper | StyleSpaceMapper:
    with torch.device("meta"):
        mapper = _empty_mapper(tensors)
    _check_tensors(tensors, {name: tensor.shape for name, tensor in mapper.state_dict().items()})
    mapper.to_empty(device="cpu").load_state_dict(tensors)
    mapper.metadata = metadata
    return mapper.eval().requires_grad_(False)


def _empty_mapper(tensors: dict[str, Tensor]) -> LevelsMapper | SingleMapper | StyleSpaceMapper:
    """The kind and the sizes, from names and shapes."""
    widths = {}
    for name, tensor in tensors.items():
        if (match := re.fullmatch(r"(\w{1,20})\.mapping\.1\.bias", name)) and tensor.numel():
            widths[match[1]] = tensor.numel()
    if "mapping" in widths:
        return SingleMapper(widths["mapping"])
    indices = {int(name[7:]): width for name, width in widths.items() if re.fullmatch(r"mapper_(0|[1-9]\d?)", name)}
    if indices:
        return StyleSpaceMapper(indices)
    levels = [level for level in LEVELS if MODULES[level] in widths]
    if not levels:
        raise EngineError(NO_MAPPER)
    return LevelsMapper(widths[MODULES[levels[0]]], levels)


def _check_tensors(tensors: dict[str, Tensor], shapes: dict[str, torch.Size]) -> None:
    for name, shape in shapes.items():
        if name not in tensors:
            raise EngineError(f"The file lacks the tensor '{name}'; choose a complete mapper.")
        if tensors[name].shape != shape:
            raise EngineError(
                f"The tensor '{name}' is of shape {tuple(tensors[name].shape)} where the others want {tuple(shape)}; "
                "choose an undamaged mapper."
            )
        if not tensors[name].isfinite().all():
            raise EngineError(f"The tensor '{name}' has numbers that are not finite; choose an undamaged file.")
    unknown = next((name for name in tensors if name not in shapes), None)
    if unknown is not None:
        raise EngineError(f"The mapper has '{unknown[:80]}', which StyleCLIP's do not have; choose another one.")


def save_mapper(
    mapper: LevelsMapper | SingleMapper | StyleSpaceMapper, path: Path | str, *, half: bool = False
) -> None:
    """Write a mapper and its metadata as safetensors, atomically; `load_mapper` reads it back identically.

    half: as fp16, half the size, numbers rounded to 11 bits. Raises `EngineError` when they do not fit that.
    """
    tensors = {name: tensor.detach().cpu().float().contiguous() for name, tensor in mapper.state_dict().items()}
    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise EngineError("The mapper has numbers beyond the range of fp16; save it with half=False.")
    write_bytes(Path(path), save(tensors, {**mapper.metadata, "format": FORMAT}))
