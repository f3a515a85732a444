"""Coverage of filled paths: the exact area of every pixel inside the outline, and its exact gradient.

The method and its convention for borders are those of `rasterizer/fills.py`: pieces of chords, cut at pixel borders,
leave in a plane what the running sum along a row turns into mean winding numbers.
"""

from __future__ import annotations

import numpy as np

from engines.vector.rasterizer.native.compiling import jit
from engines.vector.rasterizer.native.constants import (
    AX,
    AY,
    BAND,
    BLOCK,
    BORDER,
    DT,
    EX,
    EY,
    HALF,
    LANES,
    ONE,
    T0,
    THREE,
    TWO,
    UNSEEN,
    ZERO,
    f32,
)  # fmt: skip # isort: skip
from engines.vector.rasterizer.native.strokes import collect_solids

EVENODD = 2
FLAT = f32(1e-9)  # px; a chord that rises less crosses no row


@jit
def wind(k, chords, rows, window, planes):
    """Add chord k to planes[0], whose running sum along a row is the winding number; mark what it meets in planes[1].

    rows: y0, y1 of the chord, and the top of the band. window: x0, x1 of the path, and the stride of the planes.
    """
    edge = chords[k, AX], chords[k, AY], chords[k, EX], chords[k, EY]
    _walk(edge, rows, window, planes, (ZERO, ZERO), False)
    axis, border = _border(edge)
    if axis >= 0:
        for side in (-HALF, HALF):
            _mark(_shifted(edge, axis, border + side), rows, window, planes[1])


@jit
def trace_chord(k, chords, rows, window, slopes):
    """Σ g (1 - u) du and Σ g u du along chord k, where g is the gradient of the winding number of the pixel met.

    slopes: planes of g as the number rises and as it falls. The mean of both counts; and for an edge on a border the
    mean of moving it into either of the pixels that it separates.
    """
    edge = chords[k, AX], chords[k, AY], chords[k, EX], chords[k, EY]
    axis, border = _border(edge)
    if axis < 0:
        return _walk(edge, rows, window, slopes, (HALF, HALF), True)
    adds = (edge[2] if axis else -edge[3]) > ZERO  # moving on raises winding numbers
    by_start = by_end = ZERO
    for side in (-HALF, HALF):
        weights = (HALF, ZERO) if adds == (side > ZERO) else (ZERO, HALF)
        half_edge = _shifted(edge, axis, border + side)
        start, end = _walk(half_edge, rows, window, slopes, weights, True)
        by_start += start
        by_end += end
    return by_start, by_end


@jit
def _border(edge):
    """The axis across which a chord lies on a pixel border (0: it is vertical, 1: horizontal, -1: neither); where."""
    for axis in range(2):
        border = np.floor(edge[axis] + HALF)
        if abs(edge[axis] - border) < BORDER and abs(edge[axis] + edge[axis + 2] - border) < BORDER:
            return axis, border
    return -1, ZERO


@jit
def _shifted(edge, axis, place):
    """The chord moved along an axis to `place`."""
    ax, ay, ex, ey = edge
    return (ax, place, ex, ZERO) if axis else (place, ay, ZERO, ey)


@jit
def _walk(edge, rows, window, planes, weights, backward):
    """Follow a chord through the pixels of its rows, within the window's columns.

    Forward: adds to planes[0] and marks the pixels in planes[1]. Backward: g is the weighted sum of the planes;
    → Σ g (1 - u) du and Σ g u du along the chord.
    """
    (ax, ay, ex, ey), (y0, y1, top), (x0, x1, stride) = edge, rows, window
    by_start = by_end = ZERO
    for y in range(y0, y1):
        row = (y - top) * stride
        low, high = ZERO, ONE
        if abs(ey) > FLAT:
            enter, leave = (f32(y) - ay) / ey, (f32(y) + ONE - ay) / ey
            low, high = max(min(enter, leave), ZERO), min(max(enter, leave), ONE)
            if low >= high:
                continue
        elif np.floor(ay) != f32(y):
            continue
        column = int(min(max(np.floor(ax + low * ex), f32(x0 - 1)), f32(x1)))
        last = int(min(max(np.floor(ax + high * ex), f32(x0 - 1)), f32(x1)))
        step = 1 if last > column else -1
        u = low
        while True:
            until = high
            if column != last:
                border = f32(column + 1 if step > 0 else column)
                until = min(max((border - ax) / ex, u), high)
            length, middle = until - u, HALF * (u + until)
            if column >= x0 and column < x1:
                if backward:
                    g = (weights[0] * planes[0][row + column] + weights[1] * planes[1][row + column]) * length
                    by_start += g * (ONE - middle)
                    by_end += g * middle
                else:
                    share = min(max(ax + middle * ex - f32(column), ZERO), ONE)
                    planes[0][row + column] += ey * length * (ONE - share)
                    planes[0][row + column + 1] += ey * length * share
                    planes[1][row + column] = ONE
            elif column < x0 and not backward:
                planes[0][row + x0] += ey * length
            if column == last:
                break
            column += step
            u = until
    return by_start, by_end


