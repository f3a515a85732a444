"""From control points to chords, and which paths each band of rows meets."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from engines.vector.rasterizer.native.compiling import jit
from engines.vector.rasterizer.native.constants import (
    ACROSS,
    AX,
    AY,
    BAND,
    BIG,
    BORDER,
    DT,
    EX,
    EY,
    FAR,
    FILL_TOLERANCE,
    HALF,
    INVERSE,
    LANES,
    LEAN,
    MAX_CHORDS,
    ONE,
    PIXEL_RADIUS,
    ROUNDING,
    SLAB,
    SMALL,
    STROKE_TOLERANCE,
    T0,
    THREE,
    TWO,
    ZERO,
    f32,
    i32,
)  # fmt: skip # isort: skip

Topology = namedtuple("Topology", "index inner paths path_segments paints")
"""index (D, 4): each segment's points (the last of them repeated); inner (D,): how many inner control points; paths
(D,), ascending; path_segments (N+1,): where each path's segments start; paints (N,). All int64."""

Scene = namedtuple(
    "Scene",
    "size num_bands curves radii chords chord_segments chord_rows path_chords joined boxes band_entries entries "
    "entry_grads blocks topology",
)
"""A drawing ready to be painted, on `size` = (pictures, height, width) with `num_bands` bands per picture.

curves (D, 8): polynomial coefficients of x(t) and y(t). radii (N,): half-widths. chords (K+1, 10): see `constants`.
chord_segments (K,). chord_rows (K, 2): rows met, as [first, last). path_chords (N+1,). joined (K+1,): whether a chord
starts where the one before ended. boxes (N, 4): pixels x0, x1, y0, y1. band_entries (bands+1,), entries (E,): the paths
that each band meets. entry_grads (E+1,): where an entry's gradients start. blocks: how many the records may fill."""


@jit
def prepare(points, widths, pictures, size, num_bands, topology):
    """A `Scene` from control points (P, 2), half-widths (N,) and the picture of each path (N,)."""
    num_segments, num_paths = len(topology.inner), len(widths)
    curves, counts = np.empty((num_segments, 8), f32), np.empty(num_segments, i32)
    total = 0
    for d in range(num_segments):
        _set_polynomial(points, topology.index, topology.inner[d], curves, d)
        filled = topology.paints[topology.paths[d]] != 0
        counts[d] = _count_chords(curves, d, FILL_TOLERANCE if filled else STROKE_TOLERANCE)
        total += counts[d]
    radii = np.empty(num_paths, f32)
    for n in range(num_paths):
        radii[n] = min(max(widths[n], ZERO), FAR)

    chords = np.zeros((total + 1, 10), f32)  # one to spare: the next of the last
    chord_segments, chord_rows = np.empty(total, i32), np.empty((total, 2), i32)
    joined = np.zeros(total + 1, np.bool_)
    path_chords, boxes = np.zeros(num_paths + 1, i32), np.empty((num_paths, 4), i32)
    for n in range(num_paths):
        boxes[n, 0], boxes[n, 1], boxes[n, 2], boxes[n, 3] = size[2], 0, size[1], 0
    k, area = 0, ZERO
    for d in range(num_segments):
        n = topology.paths[d]
        filled = topology.paints[n] != 0
        reach = ZERO if filled else radii[n] + PIXEL_RADIUS + STROKE_TOLERANCE
        follows = d > 0 and topology.index[d, 0] == topology.index[d - 1, 3] and topology.paths[d - 1] == n
        step = ONE / f32(counts[d])
        bx, by = curves[d, 0], curves[d, 4]
        for j in range(counts[d]):
            ax, ay = bx, by
            if j + 1 < counts[d]:
                bx, by = point_at(curves, d, f32(j + 1) * step)
            else:  # exactly where the next segment starts, so that outlines close
                bx, by = _limited(points, topology.index[d, 3])
            _set_chord(chords, k, ax, ay, bx - ax, by - ay, f32(j) * step, step, reach)
            chord_segments[k] = d
            joined[k] = follows or j > 0
            if filled:  # an outline left of the canvas winds around its pixels, one to the right bounds them
                x0, x1 = _cells_met(min(ax, bx), max(ax, bx), size[2])
                y0, y1 = _cells_met(min(ay, by), max(ay, by), size[1])
                boxes[n, 0], boxes[n, 1] = min(boxes[n, 0], x0), max(boxes[n, 1], x1)
            else:
                x0, x1 = _cells_within(min(ax, bx), max(ax, bx), reach, size[2])
                y0, y1 = _cells_within(min(ay, by), max(ay, by), reach, size[1])
            if x0 >= x1 and not (filled and x1 == 0):
                y0, y1 = 0, 0
            chord_rows[k, 0], chord_rows[k, 1] = y0, y1
            if y0 < y1:
                boxes[n, 0], boxes[n, 1] = min(boxes[n, 0], x0), max(boxes[n, 1], x1)
                boxes[n, 2], boxes[n, 3] = min(boxes[n, 2], y0), max(boxes[n, 3], y1)
                length = np.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay)) + (ZERO if joined[k] else TWO * reach)
                area += min(length * TWO * reach, f32(x1 - x0) * f32(y1 - y0))
            k += 1
        path_chords[n + 1] = k
    for n in range(num_paths):
        path_chords[n + 1] = max(path_chords[n + 1], path_chords[n])
        if topology.paints[n] != 0:
            area += f32(max(boxes[n, 1] - boxes[n, 0], 0)) * f32(max(boxes[n, 3] - boxes[n, 2], 0))

    band_entries, entries = _sort_into_bands(boxes, pictures, size[0], num_bands)
    entry_grads = np.zeros(len(entries) + 1, np.int64)
    for e in range(len(entries)):
        n = entries[e]
        entry_grads[e + 1] = entry_grads[e] + 5 + 8 * (topology.path_segments[n + 1] - topology.path_segments[n])
    blocks = int(area) // LANES + 2 * len(entries) + (entry_grads[-1] - 5 * len(entries)) // 8  # none is quite full
    return Scene(
        size, num_bands, curves, radii, chords, chord_segments, chord_rows, path_chords, joined, boxes, band_entries,
        entries, entry_grads, blocks, topology,
    )  # fmt: skip


