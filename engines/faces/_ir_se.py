"""The improved residual network with squeeze and excitation that sees faces: IR-SE50.

ArcFace (Deng et al., arXiv 1801.07698, section 3.1) with the units of Hu et al. (arXiv 1709.01507). Names and shapes
of the tensors are those of the published files; the widths of the stages may be others.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from engines.checkpoints import claimed_shape
from engines.errors import EngineError

__all__ = ["WIDTHS", "ir_se_body", "ir_se_input", "read_widths"]

WIDTHS = (64, 128, 256, 512)
"""Channels of the four stages."""
UNITS = (3, 4, 14, 3)
SQUEEZE = 16


def ir_se_input(widths: tuple[int, ...]) -> nn.Sequential:
    """RGB (N, 3, H, W) → (N, widths[0], H, W)."""
    return nn.Sequential(_conv(3, widths[0], 3), nn.BatchNorm2d(widths[0]), nn.PReLU(widths[0]))


def ir_se_body(widths: tuple[int, ...]) -> nn.Sequential:
    """24 units; the first one of each stage halves the sides: (N, widths[0], H, W) → (N, widths[3], H / 16, W / 16)."""
    units: list[Unit] = []
    channels = widths[0]
    for width, count in zip(widths, UNITS, strict=True):
        units += [Unit(channels, width, stride=2), *(Unit(width, width, stride=1) for _ in range(count - 1))]
        channels = width
    return nn.Sequential(*units)


def read_widths(records: dict[str, Any]) -> tuple[int, ...]:
    """The widths of the stages in a file. Raises `EngineError` where there are none, or too narrow ones."""
    firsts = [sum(UNITS[:stage]) for stage in range(len(UNITS))]
    widths = tuple(claimed_shape(records, f"body.{first}.res_layer.1.weight")[0] for first in firsts)
    if min(widths) < SQUEEZE:
        raise EngineError(
            "The network is {value} channels wide; choose one of {SQUEEZE} or more.", value=min(widths), SQUEEZE=SQUEEZE
        )
    return widths


class Unit(nn.Module):
    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            _conv(in_channels, channels, 3),
            nn.PReLU(channels),
            _conv(channels, channels, 3, stride),
            nn.BatchNorm2d(channels),
            SqueezeExcite(channels),
        )
        if in_channels == channels:
            self.shortcut_layer = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(_conv(in_channels, channels, 1, stride), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut_layer(x) + self.res_layer(x)


class SqueezeExcite(nn.Module):
    """Each channel is weighted by what all channels are on average."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc1 = _conv(channels, channels // SQUEEZE, 1)
        self.fc2 = _conv(channels // SQUEEZE, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


def _conv(in_channels: int, channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, kernel, stride, padding=kernel // 2, bias=False)
