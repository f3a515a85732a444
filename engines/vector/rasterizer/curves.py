"""What strokes and fills share in PyTorch: evaluating cubics, cutting them into chords, expanding ranges."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bezier", "cut", "expand"]

MAX_CHORDS = 64
ROUNDING = 1e-4  # of a chord: a count that comes out whole, as on a grid, is the same in every backend


def bezier(cubics: Tensor, t: Tensor) -> Tensor:
    """B(t): (M, 4, 2), (M,) → (M, 2)."""
    t = t[:, None]
    quadratic = torch.lerp(cubics[:, :-1], cubics[:, 1:], t[:, None])
    line = torch.lerp(quadratic[:, :-1], quadratic[:, 1:], t[:, None])
    return torch.lerp(line[:, 0], line[:, 1], t)


def cut(cubics: Tensor, tolerance: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Equal steps of t, as many as keep every chord within `tolerance` px of its curve (at most 64).

    cubics (D, 4, 2), a tolerance for all or for each → segment, t at the start, t at the end; (K,) each, in order.
    """
    bend = (cubics[:, :-2] - 2 * cubics[:, 1:-1] + cubics[:, 2:]).norm(dim=2).amax(1)
    counts = ((0.75 * bend / tolerance).sqrt() - ROUNDING).ceil().clamp(1, MAX_CHORDS).long()
    segment, index = expand(torch.zeros_like(counts), counts)
    count = counts[segment].to(cubics.dtype)
    return segment, index / count, (index + 1) / count


def expand(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """All integers of the ranges [low, high): the range each belongs to, and the integer."""
    counts = (high - low).clamp_min(0)
    owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    first = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=owner.device) - first[owner] + low[owner]