@jit
def _limited(points, p):
    """Point p, its coordinates clamped to ±FAR."""
    return min(max(points[p, 0], -FAR), FAR), min(max(points[p, 1], -FAR), FAR)


@jit
def _set_polynomial(points, index, inner, curves, d):
    """Coefficients of a segment, raised to a cubic."""
    x0, y0 = _limited(points, index[d, 0])
    x1, y1 = _limited(points, index[d, 1])
    x2, y2 = _limited(points, index[d, 2])
    x3, y3 = _limited(points, index[d, 3])
    for axis in range(2):
        c = 4 * axis
        p0, p1, p2, p3 = (x0, x1, x2, x3) if axis == 0 else (y0, y1, y2, y3)
        curves[d, c], curves[d, c + 1], curves[d, c + 2], curves[d, c + 3] = p0, p1 - p0, ZERO, ZERO
        if inner == 1:
            curves[d, c + 1], curves[d, c + 2] = TWO * (p1 - p0), (p0 - p1) + (p2 - p1)
        if inner == 2:
            curves[d, c + 1], curves[d, c + 2] = THREE * (p1 - p0), THREE * ((p0 - p1) + (p2 - p1))
            curves[d, c + 3] = (p3 - p0) + THREE * (p1 - p2)


@jit
def _count_chords(curves, d, tolerance):
    """How many equal steps of t keep the chords within `tolerance` px of the curve."""
    x2, y2 = curves[d, 2], curves[d, 6]  # B''(0) / 2, and at the end:
    x3, y3 = x2 + THREE * curves[d, 3], y2 + THREE * curves[d, 7]
    bend = np.sqrt(max(x2 * x2 + y2 * y2, x3 * x3 + y3 * y3)) / THREE  # max |P_j - 2 P_j+1 + P_j+2| of the cubic
    return min(max(int(np.ceil(np.sqrt(f32(0.75) * bend / tolerance) - ROUNDING)), 1), MAX_CHORDS)


@jit
def point_at(curves, d, t):
    x = curves[d, 0] + t * (curves[d, 1] + t * (curves[d, 2] + t * curves[d, 3]))
    y = curves[d, 4] + t * (curves[d, 5] + t * (curves[d, 6] + t * curves[d, 7]))
    return x, y


@jit
def _set_chord(chords, k, ax, ay, ex, ey, t0, dt, reach):
    squared = ex * ex + ey * ey
    length = np.sqrt(squared)
    # An edge along an axis is tilted a little, so that the divisions say "everything" or "nothing", as they should.
    tilt = max(f32(1e-5) * length, f32(1e-20))
    rise = ey if abs(ey) > tilt else tilt
    run = ex if abs(ex) > tilt else (tilt if ex >= ZERO else -tilt)
    chords[k, AX], chords[k, AY], chords[k, EX], chords[k, EY] = ax, ay, ex, ey
    chords[k, T0], chords[k, DT] = t0, dt
    chords[k, INVERSE] = ONE / squared if squared > SMALL else ZERO
    chords[k, LEAN], chords[k, SLAB] = ex / rise, reach * length / abs(rise) if squared > SMALL else BIG
    chords[k, ACROSS] = ey / run


@jit
def _cells_within(low, high, reach, count):
    """First pixel, and one past the last, whose centre is within reach of [low, high]."""
    limit = f32(count)
    first = np.ceil(min(max(low - reach - HALF, ZERO), limit))
    last = np.floor(min(max(high + reach + HALF, ZERO), limit))
    return int(first), int(last)


@jit
def _cells_met(low, high, count):
    """First pixel, and one past the last, that [low, high] meets; where it ends on a border, both pixels there.

    Both are 0 if the interval is before the canvas, and `count` if it is beyond.
    """
    limit = f32(count)
    first = np.ceil(min(max(low - BORDER, ZERO), limit + ONE)) - ONE
    last = np.floor(min(max(high + BORDER, -ONE), limit)) + ONE
    return int(min(max(first, ZERO), limit)), int(min(last, limit))


@jit
def _sort_into_bands(boxes, pictures, num_pictures, num_bands):
    band_entries = np.zeros(num_pictures * num_bands + 1, i32)
    for n in range(len(boxes)):
        if boxes[n, 2] < boxes[n, 3] and boxes[n, 0] < boxes[n, 1]:
            for band in range(boxes[n, 2] // BAND, (boxes[n, 3] - 1) // BAND + 1):
                band_entries[pictures[n] * num_bands + band + 1] += 1
    for b in range(num_pictures * num_bands):
        band_entries[b + 1] += band_entries[b]
    entries, place = np.empty(band_entries[-1], i32), band_entries.copy()
    for n in range(len(boxes)):
        if boxes[n, 2] < boxes[n, 3] and boxes[n, 0] < boxes[n, 1]:
            for band in range(boxes[n, 2] // BAND, (boxes[n, 3] - 1) // BAND + 1):
                b = pictures[n] * num_bands + band
                entries[place[b]] = n
                place[b] += 1
    return band_entries, entries
