"""Painter's order in PyTorch: from covered (pixel, path) pairs to a picture, in either compositing convention.

For one pixel, back to front, a path of colour c, opacity α and coverage κ turns the canvas colour C and alpha A into

    C' = (1 - κα) C + κα c        A' = (1 - κα) A + κα

*opaque* returns C and A. *clipdraw* imitates diffvg over transparent black, whose samples are un-premultiplied before
they are averaged: it also carries the mean straight colour S,

    S' = (1 - κ) S + κ F        F = ((1 - α) C + α c) / D        D = (1 - α) A + α

and returns S·A and A (methods note §3). Nothing is ever divided by 1 - κα, which may be 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["blend"]

TINY = 1e-6  # below this alpha a sample is empty, as in diffvg


def blend(coverage: Tensor, colors: Tensor, pixels: Tensor, canvas: tuple[int, int, int], convention: str) -> Tensor:
    """Blend M pairs, sorted by path, into pictures: → (B, 4, H, W), premultiplied RGB and alpha.

    coverage (M,) in [0, 1]; colors (M, 4) straight RGBA of each pair's path; pixels (M,) index into B·H·W.
    """
    pictures, height, width = canvas
    order, layers = _layers(pixels, pictures * height * width)
    function = _Opaque if convention == "opaque" else _ClipDraw
    inputs = coverage.index_select(0, order), colors.index_select(0, order), pixels[order]
    image = function.apply(*inputs, layers, pictures * height * width)
    return image.view(pictures, height, width, 4).permute(0, 3, 1, 2)


def _layers(pixels: Tensor, total: int) -> tuple[Tensor, list[tuple[int, int]]]:
    """Sort pairs by depth within their pixel; layer k = [start, end) holds at most one pair of every pixel."""
    by_pixel = torch.argsort(pixels, stable=True)
    counts = torch.bincount(pixels, minlength=total)
    first = counts.cumsum(0) - counts
    depth = torch.empty_like(pixels)
    depth[by_pixel] = torch.arange(len(pixels), device=pixels.device) - first[pixels[by_pixel]]
    ends = torch.bincount(depth).cumsum(0).tolist()
    return torch.argsort(depth, stable=True), list(zip([0, *ends], ends, strict=False))


class _Opaque(torch.autograd.Function):
    """(coverage, colors, pixels, layers, total) → (total, 4) rows of C and A."""

    @staticmethod
    def forward(ctx, coverage, colors, pixels, layers, total):
        alpha = coverage * colors[:, 3]
        paint = colors.clone()
        paint[:, 3] = 1  # alpha blends like a fourth colour of value 1
        image = colors.new_zeros(total, 4)
        behind = torch.empty_like(colors)
        for start, end in layers:
            at = pixels[start:end]
            below = image.index_select(0, at)
            behind[start:end] = below
            image[at] = below + alpha[start:end, None] * (paint[start:end] - below)
        ctx.save_for_backward(coverage, colors, paint, pixels, behind)
        ctx.layers = layers
        return image

    @staticmethod
    def backward(ctx, grad):
        coverage, colors, paint, pixels, behind = ctx.saved_tensors
        grad = grad.clone(memory_format=torch.contiguous_format)
        above = torch.empty_like(behind)  # gradient of each pair's result
        opacity = coverage * colors[:, 3]
        for start, end in reversed(ctx.layers):
            at = pixels[start:end]
            own = grad.index_select(0, at)
            above[start:end] = own
            grad[at] = own * (1 - opacity[start:end, None])
        grad_opacity = (above * (paint - behind)).sum(1)
        grad_colors = above * opacity[:, None]
        grad_colors[:, 3] = grad_opacity * coverage
        return grad_opacity * colors[:, 3], grad_colors, None, None, None


class _ClipDraw(torch.autograd.Function):
    """(coverage, colors, pixels, layers, total) → (total, 4) rows of S·A and A."""

    @staticmethod
    def forward(ctx, coverage, colors, pixels, layers, total):
        kappa, alpha = coverage[:, None], colors[:, 3:]
        opacity = kappa * alpha
        paint = torch.cat([colors[:, :3], torch.ones_like(alpha)], 1)
        image = colors.new_zeros(total, 4)  # C, A
        straight = colors.new_zeros(total, 3)  # S
        behind, straight_behind = torch.empty_like(colors), torch.empty_like(colors[:, :3])
        for start, end in layers:
            at = pixels[start:end]
            below, straight_below = image.index_select(0, at), straight.index_select(0, at)
            behind[start:end], straight_behind[start:end] = below, straight_below
            shown, _ = _shown(below, paint[start:end], alpha[start:end])
            straight[at] = straight_below + kappa[start:end] * (shown - straight_below)
            image[at] = below + opacity[start:end] * (paint[start:end] - below)
        ctx.save_for_backward(coverage, colors, paint, pixels, behind, straight_behind, straight, image[:, 3:])
        ctx.layers = layers
        return torch.cat([straight * image[:, 3:], image[:, 3:]], 1)

    @staticmethod
    def backward(ctx, grad):
        coverage, colors, paint, pixels, behind, straight_behind, straight, image_alpha = ctx.saved_tensors
        kappa, alpha = coverage[:, None], colors[:, 3:]
        opacity = kappa * alpha
        shown, inverse = _shown(behind, paint, alpha)
        grad_straight = grad[:, :3] * image_alpha
        grad_image = torch.zeros_like(grad)
        grad_image[:, 3] = grad[:, 3] + (grad[:, :3] * straight).sum(1)
        grad_coverage, grad_colors = torch.empty_like(coverage), torch.empty_like(colors)
        for start, end in reversed(ctx.layers):
            part = slice(start, end)
            at = pixels[part]
            own, own_straight = grad_image.index_select(0, at), grad_straight.index_select(0, at)
            grad_numerator = kappa[part] * own_straight * inverse[part]  # of N = (1 - α) C + α c
            grad_denominator = -(grad_numerator * shown[part]).sum(1, keepdim=True)
            grad_mixed = torch.cat([grad_numerator, grad_denominator], 1)  # of (N, D) = (1 - α) (C, A) + α (c, 1)
            difference = paint[part] - behind[part]
            grad_opacity = (own * difference).sum(1)
            straight_term = (own_straight * (shown[part] - straight_behind[part])).sum(1)
            grad_coverage[part] = straight_term + alpha[part, 0] * grad_opacity
            grad_colors[part] = alpha[part] * grad_mixed + opacity[part] * own
            grad_colors[part, 3] = (grad_mixed * difference).sum(1) + coverage[part] * grad_opacity
            grad_image[at] = (1 - alpha[part]) * grad_mixed + (1 - opacity[part]) * own
            grad_straight[at] = (1 - kappa[part]) * own_straight
        return grad_coverage, grad_colors, None, None, None


def _shown(below: Tensor, paint: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """F, the straight colour inside a path lying over `below`, and 1 / D (both 0 where D is tiny)."""
    mixed = below + alpha * (paint - below)
    denominator = mixed[:, 3:]
    inverse = torch.where(denominator > TINY, 1 / denominator.clamp_min(TINY), 0)
    return mixed[:, :3] * inverse, inverse
