"""The rasteriser in plain PyTorch: any device, any float type, no per-stroke Python. The oracle and the fallback.

1. *Search* (no gradients): flatten every segment into chords, expand the chords' neighbourhoods into a list of
   (chord, pixel) candidates, keep for every (path, pixel) the nearest chord, refine its parameter on the true curve.
2. *Cover*: from the nearest point B(t), the exact area of the pixel inside the stroke, taken as straight there. The
   envelope theorem gives its gradient: B(t) moves, t does not (methods note §10).
3. *Blend* in painter's order (`blending.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from engines.vector.rasterizer.blending import blend
from engines.vector.rasterizer.curves import bezier, cut, expand
from engines.vector.rasterizer.fills import fill_coverage
from engines.vector.scene import Layout, Paint

__all__ = ["cover_strokes", "render"]

TOLERANCE = 0.25  # px between chord and curve; Newton's steps close the gap
PIXEL_RADIUS = math.sqrt(0.5)
FAR = 1e6  # px; coordinates and widths beyond are taken as this, so that squares stay finite
MIN_SLOPE = 0.1  # near a curve's centre of curvature the foot slides arbitrarily fast: limits it, and …
MIN_REACH = 0.1  # px; … how fast the normal turns next to a stroke's end, so that gradients stay bounded
NEAR = 1e-3  # px; this close to the curve the normal is taken from its tangent: the offset is mostly rounding there
MIN_SHORT = 2.0**-17  # an edge along an axis is tilted by this much, so that its two sides join in a short ramp
BUDGET = 1 << 24  # (chord, pixel) candidates held at once


def render(
    points: Tensor,
    widths: Tensor,
    colors: Tensor,
    layout: Layout,
    pictures: Tensor,
    canvas: tuple[int, int, int],
    convention: str,
) -> Tensor:
    """Draw paths onto `canvas` = (pictures, height, width), path n onto `pictures[n]` → (pictures, 4, height, width).

    A drawing with too many candidates for memory is drawn in bands of rows, recomputed in the backward pass.
    """
    points, widths = points.clamp(-FAR, FAR), widths.clamp(0, FAR)
    bands = _count_bands(points.detach(), widths.detach(), layout, canvas)
    if bands == 1:
        return _render_rows(points, widths, colors, layout, pictures, canvas, (0, canvas[1]), convention)
    edges = [round(canvas[1] * k / bands) for k in range(bands + 1)]
    rows = [
        checkpoint(
            _render_rows, points, widths, colors, layout, pictures, canvas, band, convention, use_reentrant=False
        )
        for band in pairwise(edges)
    ]
    return torch.cat(rows, dim=2)


def _count_bands(points: Tensor, widths: Tensor, layout: Layout, canvas: tuple[int, int, int]) -> int:
    chords = _flatten(layout.strokes.cubics(points), widths[layout.strokes.paths])
    candidates = chords.count_candidates(canvas) + int((layout.paints != Paint.STROKE).sum()) * canvas[1] * canvas[2]
    return min(canvas[1], 1 + candidates // BUDGET)


def _render_rows(
    points: Tensor,
    widths: Tensor,
    colors: Tensor,
    layout: Layout,
    pictures: Tensor,
    canvas: tuple[int, int, int],
    rows: tuple[int, int],
    convention: str,
) -> Tensor:
    path, x, y, coverage = cover_strokes(points, widths, layout, canvas[2], rows)
    if len(layout.fills):
        filled = fill_coverage(points, layout, canvas[2], rows)
        path, x, y, coverage = (torch.cat(both) for both in zip((path, x, y, coverage), filled, strict=True))
        order = torch.argsort(path, stable=True)
        path, x, y, coverage = path[order], x[order], y[order], coverage.index_select(0, order)
    height = rows[1] - rows[0]
    pixels = (pictures[path] * height + y - rows[0]) * canvas[2] + x
    return blend(coverage, colors.index_select(0, path), pixels, (canvas[0], height, canvas[2]), convention)


def cover_strokes(
    points: Tensor, widths: Tensor, layout: Layout, width: int, rows: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Path, x, y and coverage of every pixel that a stroke touches, sorted by path."""
    pieces = layout.strokes
    cubics = pieces.cubics(points)
    with torch.no_grad():
        chords = _flatten(cubics, widths[pieces.paths])
        segment, t, x, y = _nearest(chords, cubics, pieces.paths, width, rows)
        path = pieces.paths[segment]
        centre = (torch.stack([x, y], 1) + 0.5).to(points.dtype)
    return path, x, y, _coverage(cubics.index_select(0, segment), t, centre, widths.index_select(0, path))


# ---------------------------------------------------------------------------------------------- search


