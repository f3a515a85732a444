"""Coverage of filled paths: the exact area of every pixel inside the outline, and its exact gradient.

The method is that of `rasterizer/fills.py`: pieces of chords, cut at pixel borders, leave in a plane what the running
sum along a row turns into mean winding numbers.
"""

from __future__ import annotations

import numpy as np

from engines.vector.rasterizer.native.compiling import jit
from engines.vector.rasterizer.native.constants import (
    AX,
    AY,
    BAND,
    BLOCK,
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
def walk(k, chords, y0, y1, top, x0, x1, stride, plane, backward):
    """Follow chord k through the pixels of rows y0 to y1 and columns x0 to x1.

    Forward: adds to `plane`, of which the running sum along a row is the winding number. Backward: `plane` holds the
    gradient of the winding number of every pixel; → Σ g (1 - u) du and Σ g u du along the chord.
    """
    ax, ay, ex, ey = chords[k, AX], chords[k, AY], chords[k, EX], chords[k, EY]
    by_start = by_end = ZERO
    for y in range(y0, y1):
        row = (y - top) * stride
        low, high = ZERO, ONE
        if abs(ey) > FLAT:
            enter, leave = (f32(y) - ay) / ey, (f32(y) + ONE - ay) / ey
            low, high = max(min(enter, leave), ZERO), min(max(enter, leave), ONE)
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
                    g = plane[row + column] * length
                    by_start += g * (ONE - middle)
                    by_end += g * middle
                else:
                    share = min(max(ax + middle * ex - f32(column), ZERO), ONE)
                    plane[row + column] += ey * length * (ONE - share)
                    plane[row + column + 1] += ey * length * share
            elif column < x0 and not backward:
                plane[row + x0] += ey * length
            if column == last:
                break
            column += step
            u = until
    return by_start, by_end


@jit
def collect_fill(begin, paint, x0, x1, rows, stride, plane, scratch, records, pixels):
    """Put the pixels inside an outline into blocks, with their coverage, and clear the plane.

    → number of blocks of pixels on the edge, and of blocks covered wholly, which follow. Field 6 of an edge pixel is
    ∂κ/∂winding. Blocks are filled up with the spare pixel. scratch (3, pixels of a band): working memory.
    """
    count = num_solids = 0
    for row in range(rows):
        winding = ZERO
        for x in range(x0, x1):
            winding += plane[row * stride + x]
            plane[row * stride + x] = ZERO
            inside = winding - TWO * np.floor(HALF * winding + HALF) if paint == EVENODD else winding
            kappa = min(abs(inside), ONE)
            if kappa <= UNSEEN:
                continue
            pixel = row * (stride - LANES) + x
            if kappa >= ONE - UNSEEN:
                scratch[2, num_solids] = pixel
                num_solids += 1
                continue
            lane = begin * LANES + count
            i = (lane // LANES) * BLOCK + lane % LANES
            count += 1
            pixels[lane] = pixel
            records[i + LANES] = kappa
            records[i + 6 * LANES] = ONE if inside > ZERO else -ONE
        plane[row * stride + x1] = ZERO
    spare = BAND * (stride - LANES)
    blocks = (count + LANES - 1) // LANES
    for lane in range(begin * LANES + count, (begin + blocks) * LANES):
        i = (lane // LANES) * BLOCK + lane % LANES
        pixels[lane] = spare
        records[i + LANES] = records[i + 6 * LANES] = ZERO
    return blocks, collect_solids(begin + blocks, scratch[2], num_solids, spare, pixels)


@jit
def spread_gradient(begin, end, stride, plane, records, pixels):
    """Write the gradient of each edge pixel's winding number into the plane."""
    width = stride - LANES
    for lane in range(begin * LANES, end * LANES):
        pixel = pixels[lane]
        if pixel < BAND * width:
            i = (lane // LANES) * BLOCK + lane % LANES
            plane[pixel // width * stride + pixel % width] = records[i + 14 * LANES] * records[i + 6 * LANES]


@jit
def clear_gradient(begin, end, stride, plane, pixels):
    width = stride - LANES
    for lane in range(begin * LANES, end * LANES):
        pixel = pixels[lane]
        if pixel < BAND * width:
            plane[pixel // width * stride + pixel % width] = ZERO


@jit
def pull_chord(k, chords, by_start, by_end, grads, own):
    """A chord that moves sweeps an area: adds the gradient of its cubic's control points to grads[own:]."""
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
