"""Loads StyleGAN2 generators from anybody's file, and saves our own. Nothing in a file is ever run.

Supported are pickles of stylegan2-ada-pytorch, of the stylegan3 repository and of their forks, TensorFlow pickles of
stylegan2 and stylegan2-ada, torch files of rosinality's stylegan2-pytorch and what StyleGAN-NADA, pSp and e4e make of
them, and our own safetensors. Sizes are read from the tensors.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engines.checkpoints import OwnFile, claimed_shape, fill, number, open_checkpoint, save_own
from engines.errors import EngineError
from engines.stylegan2._dialects import Checkpoint, read_dialect
from engines.stylegan2.generator import Generator, GeneratorConfig

__all__ = ["load_generator", "save_generator"]

FORMAT = "atelier-stylegan2-1"
MAX_RESOLUTION = 4096
MAX_TAPS = 16
MAX_WIDTH = 8192
"""Of a layer of the mapping network; the mean of w is computed with it."""
CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}
LATENTS_FOR_MEAN = 10_000


def load_generator(path: Path | str) -> Generator:
    """The averaged generator of a checkpoint: float32, on the CPU, in evaluation mode, without gradients of weights.

    Raises `EngineError` when the file cannot be read, is damaged, or holds anything but a StyleGAN2 with the "skip"
    architecture. Whatever a file lacks and is replaced (constant noise, the mean of w) is listed in `Generator.notes`.
    """
    with open_checkpoint(path, "a StyleGAN2 generator", FORMAT) as content:
        return _assemble(_read_own(content) if isinstance(content, OwnFile) else read_dialect(content))


# ---------------------------------------------------------------------------------------------- assembling


def _assemble(checkpoint: Checkpoint) -> Generator:
    tensors, notes = checkpoint.tensors, list(checkpoint.notes)
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

    fill(generator, tensors, "a StyleGAN2 generator with the 'skip' architecture")
    if not has_mean:
        generator.mapping.w_avg.copy_(_mean_w(generator))
        notes.append(f"The file lacks the mean of w; that of {LATENTS_FOR_MEAN} latents was taken.")
    generator.notes = tuple(notes)
    return generator


def _infer_config(checkpoint: Checkpoint) -> GeneratorConfig:
    tensors, shape = checkpoint.tensors, partial(claimed_shape, checkpoint.tensors)
    if shape("synthesis.b4.const")[1:] != (4, 4):
        raise EngineError("The generator does not make square pictures; choose one that does.")
    resolution = _largest(r"synthesis\.b(\d{1,6})\.(?!\w+\.noise_const$)", tensors)
    if resolution & (resolution - 1) or not 4 <= resolution <= MAX_RESOLUTION:
        raise EngineError(
            "The generator has a block of {resolution} px; choose one of 4 to {MAX_RESOLUTION} px.",
            resolution=resolution,
            MAX_RESOLUTION=MAX_RESOLUTION,
        )
    blocks = [4 << block for block in range(resolution.bit_length() - 2)]
    channels = [shape(f"synthesis.b{block}.conv1.weight")[0] for block in blocks]
    layers = range(_largest(r"mapping\.fc(\d{1,2})\.", tensors) + 1)
    features = [shape(f"mapping.fc{layer}.weight")[0] for layer in layers]
    embed = shape("mapping.embed.weight") if "mapping.embed.weight" in tensors else (0, 0)
    z_dim = shape("mapping.fc0.weight")[1] - embed[0]
    if min(*channels, *features, z_dim) < 1:
        raise ValueError("it has a layer without channels")
    if max(*features, z_dim, *embed) > MAX_WIDTH:
        raise EngineError(
            "The generator's mapping network is wider than {MAX_WIDTH}; choose a narrower one.", MAX_WIDTH=MAX_WIDTH
        )
    img_channels = shape("synthesis.b4.torgb.weight")[0]
    if img_channels not in CHANNELS:
        raise EngineError(
            "The generator makes pictures of {img_channels} channels; choose one for {choices}.",
            img_channels=img_channels,
            choices=", ".join(CHANNELS.values()),
        )
    return GeneratorConfig(
        channels=tuple(channels),
        z_dim=z_dim,
        mapping_features=tuple(features),
        embed_features=embed[0],
        c_dim=embed[1],
        img_channels=img_channels,
        resample_taps=len(tensors["synthesis.resample_filter"]),
        lr_multiplier=_positive(checkpoint.lr_multiplier, "lr_multiplier"),
        conv_clamp=None if checkpoint.conv_clamp is None else _positive(checkpoint.conv_clamp, "conv_clamp"),
        num_fp16_res=_fp16_blocks(checkpoint.num_fp16_res),
    )


def _largest(pattern: str, names: Iterable[str]) -> int:
    """The largest number in the pattern's group, 0 if no name matches."""
    return max((int(match[1]) for name in names if (match := re.match(pattern, name))), default=0)


def _positive(value: Any, name: str) -> float:
    value = number(value)
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise ValueError(f"its {name} is no positive number")
    return float(value)


def _fp16_blocks(value: Any) -> int:
    value = number(value)
    if value is None:
        return 0
    if type(value) is not int or abs(value) > 100:
        raise ValueError("its num_fp16_res is no small integer")
    return max(value, 0)


def _resample_filter(filters: list[Tensor]) -> Tensor:
    """The row of which all `filters` are the outer product: symmetric, with sum 1. [1, 3, 3, 1] / 8 without filters."""
    if not filters:
        return torch.tensor([1.0, 3, 3, 1]) / 8
    if any(not 1 <= taps.dim() <= 2 or max(taps.shape) > MAX_TAPS for taps in filters):
        raise EngineError("The generator resamples with an unusual filter; choose one with [1, 3, 3, 1].")
    row = filters[0].sum(0) if filters[0].dim() == 2 else filters[0]
    whole = torch.outer(row, row) if filters[0].dim() == 2 else row
    fits = all(other.shape == whole.shape and torch.allclose(other, whole, atol=1e-4) for other in filters)
    if not fits or not 2 <= len(row) <= MAX_TAPS or abs(row.sum() - 1) > 1e-3 or not torch.equal(row, row.flip(0)):
        raise EngineError("The generator resamples with an unusual filter; choose one with [1, 3, 3, 1].")
    return row


@torch.no_grad()
def _mean_w(generator: Generator) -> Tensor:
    """The mean of w over seeded latents and, where there are classes, over them."""
    z = torch.randn(LATENTS_FOR_MEAN, generator.z_dim, generator=torch.Generator().manual_seed(0))
    return generator.mapping(z, c=generator.classes_in_turn(len(z)))[:, 0].mean(0)


# ---------------------------------------------------------------------------------------------- our own files


def save_generator(generator: Generator, path: Path | str, *, half: bool = False) -> None:
    """Write a generator as safetensors, atomically; `load_generator` reads it back identically.

    half: as fp16, half the size, numbers rounded to 11 bits. Raises `EngineError` when they do not fit that.
    """
    save_own(generator, path, FORMAT, {"config": json.dumps(asdict(generator.config))}, half=half)


def _read_own(file: OwnFile) -> Checkpoint:
    config = json.loads(file.metadata["config"])
    if type(config) is not dict:
        raise ValueError("it has something else in the place of its options")
    row = file.tensors.pop("synthesis.resample_filter")
    options = {key: config[key] for key in ("conv_clamp", "num_fp16_res", "lr_multiplier")}
    return Checkpoint(file.tensors, [row], **options)
