"""Loading StyleGAN2 generators from anybody's file, and saving our own. Nothing in a file is ever run.

Read are pickles of stylegan2-ada-pytorch and of the stylegan3 repository, TensorFlow pickles of stylegan2 and
stylegan2-ada, torch files of rosinality's stylegan2-pytorch and what StyleGAN-NADA, pSp and e4e make of them, and our
own safetensors. What a file is, its content tells and not its suffix; sizes are those of the tensors.
"""

from __future__ import annotations

import json
import math
import mmap
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from engines.base import EngineError
from engines.files import write_bytes
from engines.stylegan2._dialects import Checkpoint, read_dialect
from engines.stylegan2._pickles import read_pickle
from engines.stylegan2._tensors import LEGACY_MAGIC, Budget, number, read_torch_legacy, read_torch_zip
from engines.stylegan2.generator import Generator, GeneratorConfig

__all__ = ["load_generator", "save_generator"]

FORMAT = "atelier-stylegan2-1"
MAX_FILE_BYTES = 4 << 30
"""The largest file in use, e4e with its encoder, has 1.2 GB."""
MAX_RESOLUTION = 4096
MAX_TAPS = 16
LATENTS_FOR_MEAN = 10_000


def load_generator(path: Path | str) -> Generator:
    """The averaged generator of a checkpoint: float32, on the CPU, in evaluation mode, without gradients of weights.

    Raises `EngineError` when the file cannot be read, is damaged, or holds anything but a StyleGAN2 with the "skip"
    architecture. What a file lacks and is made up for (constant noise, the mean of w) is said in `Generator.notes`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if not 16 < path.stat().st_size <= MAX_FILE_BYTES:
                raise ValueError(f"it has {path.stat().st_size} bytes")
            return _load(path, file)
    except FileNotFoundError:
        raise EngineError(f"There is no file '{path}'; choose a StyleGAN2 checkpoint.") from None
    except OSError as error:
        raise EngineError(f"'{path}' cannot be read ({error.strerror}); choose a StyleGAN2 checkpoint.") from None
    except EngineError as error:
        raise EngineError(f"'{path.name}': {error}") from None
    except Exception as error:  # a file that is not what it seems to be may fail anywhere
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise EngineError(
            f"'{path.name}' is damaged or no StyleGAN2 checkpoint ({reason}); choose another file."
        ) from None


def _load(path: Path, file: BinaryIO) -> Generator:
    start = file.read(16)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return _load_own(path)
    if start.startswith(b"PK"):
        return _assemble(read_dialect(read_torch_zip(file)))
    if start.startswith(b"\x80"):
        # Reading more than there is, as a damaged pickle may ask for, costs nothing from a mapped file.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _assemble(read_dialect(_read_any_pickle(content)))
    raise ValueError("it is neither a pickle nor a torch or safetensors file")


def _read_any_pickle(content: BinaryIO) -> Any:
    """A plain pickle, or the row of pickles and tensors that torch wrote before version 1.6."""
    value = read_pickle(content)
    if value != LEGACY_MAGIC:
        return value
    content.seek(0)
    return read_torch_legacy(content)


# ---------------------------------------------------------------------------------------------- assembling


def _assemble(checkpoint: Checkpoint) -> Generator:
    tensors, notes = checkpoint.tensors, []
    tensors["synthesis.resample_filter"] = _resample_filter(checkpoint.filters)
    config = _infer_config(checkpoint)
    with torch.device("meta"):
        generator = Generator(config)
    shapes = {name: tensor.shape for name, tensor in generator.state_dict().items()}

    if not any(name.endswith(".noise_strength") for name in tensors):  # trained without noise
        tensors |= {name: torch.zeros(()) for name in shapes if name.endswith(".noise_strength")}
    for name in [name for name in tensors if name.endswith(".noise_const") and name not in shapes]:
        del tensors[name]  # of forks that keep more of them than they use
    noise = [name for name in shapes if name.endswith(".noise_const") and name not in tensors]
    if noise:
        source = torch.Generator().manual_seed(0)
        tensors |= {name: torch.randn(shapes[name], generator=source) for name in noise}
        notes.append(f"The file lacks {len(noise)} maps of constant noise; others were drawn for them.")
    has_mean = "mapping.w_avg" in tensors
    tensors.setdefault("mapping.w_avg", torch.zeros(config.w_dim))

    _check_tensors(tensors, shapes)
    generator.to_empty(device="cpu").load_state_dict(tensors)
    generator.eval().requires_grad_(False)
    if not has_mean:
        generator.mapping.w_avg.copy_(_mean_w(generator))
        notes.append(f"The file lacks the mean of w; that of {LATENTS_FOR_MEAN} latents was taken.")
    generator.notes = tuple(notes)
    return generator


def _infer_config(checkpoint: Checkpoint) -> GeneratorConfig:
    tensors = checkpoint.tensors

    def shape(name: str) -> torch.Size:
        if name not in tensors:
            raise EngineError(f"The file lacks the tensor '{name}'; choose a complete StyleGAN2 generator.")
        return tensors[name].shape

    if shape("synthesis.b4.const")[1:] != (4, 4):
        raise EngineError("The generator does not make square pictures; choose one that does.")
    resolution = _largest(r"synthesis\.b(\d{1,6})\.(?!\w+\.noise_const$)", tensors)
    if resolution & (resolution - 1) or not 4 <= resolution <= MAX_RESOLUTION:
        raise EngineError(f"The generator has a block of {resolution} px; choose one of 4 to {MAX_RESOLUTION} px.")
    blocks = [4 << block for block in range(resolution.bit_length() - 2)]
    channels = [shape(f"synthesis.b{block}.conv1.weight")[0] for block in blocks]
    layers = range(_largest(r"mapping\.fc(\d{1,2})\.", tensors) + 1)
    features = [shape(f"mapping.fc{layer}.weight")[0] for layer in layers]
    embed = shape("mapping.embed.weight") if "mapping.embed.weight" in tensors else (0, 0)
    z_dim = shape("mapping.fc0.weight")[1] - embed[0]
    if min(*channels, *features, z_dim) < 1:
        raise ValueError("it has a layer without channels")
    return GeneratorConfig(
        channels=tuple(channels),
        z_dim=z_dim,
        mapping_features=tuple(features),
        embed_features=embed[0],
        c_dim=embed[1],
        img_channels=shape("synthesis.b4.torgb.weight")[0],
        resample_taps=len(tensors["synthesis.resample_filter"]),
        lr_multiplier=_positive(checkpoint.lr_multiplier, "lr_multiplier"),
        conv_clamp=None if checkpoint.conv_clamp is None else _positive(checkpoint.conv_clamp, "conv_clamp"),
        num_fp16_res=max(int(number(checkpoint.num_fp16_res)), 0),
    )


def _largest(pattern: str, names: Iterable[str]) -> int:
    """The largest number at the place of the group, 0 if none."""
    return max((int(match[1]) for name in names if (match := re.match(pattern, name))), default=0)


def _positive(value: Any, name: str) -> float:
    value = number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"its {name} is no positive number")
    return float(value)


def _resample_filter(filters: list[Tensor]) -> Tensor:
    """The row whose outer product with itself all `filters` are: symmetric, with sum 1. [1, 3, 3, 1] / 8 if none."""
    if not filters:
        return torch.tensor([1.0, 3, 3, 1]) / 8
    row = filters[0].sum(0) if filters[0].dim() == 2 else filters[0]
    whole = torch.outer(row, row) if filters[0].dim() == 2 else row
    fits = all(other.shape == whole.shape and torch.allclose(other, whole, atol=1e-4) for other in filters)
    if not fits or not 2 <= len(row) <= MAX_TAPS or abs(row.sum() - 1) > 1e-3 or not torch.equal(row, row.flip(0)):
        raise EngineError("The generator resamples with an unusual filter; choose one with [1, 3, 3, 1].")
    return row


def _check_tensors(tensors: dict[str, Tensor], shapes: dict[str, torch.Size]) -> None:
    for name, shape in shapes.items():
        if name not in tensors:
            raise EngineError(f"The file lacks the tensor '{name}'; choose a complete StyleGAN2 generator.")
        if tensors[name].shape != shape:
            raise EngineError(
                f"The tensor '{name}' is of shape {tuple(tensors[name].shape)} where the others want {tuple(shape)}; "
                "choose an undamaged StyleGAN2 generator with the 'skip' architecture."
            )
        if not tensors[name].isfinite().all():
            raise EngineError(f"The tensor '{name}' has numbers that are not finite; choose an undamaged file.")
    unknown = next((name for name in tensors if name not in shapes), None)
    if unknown is not None:
        raise EngineError(
            f"The generator has '{unknown[:80]}', which a StyleGAN2 with the 'skip' architecture does not have; "
            "choose one with that architecture."
        )


@torch.no_grad()
def _mean_w(generator: Generator) -> Tensor:
    """The mean of w over seeded latents and, where there are classes, over them."""
    z = torch.randn(LATENTS_FOR_MEAN, generator.z_dim, generator=torch.Generator().manual_seed(0))
    c = torch.eye(generator.c_dim)[torch.arange(len(z)) % generator.c_dim] if generator.c_dim else None
    return generator.mapping(z, c=c)[:, 0].mean(0)


# ---------------------------------------------------------------------------------------------- our own files


def save_generator(generator: Generator, path: Path | str, *, half: bool = False) -> None:
    """Write a generator as safetensors, atomically; `load_generator` reads it back identically.

    half: as fp16, half the size, numbers rounded to 11 bits. Raises `EngineError` when they do not fit that.
    """
    tensors = {name: tensor.detach().cpu().float().contiguous() for name, tensor in generator.state_dict().items()}
    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise EngineError("The generator has numbers beyond the range of fp16; save it with half=False.")
    write_bytes(Path(path), save(tensors, {"format": FORMAT, "config": json.dumps(asdict(generator.config))}))


def _load_own(path: Path) -> Generator:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise EngineError("The file was not saved as a generator by Atelier; choose one that was.")
        budget = Budget()
        for name in file.keys():  # noqa: SIM118 (it is no dict)
            budget.take(tuple(file.get_slice(name).get_shape()))
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    config = json.loads(metadata["config"])
    row = tensors.pop("synthesis.resample_filter")
    options = {key: config[key] for key in ("conv_clamp", "num_fp16_res", "lr_multiplier")}
    return _assemble(Checkpoint(tensors, [row], **options))
