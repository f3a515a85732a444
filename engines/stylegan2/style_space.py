"""Style space S: the outputs of a generator's affine layers, one vector per convolution (Wu et al., arXiv 2011.12799).

    styles = generator.styles(w)                            # {"b4.conv1": (N, C), "b4.torgb": (N, C), "b8.conv0": …}
    direction = torch.zeros(conv_channels(styles).shape[1])
    picture = generator.synthesis_from_styles(move_conv_channels(styles, direction))

Vectors are as the affine layers give them, before the 1 / √C of the toRGB layers, in the order of execution. Edits are
made in the vectors of the convolutions; those of the toRGB layers only colour (StyleCLIP, arXiv 2103.17249, §6).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engines.errors import EngineError

__all__ = ["conv_channels", "is_torgb", "move_conv_channels", "style_rows"]


def style_rows(resolution: int) -> dict[str, int]:
    """Name of each style vector → the row of W+ it is computed from, in the order of execution.

    A block's toRGB layer shares its row with the first convolution of the next block.
    """
    rows = {"b4.conv1": 0, "b4.torgb": 1}
    for block in range(1, resolution.bit_length() - 2):
        rows |= {f"b{4 << block}.{layer}": 2 * block - 1 + k for k, layer in enumerate(("conv0", "conv1", "torgb"))}
    return rows


def is_torgb(name: str) -> bool:
    return name.endswith(".torgb")


def conv_channels(styles: Mapping[str, Tensor]) -> Tensor:
    """All style vectors but those of the toRGB layers, side by side: (N, channels)."""
    return torch.cat([style for name, style in styles.items() if not is_torgb(name)], dim=1)


def move_conv_channels(styles: Mapping[str, Tensor], offset: Tensor) -> dict[str, Tensor]:
    """The styles with `offset`, (channels,) or (N, channels) in the order of `conv_channels`, added to them.

    An offset for the first channels only leaves the others as they are. Raises `EngineError` when there are more
    offsets than channels.
    """
    moved, start = dict(styles), 0
    for name, style in styles.items():
        if not is_torgb(name):
            part = offset[..., start : start + style.shape[1]]
            moved[name] = style + torch.nn.functional.pad(part, (0, style.shape[1] - part.shape[-1]))
            start += style.shape[1]
    if offset.shape[-1] > start:
        raise EngineError(
            "The direction moves {shape} style channels and the generator has {start}; choose a "
            "direction made for this generator.",
            shape=offset.shape[-1],
            start=start,
        )
    return moved
