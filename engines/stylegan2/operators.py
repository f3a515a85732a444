"""Operators of the StyleGAN2 generator: demodulation, convolution, upsampling, and RGB from other channels."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "EPSILON",
    "as_rgb",
    "binomial",
    "channels_last",
    "convolve",
    "demodulation",
    "over_pixels",
    "upsample2d",
    "within_fp16",
]

EPSILON = 1e-8


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """arXiv 1912.04958, eq. 3: 1 / √Σ (style_i · weight_oik)² over i, k; (C, C_in, h, w) and (N, C_in) → (N, C)."""
    power = sum(tap.square() for tap in weight.flatten(2).unbind(2))  # ten times as fast as a sum over two axes
    return (style.square() @ power.T + EPSILON).rsqrt()


def within_fp16(weight: Tensor, style: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same product of the three, with the largest style 1 and the largest weight of each output 1 / √fan_in."""
    largest_weight = weight.abs().amax(dim=(1, 2, 3)).clamp_min(EPSILON) * math.sqrt(weight[0].numel())
    largest_style = style.abs().amax(dim=1, keepdim=True).clamp_min(EPSILON)
    return weight / largest_weight[:, None, None, None], style / largest_style, scale * largest_weight * largest_style


def convolve(x: Tensor, weight: Tensor, resample_filter: Tensor | None = None) -> Tensor:
    """Correlation, zeros around it: (N, C_in, h, w) → (N, C, h, w), or with a filter (N, C, 2h, 2w).

    Upsampling is a transposed convolution with stride 2 whose pixels, (2h + 1) × (2w + 1), are then filtered.
    """
    if resample_filter is None:
        return F.conv2d(x, weight, padding=1)
    height, width = 2 * x.shape[2], 2 * x.shape[3]
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    kernel = _kernel(resample_filter, x)
    taps = len(resample_filter)
    return F.conv2d(x, kernel, padding=(taps + 1) // 2 - 1, groups=x.shape[1])[:, :, :height, :width]


def upsample2d(x: Tensor, resample_filter: Tensor) -> Tensor:
    """(N, C, h, w) → (N, C, 2h, 2w): a zero after every row and column, then the filter; zeros around."""
    taps = len(resample_filter)
    y = F.conv_transpose2d(
        x, _kernel(resample_filter, x), stride=2, padding=taps - 1 - (taps + 1) // 2, groups=x.shape[1]
    )
    return y[:, :, : 2 * x.shape[2], : 2 * x.shape[3]]


def _kernel(resample_filter: Tensor, x: Tensor) -> Tensor:
    """One filter for every channel of x, (C, 1, taps, taps); it sums to 4, as three of four pixels were zero."""
    return (4 * torch.outer(resample_filter, resample_filter)).to(x.dtype).expand(x.shape[1], 1, -1, -1)


def binomial(taps: int) -> Tensor:
    """[1, 3, 3, 1] / 8 for four taps."""
    row = torch.tensor([float(math.comb(taps - 1, k)) for k in range(taps)])
    return row / row.sum()


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def over_pixels(values: Tensor, x: Tensor) -> Tensor:
    """(N, C) or (C,) → (N, C, 1, 1) or (C, 1, 1) in the type of x."""
    return values[..., None, None].to(x.dtype)


def as_rgb(picture: Tensor) -> Tensor:
    """(N, 1 to 4, H, W), nominally in [-1, 1] → (N, 3, H, W): grey is repeated, alpha lies on white."""
    channels = picture.shape[1]
    if channels == 3:
        return picture
    colors = picture[:, :3] if channels == 4 else picture[:, :1].expand(-1, 3, -1, -1)
    if channels == 1:
        return colors
    alpha = ((picture[:, -1:] + 1) / 2).clamp(0, 1)
    return torch.lerp(torch.ones_like(colors), colors, alpha)
