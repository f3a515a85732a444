"""Filled paths in PyTorch: the exact area of every pixel inside a polygon, and its exact gradient.

Every outline is cut into chords, and the chords are cut at pixel borders. A piece that rises by dy inside one pixel
adds dy times the share of the pixel to its right, and dy to all pixels further right; the sum along a row is the mean
winding number of each pixel. Moving a piece changes the area of its own pixel only, by the area that it sweeps: that is
the gradient.

**Borders and kinks.** Pixel (x, y) is the square [x, x + 1) × [y, y + 1), and coverage is its area inside the outline,
so a shape on whole pixels covers each of them wholly. The derivative of the area jumps where an outline lies on a pixel
border, and where a winding number is 0 or full. There all backends return the mean of the derivatives on both sides, as
a central difference does; strokes do the same. An edge on a border therefore counts as two half edges, one in each of
the pixels that it separates. Without that, the edges of a shape on whole pixels would have no gradient to move along.
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
UNSEEN = 1e-5  # coverage this close to 0 is left out, and the derivative has a kink this close to 0 and 1
BORDER = 1e-5  # px; a chord whose ends are this close to a pixel border lies on it


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
        outline = _Outline.cut(start, end, windows)
        path, x, y = windows.places
        evenodd = layout.paints[path] == Paint.EVENODD
    coverage = _Coverage.apply(start, end, outline, windows, evenodd)
    seen = torch.nonzero(((coverage > UNSEEN) | outline.bordered(windows)) & (x < windows.high[path, 0])).squeeze(1)
    return path[seen], x[seen], y[seen], coverage.index_select(0, seen)


@dataclass(frozen=True, eq=False)
class _Windows:
    """The pixels of every path's bounding box, in one row of slots: by path, by row, by column.

    A box on a pixel border includes the pixels beyond it, which the edge may move into. A spare column on the right
    takes what belongs to "all pixels further right".
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
        low = (bottom_right + 1).expand(num_paths, 2).scatter_reduce(0, index, torch.minimum(start, end), "amin")
        high = (top_left - 1).expand(num_paths, 2).scatter_reduce(0, index, torch.maximum(start, end), "amax")
        low = ((low - BORDER).ceil() - 1).clamp(top_left, bottom_right).long()
        high = ((high + BORDER).floor() + 1).clamp(top_left, bottom_right).long()
        return cls(chord_paths, low, torch.maximum(high, low))

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
class _Pieces:
    """Pieces of chords, from `u0` to `u1` along the chord, each inside one pixel or left of its path's window."""

    chord: Tensor
    u0: Tensor
    u1: Tensor
    slot: Tensor
    inside: Tensor  # False: left of the window, where a piece covers its whole row and has no gradient
    column: Tensor

    @property
    def length(self) -> Tensor:
        return self.u1 - self.u0

    @property
    def middle(self) -> Tensor:
        return (self.u0 + self.u1) / 2


@dataclass(frozen=True, eq=False)
class _Outline:
    """All chords in pieces, and those along pixel borders once more: half a pixel before and half a pixel beyond.

    `before` are left of or above the border, `beyond` right of or below it.
    """

    pieces: _Pieces
    before: _Pieces
    beyond: _Pieces
    on_border: Tensor  # (K, 2) whether chord k is vertical, horizontal on a border

    @classmethod
    def cut(cls, start: Tensor, end: Tensor, windows: _Windows) -> _Outline:
        border = start.round()
        on_border = ((start - border).abs() < BORDER) & ((end - border).abs() < BORDER)
        halves = []
        for shift in (-0.5, 0.5):
            moved = [torch.where(on_border, border + shift, ends) for ends in (start, end)]
            halves.append(_cut_at_pixels(*moved, windows, torch.nonzero(on_border.any(1)).squeeze(1)))
        every = torch.arange(len(start), device=start.device)
        return cls(_cut_at_pixels(start, end, windows, every), *halves, on_border)

    def bordered(self, windows: _Windows) -> Tensor:
        """Mask of the slots next to an edge on a border: even uncovered ones have a gradient."""
        mask = torch.zeros_like(windows.places[0], dtype=torch.bool)
        for half in (self.before, self.beyond):
            mask[half.slot[half.inside]] = True
        return mask