@dataclass(frozen=True)
class _Chords:
    """K straight pieces of the strokes: piece k of segment `segment` runs from `start` over `edge`, t0 to t1."""

    segment: Tensor  # (K,)
    t0: Tensor  # (K,)
    t1: Tensor  # (K,)
    start: Tensor  # (K, 2)
    edge: Tensor  # (K, 2)
    reach: Tensor  # (K,) px; pixels whose centre is further away are not touched

    def box(self, width: int, rows: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """First pixel and one past the last, (K, 2) as (x, y) each, whose centre may lie within reach."""
        end = self.start + self.edge
        low = torch.minimum(self.start, end) - self.reach[:, None] - 0.5
        high = torch.maximum(self.start, end) + self.reach[:, None] + 0.5
        return _clip(low.ceil(), (0, rows[0]), (width, rows[1])), _clip(high.floor(), (0, rows[0]), (width, rows[1]))

    def count_candidates(self, canvas: tuple[int, int, int]) -> int:
        low, high = self.box(canvas[2], (0, canvas[1]))
        return int((high - low).clamp_min(0).prod(1).sum())


def _clip(values: Tensor, low: tuple[int, int], high: tuple[int, int]) -> Tensor:
    return torch.minimum(torch.maximum(values, values.new_tensor(low)), values.new_tensor(high)).long()


def _flatten(cubics: Tensor, radii: Tensor) -> _Chords:
    """Cut cubics, (D, 4, 2) with their strokes' half-widths (D,), into chords within the tolerance."""
    segment, t0, t1 = cut(cubics, TOLERANCE)
    start = bezier(cubics[segment], t0)
    return _Chords(
        segment, t0, t1, start, bezier(cubics[segment], t1) - start, radii[segment] + PIXEL_RADIUS + TOLERANCE
    )


def _nearest(
    chords: _Chords, cubics: Tensor, segment_paths: Tensor, width: int, rows: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For every (path, pixel) within reach the nearest point: segment, parameter t, pixel x and y; sorted by path."""
    low, high = chords.box(width, rows)
    windows = _Windows(segment_paths[chords.segment], low, high)
    chord, y = expand(low[:, 1], high[:, 1])
    left, right = _row_span(chords, chord, y, low, high)
    span, x = expand(left, right)
    chord, y = chord[span], y[span]

    along, squared = _project(chords, chord, x, y)
    near = squared < chords.reach[chord].square()
    chord, x, y, along, squared = chord[near], x[near], y[near], along[near], squared[near]

    # One integer orders candidates by distance, then by chord: the bits of a non-negative float sort like integers.
    key = (squared.float().view(torch.int32).long() << 32) | torch.arange(len(chord), device=chord.device)
    best = torch.full((windows.total,), torch.iinfo(torch.long).max, device=key.device)
    best.scatter_reduce_(0, windows.slot(chord, x, y), key, "amin")
    winner = best[best != torch.iinfo(torch.long).max] & 0xFFFFFFFF
    chord, x, y, along = chord[winner], x[winner], y[winner], along[winner]

    t = torch.lerp(chords.t0[chord], chords.t1[chord], along)
    segment = chords.segment[chord]
    centre = (torch.stack([x, y], 1) + 0.5).to(cubics.dtype)
    return segment, _newton(cubics[segment], t, centre), x, y


class _Windows:
    """A dense slot for every pixel of every path's bounding box: paths in order, then rows, then columns."""

    def __init__(self, paths: Tensor, low: Tensor, high: Tensor):
        self.paths = paths  # (K,) path of each chord
        count = int(paths.max()) + 1 if len(paths) else 0
        visible = (high > low).all(1, keepdim=True)
        first = low.new_full((count, 2), torch.iinfo(torch.int32).max)
        last = low.new_zeros(count, 2)
        index = paths[:, None].expand(-1, 2)
        self.first = first.scatter_reduce_(0, index, torch.where(visible, low, first[:1]), "amin")
        size = (last.scatter_reduce_(0, index, torch.where(visible, high, 0), "amax") - self.first).clamp_min(0)
        self.width = size[:, 0]
        area = size.prod(1)
        self.offset = area.cumsum(0) - area
        self.total = int(area.sum())

    def slot(self, chord: Tensor, x: Tensor, y: Tensor) -> Tensor:
        path = self.paths[chord]
        return self.offset[path] + (y - self.first[path, 1]) * self.width[path] + x - self.first[path, 0]


def _row_span(chords: _Chords, chord: Tensor, y: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Columns of row y inside the chord's box and inside the slab of half-width `reach` around its line."""
    start, edge = chords.start[chord], chords.edge[chord]
    length = edge.norm(dim=1)
    rise = edge[:, 1].abs().clamp_min(1e-9)
    centre = start[:, 0] + (y + 0.5 - start[:, 1]) * edge[:, 0] * edge[:, 1].sign() / rise
    half = chords.reach[chord] * length / rise
    everything = edge[:, 1].abs() <= 1e-6 * length
    left = torch.where(everything, -FAR, centre - half - 0.5).clamp(-FAR, FAR).ceil().long()
    right = torch.where(everything, FAR, centre + half + 0.5).clamp(-FAR, FAR).floor().long()
    return torch.maximum(left, low[chord, 0]), torch.minimum(right, high[chord, 0])


def _project(chords: _Chords, chord: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest point of a chord to a pixel's centre: position along it in [0, 1], squared distance."""
    start, edge = chords.start[chord], chords.edge[chord]
    offset_x, offset_y = x + 0.5 - start[:, 0], y + 0.5 - start[:, 1]
    length = edge.square().sum(1)
    along = (offset_x * edge[:, 0] + offset_y * edge[:, 1]) / length.clamp_min(1e-12)
    along = torch.where(length > 1e-12, along.clamp(0, 1), 0)
    return along, (offset_x - along * edge[:, 0]).square() + (offset_y - along * edge[:, 1]).square()


def _newton(cubics: Tensor, t: Tensor, centre: Tensor, steps: int = 3) -> Tensor:
    """Refine t towards (B(t) - p)·B'(t) = 0; a step that leads further away, but for rounding, is not taken."""
    offset = bezier(cubics, t) - centre
    for _ in range(steps):
        velocity = _velocity(cubics, t)
        slope = velocity.square().sum(1) + (offset * _acceleration(cubics, t)).sum(1)
        step = (offset * velocity).sum(1) / slope.clamp_min(1e-12)
        guess = torch.where(slope > 1e-12, t - step, t).clamp(0, 1)
        guess_offset = bezier(cubics, guess) - centre
        closer = guess_offset.square().sum(1) <= offset.square().sum(1) * (1 + 1e-6)
        t = torch.where(closer, guess, t)
        offset = torch.where(closer[:, None], guess_offset, offset)
    return t


def _velocity(cubics: Tensor, t: Tensor) -> Tensor:
    """B'(t)."""
    t, step = t[:, None], 3 * (cubics[:, 1:] - cubics[:, :-1])
    return (1 - t) ** 2 * step[:, 0] + 2 * t * (1 - t) * step[:, 1] + t**2 * step[:, 2]


def _acceleration(cubics: Tensor, t: Tensor) -> Tensor:
    """B''(t)."""
    t, bend = t[:, None], 6 * (cubics[:, :-2] - 2 * cubics[:, 1:-1] + cubics[:, 2:])
    return (1 - t) * bend[:, 0] + t * bend[:, 1]


# ---------------------------------------------------------------------------------------------- coverage


def _coverage(cubics: Tensor, t: Tensor, centre: Tensor, radius: Tensor) -> Tensor:
    """Share of each pixel inside its stroke, κ = H(r - d) + H(r + d) - 1; differentiable in control points and radius.

    d, the distance to B(t), moves by -n·δB(t): the envelope theorem spares us the movement of t. The edge's normal n
    turns with the curve, by -T·turn: along a segment the foot of the perpendicular slides and the tangent T rotates;
    around an end n just points away from it.
    """
    point, velocity = bezier(cubics, t), _velocity(cubics, t)
    with torch.no_grad():
        offset = centre - point
        reach = offset.norm(dim=1, keepdim=True)
        speed = velocity.norm(dim=1, keepdim=True)
        across = torch.where(
            speed > 1e-6, _perpendicular(velocity) / speed.clamp_min(1e-6), velocity.new_tensor([1, 0])
        )
        slides = ((t > 0) & (t < 1))[:, None] & (speed > 1e-6)
        normal = torch.where(reach > torch.where(slides, NEAR, 1e-6), offset / reach.clamp_min(1e-6), across)
        tangent = _perpendicular(normal)
        slope = speed.square() - (offset * _acceleration(cubics, t)).sum(1, keepdim=True)
        slope = torch.maximum(slope, MIN_SLOPE * speed.square()).clamp_min(1e-12)
        bend = (normal * _acceleration(cubics, t)).sum(1, keepdim=True)
    shift, turning = point - point.detach(), velocity - velocity.detach()  # zero, but for their gradients
    along, lift = (tangent * shift).sum(1, keepdim=True), (normal * turning).sum(1, keepdim=True)
    forward = (tangent * velocity.detach()).sum(1, keepdim=True)  # ± speed
    turn = torch.where(slides, (forward * lift - bend * along) / slope, along / reach.clamp_min(MIN_REACH))
    size = (normal - tangent * turn).abs()
    long, short = size.amax(1), size.amin(1).clamp_min(MIN_SHORT)
    distance = reach.squeeze(1) - (normal * shift).sum(1)
    kappa = _half_plane(radius - distance, long, short) + _half_plane(radius + distance, long, short) - 1
    return torch.where(kappa > -1e-6, kappa, 0)  # at 0 a stroke without width still feels where to grow


def _perpendicular(vector: Tensor) -> Tensor:
    return torch.stack([-vector[:, 1], vector[:, 0]], 1)


def _half_plane(depth: Tensor, long: Tensor, short: Tensor) -> Tensor:
    """H(s): area of the unit pixel inside a half-plane whose edge passes its centre at signed distance s.

    `long`, `short`: the larger and smaller of |n_x|, |n_y|.
    """
    middle, outer = (long - short) / 2, (long + short) / 2
    linear = 0.5 + depth / long
    corner = (outer - depth.abs()).clamp_min(0).square() / (2 * long * short)
    return torch.where(depth.abs() <= middle, linear, torch.where(depth > 0, 1 - corner, corner))
