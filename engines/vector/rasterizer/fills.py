"""Filled paths in PyTorch: the exact area of every pixel inside a polygon, and its exact gradient.

Every outline is cut into chords, and these at pixel borders. A piece that rises by dy inside one pixel adds dy times
the share of the pixel to its right, and dy to all pixels further right; the sum along a row is the mean winding number
of each pixel. Moving a piece changes the area of its own pixel only, by what it sweeps over: that is the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from engines.vector.rasterizer.curves import bezier, cut, expand
from engines.vector.scene import Layout, Paint

__all__ = ["fill_coverage"]

TOLERANCE = 0.005  # px between chord and outline
UNSEEN = 1e-5  # coverage below is left out


def fill_coverage(
    points: Tensor, layout: Layout, width: int, rows: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Path, x, y and coverage of every pixel of `rows` that a filled path touches, sorted by path.

    Differentiable in points (P, 2). Exact where outlines do not cross inside a pixel.
    """
    cubics = layout.fills.cubics(points)
    segment, t0, t1 = cut(cubics.detach(), TOLERANCE)
    own = cubics.index_select(0, segment)
    start, end = bezier(own, t0), bezier(own, t1)
    with torch.no_grad():
        windows = _Windows.around(layout.fills.paths[segment], start, end, layout.num_paths, width, rows)
        cuts = _cut_at_pixels(start, end, windows)
    winding = _Winding.apply(start, end, cuts, windows)
    path, x, y = windows.places
    nonzero, evenodd = winding.abs().clamp_max(1), (winding - 2 * (winding / 2).round()).abs()
    coverage = torch.where(layout.paints[path] == Paint.NONZERO, nonzero, evenodd)
    seen = torch.nonzero((coverage > UNSEEN) & (x < windows.high[path, 0])).squeeze(1)
    return path[seen], x[seen], y[seen], coverage.index_select(0, seen)