def _cut_at_pixels(start: Tensor, end: Tensor, windows: _Windows, chord: Tensor) -> _Pieces:
    """The pieces of the chosen chords: those of `chord`, an index into start and end (K, 2)."""
    zeros, ones = torch.zeros_like(start[chord, 0]), torch.ones_like(start[chord, 0])
    low, high = (bound[windows.chord_paths] for bound in (windows.low, windows.high))
    piece, u0, u1, y = _cut_along(1, start, end, chord, zeros, ones, low[chord], high[chord])
    chord = chord[piece]
    seen = (y >= low[chord, 1]) & (y < high[chord, 1])
    chord, u0, u1, y = chord[seen], u0[seen], u1[seen], y[seen]
    piece, u0, u1, x = _cut_along(0, start, end, chord, u0, u1, low[chord], high[chord])
    chord, y = chord[piece], y[piece]
    left, right = low[chord, 0], high[chord, 0]
    seen = (x < right) & (left < right)
    chord, u0, u1, x, y, left = chord[seen], u0[seen], u1[seen], x[seen], y[seen], left[seen]
    column = torch.maximum(x, left)
    return _Pieces(chord, u0, u1, windows.slot(windows.chord_paths[chord], column, y), x >= left, column)


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


class _Coverage(torch.autograd.Function):
    """Chord ends (K, 2), (K, 2) → coverage of every slot's pixel, by its mean winding number and the fill rule."""

    @staticmethod
    def forward(ctx, start, end, outline, windows, evenodd):
        pieces, edge = outline.pieces, end - start
        x = start[pieces.chord, 0] + pieces.middle * edge[pieces.chord, 0]
        rise = edge[pieces.chord, 1] * pieces.length
        share_left = torch.where(pieces.inside, (x - pieces.column).clamp(0, 1), 0)
        change = start.new_zeros(len(evenodd))
        change.index_add_(0, pieces.slot, rise * (1 - share_left))
        change.index_add_(0, pieces.slot + 1, rise * share_left)
        coverage, rising, falling = _fold(windows.sum_rows(change), evenodd)
        ctx.save_for_backward(edge, rising, falling)
        ctx.outline = outline
        return coverage

    @staticmethod
    def backward(ctx, grad):
        edge, rising, falling = ctx.saved_tensors
        outline, sweep = ctx.outline, torch.stack([-edge[:, 1], edge[:, 0]], 1)
        rising, falling = rising * grad, falling * grad
        adds = torch.where(outline.on_border[:, 0], sweep[:, 0], sweep[:, 1]) > 0  # moving on raises winding numbers
        free = ~outline.on_border.any(1)
        grad_start, grad_end = torch.zeros_like(edge), torch.zeros_like(edge)

        def pull(pieces: _Pieces, slopes: Tensor) -> None:
            """Add half of the slope at each piece: the mean of two sides takes two halves."""
            swept = sweep[pieces.chord] * (0.5 * slopes * pieces.length * pieces.inside)[:, None]
            grad_start.index_add_(0, pieces.chord, swept * (1 - pieces.middle)[:, None])
            grad_end.index_add_(0, pieces.chord, swept * pieces.middle[:, None])

        whole, before, beyond = outline.pieces, outline.before, outline.beyond
        pull(whole, (rising + falling)[whole.slot] * free[whole.chord])
        pull(before, torch.where(adds[before.chord], falling[before.slot], rising[before.slot]))
        pull(beyond, torch.where(adds[beyond.chord], rising[beyond.slot], falling[beyond.slot]))
        return grad_start, grad_end, None, None, None


def _fold(winding: Tensor, evenodd: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coverage of a winding number under the fill rule, and its derivatives as the number rises and as it falls.

    Non-zero covers min(|w|, 1), even-odd the distance to the nearest even number.
    """
    inside = torch.where(evenodd, winding - 2 * (winding / 2).round(), winding)
    size = inside.abs()
    outward = torch.where(size > 1 - UNSEEN, torch.where(evenodd, -1, 0), 1)  # slope as the size grows
    inward = torch.where(size > 1 + UNSEEN, 0, 1)  # … and as it shrinks
    rising = torch.where(size <= UNSEEN, 1, torch.where(inside > 0, outward, -inward))
    falling = torch.where(size <= UNSEEN, -1, torch.where(inside > 0, inward, -outward))
    return torch.where(size > UNSEEN, size.clamp_max(1), 0), rising, falling