@jit
def _mark(edge, rows, window, met):
    """Mark the pixels that a half edge meets."""
    (ax, ay, ex, ey), (y0, y1, top), (x0, x1, stride) = edge, rows, window
    first, last = np.floor(min(ax, ax + ex)), np.ceil(max(ax, ax + ex))
    x0, x1 = max(x0, int(max(first, -ONE))), int(min(last, f32(x1)))
    for y in range(y0, y1):
        if min(ay, ay + ey) < f32(y) + ONE and max(ay, ay + ey) >= f32(y):
            for x in range(x0, x1):
                met[(y - top) * stride + x] = ONE


@jit
def _fold(winding, paint):
    """Coverage of a winding number, and its derivatives as it rises and falls: see `_fold` of the torch backend."""
    evenodd = paint == EVENODD
    inside = winding - TWO * np.floor(HALF * winding + HALF) if evenodd else winding
    size = abs(inside)
    outward = ONE if size <= ONE - UNSEEN else (-ONE if evenodd else ZERO)
    inward = ONE if size <= ONE + UNSEEN else ZERO
    if size <= UNSEEN:
        return size, ONE, -ONE
    if inside > ZERO:
        return min(size, ONE), outward, inward
    return min(size, ONE), -inward, -outward


@jit
def collect_fill(begin, paint, rows, window, planes, scratch, records, pixels):
    """Put the pixels inside an outline into blocks, with their coverage, and clear the planes.

    → number of blocks of pixels on the edge, which the outline meets, and of blocks covered wholly, which follow.
    Fields 5 and 6 of an edge pixel are ∂κ/∂winding as it rises and falls. Blocks are filled up with the spare pixel.
    scratch (3, pixels of a band): working memory.
    """
    (x0, x1, stride), (plane, met) = window, planes
    count = num_solids = 0
    for row in range(rows):
        winding = ZERO
        for x in range(x0, x1):
            winding += plane[row * stride + x]
            plane[row * stride + x] = ZERO
            kappa, rising, falling = _fold(winding, paint)
            pixel = row * (stride - LANES) + x
            if met[row * stride + x] > ZERO:
                met[row * stride + x] = ZERO
            elif kappa <= UNSEEN:
                continue
            elif kappa >= ONE - UNSEEN:
                scratch[2, num_solids] = pixel
                num_solids += 1
                continue
            lane = begin * LANES + count
            i = (lane // LANES) * BLOCK + lane % LANES
            count += 1
            pixels[lane] = pixel
            records[i + LANES] = kappa if kappa > UNSEEN else ZERO
            records[i + 5 * LANES], records[i + 6 * LANES] = rising, falling
        plane[row * stride + x1] = ZERO
    spare = BAND * (stride - LANES)
    blocks = (count + LANES - 1) // LANES
    for lane in range(begin * LANES + count, (begin + blocks) * LANES):
        i = (lane // LANES) * BLOCK + lane % LANES
        pixels[lane] = spare
        records[i + LANES] = records[i + 5 * LANES] = records[i + 6 * LANES] = ZERO
    return blocks, collect_solids(begin + blocks, scratch[2], num_solids, spare, pixels)


@jit
def spread_gradient(begin, end, stride, slopes, records, pixels):
    """Write the gradient of each edge pixel's winding number, as it rises and as it falls, into the planes `slopes`."""
    width = stride - LANES
    for lane in range(begin * LANES, end * LANES):
        pixel = pixels[lane]
        if pixel < BAND * width:
            i, at = (lane // LANES) * BLOCK + lane % LANES, pixel // width * stride + pixel % width
            slopes[0][at] = records[i + 14 * LANES] * records[i + 5 * LANES]
            slopes[1][at] = records[i + 14 * LANES] * records[i + 6 * LANES]


@jit
def clear_gradient(begin, end, stride, slopes, pixels):
    width = stride - LANES
    for lane in range(begin * LANES, end * LANES):
        pixel = pixels[lane]
        if pixel < BAND * width:
            at = pixel // width * stride + pixel % width
            slopes[0][at] = slopes[1][at] = ZERO


@jit
def pull_chord(k, chords, by_start, by_end, grads, own):
    """Add the gradient of the control points of chord k's cubic to grads[own:]: a chord that moves sweeps an area."""
    ex, ey = chords[k, EX], chords[k, EY]
    for end in range(2):
        g = by_end if end else by_start
        t = chords[k, T0] + (chords[k, DT] if end else ZERO)
        s = ONE - t
        gx, gy = -ey * g, ex * g
        b0, b1, b2, b3 = s * s * s, THREE * s * s * t, THREE * s * t * t, t * t * t
        grads[own] += b0 * gx
        grads[own + 1] += b0 * gy
        grads[own + 2] += b1 * gx
        grads[own + 3] += b1 * gy
        grads[own + 4] += b2 * gx
        grads[own + 5] += b2 * gy
        grads[own + 6] += b3 * gx
        grads[own + 7] += b3 * gy