@dataclass(frozen=True, eq=False)
class _Windows:
    """The pixels of every path's bounding box, in one row of slots: by path, by row, by column.

    A spare column on the right takes what belongs to "all pixels further right".
    """

    chord_paths: Tensor  # (K,)
    low: Tensor  # (N, 2) first x, y of each path
    high: Tensor  # (N, 2) one past the last

    @classmethod
    def around(
        cls, chord_paths: Tensor, start: Tensor, end: Tensor, num_paths: int, width: int, rows: tuple[int, int]
    ) -> _Windows:
        index = chord_paths[:, None].expand(-1, 2)
        top_left, bottom_right = start.new_tensor([0, rows[0]]), start.new_tensor([width, rows[1]])
        low = bottom_right.expand(num_paths, 2).scatter_reduce(0, index, torch.minimum(start, end), "amin")
        high = top_left.expand(num_paths, 2).scatter_reduce(0, index, torch.maximum(start, end), "amax")
        low = low.floor().clamp(top_left, bottom_right).long()
        return cls(chord_paths, low, torch.maximum(high.ceil().clamp(top_left, bottom_right).long(), low))

    @cached_property
    def shape(self) -> Tensor:
        """(N, 2) columns (one spare) and rows; a window without rows or columns has no slots."""
        size = self.high - self.low
        return torch.where((size > 0).all(1, keepdim=True), size + size.new_tensor([1, 0]), 0)

    @cached_property
    def offset(self) -> Tensor:
        area = self.shape.prod(1)
        return area.cumsum(0) - area

    @cached_property
    def places(self) -> tuple[Tensor, Tensor, Tensor]:
        """Path, x and y of every slot."""
        path, index = expand(torch.zeros_like(self.offset), self.shape.prod(1))
        columns = self.shape[path, 0]
        return path, self.low[path, 0] + index % columns, self.low[path, 1] + index // columns

    def slot(self, path: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return self.offset[path] + (y - self.low[path, 1]) * self.shape[path, 0] + x - self.low[path, 0]

    def sum_rows(self, values: Tensor) -> Tensor:
        """Running sum along each row of each window."""
        path, x, y = self.places
        total = torch.cat([values.new_zeros(1), values.double().cumsum(0)])
        return (total[1:] - total[self.slot(path, self.low[path, 0], y)]).to(values.dtype)


@dataclass(frozen=True, eq=False)
class _Cuts:
    """Pieces of chords, from `u0` to `u1` along the chord, each inside one pixel or left of its path's window."""

    chord: Tensor
    u0: Tensor
    u1: Tensor
    slot: Tensor
    inside: Tensor  # False: left of the window, where a piece covers its whole row and has no gradient
    column: Tensor


def _cut_at_pixels(start: Tensor, end: Tensor, windows: _Windows) -> _Cuts:
    path = windows.chord_paths
    whole = torch.arange(len(start), device=start.device)
    zeros, ones = torch.zeros_like(start[:, 0]), torch.ones_like(start[:, 0])
    low, high = windows.low, windows.high
    chord, u0, u1, y = _cut_along(1, start, end, whole, zeros, ones, low[path], high[path])
    seen = (y >= low[path[chord], 1]) & (y < high[path[chord], 1])
    chord, u0, u1, y = chord[seen], u0[seen], u1[seen], y[seen]
    piece, u0, u1, x = _cut_along(0, start, end, chord, u0, u1, low[path[chord]], high[path[chord]])
    chord, y = chord[piece], y[piece]
    left = low[path[chord], 0]
    seen = (x < high[path[chord], 0]) & (left < high[path[chord], 0])
    chord, u0, u1, x, y, left = chord[seen], u0[seen], u1[seen], x[seen], y[seen], left[seen]
    column = torch.maximum(x, left)
    return _Cuts(chord, u0, u1, windows.slot(path[chord], column, y), x >= left, column)


def _cut_along(
    axis: int, start: Tensor, end: Tensor, chord: Tensor, u0: Tensor, u1: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cut pieces [u0, u1] of chords at the integer lines of an axis.

    → the piece each part comes from, its u0, u1, and its cell, which is low - 1 for all below `low` and `high` above.
    """
    origin, extent = start[chord, axis], (end - start)[chord, axis]
    low, high = low[:, axis] - 1, high[:, axis]

    def cell(u: Tensor) -> Tensor:
        place = torch.addcmul(origin, u, extent).floor()
        return torch.minimum(torch.maximum(place, low.to(place.dtype)), high.to(place.dtype)).long()

    first, last = cell(u0), cell(u1)
    piece, step = expand(torch.zeros_like(first), (last - first).abs() + 1)
    direction = (last - first).sign()
    here = first[piece] + direction[piece] * step
    slope = torch.where(extent == 0, 1, extent)[piece]

    def crossing(line: Tensor) -> Tensor:
        u = (line.to(slope.dtype) - origin[piece]) / slope
        return torch.minimum(torch.maximum(u, u0[piece]), u1[piece])

    ahead = direction[piece] > 0
    enter = torch.where(step == 0, u0[piece], crossing(torch.where(ahead, here, here + 1)))
    leave = torch.where(here == last[piece], u1[piece], crossing(torch.where(ahead, here + 1, here)))
    return piece, enter, leave, here


class _Winding(torch.autograd.Function):
    """Chord ends (K, 2), (K, 2) → mean winding number of every slot's pixel."""

    @staticmethod
    def forward(ctx, start, end, cuts, windows):
        edge = (end - start)[cuts.chord]
        length, middle = cuts.u1 - cuts.u0, (cuts.u0 + cuts.u1) / 2
        x = start[cuts.chord, 0] + middle * edge[:, 0]
        rise = edge[:, 1] * length
        share_left = torch.where(cuts.inside, (x - cuts.column).clamp(0, 1), 0)
        slots = windows.places[0].numel()
        change = start.new_zeros(slots)
        change.index_add_(0, cuts.slot, rise * (1 - share_left))
        change.index_add_(0, cuts.slot + 1, rise * share_left)
        ctx.save_for_backward(edge, length, middle)
        ctx.cuts, ctx.chords = cuts, len(start)
        return windows.sum_rows(change)

    @staticmethod
    def backward(ctx, grad):
        edge, length, middle = ctx.saved_tensors
        cuts = ctx.cuts
        swept = torch.stack([-edge[:, 1], edge[:, 0]], 1) * (grad[cuts.slot] * length * cuts.inside)[:, None]
        grad_start, grad_end = grad.new_zeros(2, ctx.chords, 2)
        grad_start.index_add_(0, cuts.chord, swept * (1 - middle)[:, None])
        grad_end.index_add_(0, cuts.chord, swept * middle[:, None])
        return grad_start, grad_end, None, None
