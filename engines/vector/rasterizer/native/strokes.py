"""Coverage of strokes: distance to the chords, then the exact area at the nearest point of the true curve."""

from __future__ import annotations

import numpy as np

from engines.vector.rasterizer.native.compiling import jit
from engines.vector.rasterizer.native.constants import (
    ACROSS,
    AX,
    AY,
    BAND,
    BIG,
    BLOCK,
    DT,
    EX,
    EY,
    HALF,
    INVERSE,
    LANES,
    LEAN,
    MIN_REACH,
    MIN_SHORT,
    MIN_SLOPE,
    NEAR,
    ONE,
    PIXEL_RADIUS,
    SIX,
    SLAB,
    SMALL,
    STROKE_TOLERANCE,
    T0,
    THREE,
    TINY,
    TWO,
    ZERO,
    f32,
    i32,
    u64,
)  # fmt: skip # isort: skip

SLACK = f32(0.02)  # px that neighbouring chords overlap, against rounding
BEYOND = f32(1e7)  # px; out of every stroke's reach


@jit
def find_spans(k, chords, joined, top, low, high, spans):
    """For each row of the band the columns [first, last) for which chord k may be the nearest of its path.

    Those are inside the slab around its line. A pixel beyond a chord's end is nearer to the next chord, as they share
    the end point, unless it is before that one's start too; so where chords are joined, each takes the pixels abreast
    of it and those in the wedge behind its end. spans[:BAND] are the first columns, spans[BAND:] the last.
    """
    ax, ay, ex, ey = chords[k, AX], chords[k, AY], chords[k, EX], chords[k, EY]
    lean, slab, across = chords[k, LEAN], chords[k, SLAB], chords[k, ACROSS]
    bx, by = ax + ex, ay + ey
    next_x, next_across = chords[k + 1, EX], chords[k + 1, ACROSS]
    is_long = chords[k, INVERSE] > ZERO
    starts_joined = is_long & joined[k]
    ends_joined = is_long & joined[k + 1] & (chords[k + 1, INVERSE] > ZERO)
    margin = HALF + SLACK
    for lane in range(u64(BAND)):
        y = f32(i32(lane) + top) + HALF
        middle = ax + (y - ay) * lean
        first, last = max(low, middle - slab - HALF), min(high, middle + slab + HALF)
        start = ax - (y - ay) * across  # where the line across the chord's start meets the row
        end, next_end = bx - (y - by) * across, bx - (y - by) * next_across
        first = max(first, start - margin) if starts_joined & (ex >= ZERO) else first
        last = min(last, start + margin) if starts_joined & (ex < ZERO) else last
        before_low, before_high = -BIG if ex >= ZERO else end, end if ex >= ZERO else BIG
        before_low = min(before_low, -BIG if next_x >= ZERO else next_end)
        before_high = max(before_high, next_end if next_x >= ZERO else BIG)
        first = max(first, before_low - margin) if ends_joined else first
        last = min(last, before_high + margin) if ends_joined else last
        spans[lane] = np.ceil(min(first, high))  # either may be far outside of what an integer holds
        spans[lane + u64(BAND)] = np.floor(max(last, low))


@jit
def spread(k, chords, y0, y1, top, stride, spans, distance, nearest, touched):
    """Write the squared distance to chord k into its spans, wherever it is the least so far.

    Whole blocks of lanes are written: what lies beyond a span is true as well, only useless. `touched` has the spans.
    """
    ax, ay, ex, ey, inverse = chords[k, AX], chords[k, AY], chords[k, EX], chords[k, EY], chords[k, INVERSE]
    for row in range(y0 - top, y1 - top):
        first, last = i32(spans[row]), i32(spans[row + BAND])
        if first >= last:
            continue
        touched[row, 0], touched[row, 1] = min(touched[row, 0], first), max(touched[row, 1], last)
        fy = f32(row + top) + HALF - ay
        for x in range(first, last, LANES):
            at = u64(row * stride + x)
            left = f32(x) + HALF - ax
            for lane in range(u64(LANES)):
                fx = left + f32(i32(lane))
                u = min(max((fx * ex + fy * ey) * inverse, ZERO), ONE)
                dx, dy = fx - u * ex, fy - u * ey
                squared = dx * dx + dy * dy
                closer = squared < distance[at + lane]
                nearest[at + lane] = i32(k) if closer else nearest[at + lane]
                distance[at + lane] = min(squared, distance[at + lane])


@jit
def _half_plane(s, a, b, over_a, over_b):
    """H(s) and its derivatives by s, a and b, given 1/a and 1/b: see `torch_backend._half_plane`."""
    size = abs(s)
    scale = HALF * over_a * over_b
    depth = max(HALF * (a + b) - size, ZERO)
    corner = depth * depth * scale
    linear = size <= HALF * (a - b)
    outside = HALF - size * over_a if linear else corner  # H(-|s|) and its derivatives
    slope = over_a if linear else TWO * depth * scale
    by_a = size * over_a * over_a if linear else depth * scale - corner * over_a
    by_b = ZERO if linear else depth * scale - corner * over_b
    negative = s < ZERO
    return outside if negative else ONE - outside, slope, by_a if negative else -by_a, by_b if negative else -by_b


@jit
def cover(q, block, curves, d, radius):
    """Coverage of a block's pixels by a stroke's segment d, and what the backward pass needs.

    In: fields 0, 1, 2 hold a first guess of the nearest t and the pixel's centre x, y. Out: fields t, κ, V (2), W (2),
    ∂κ/∂r, so that ∂κ/∂P_j = B_j(t) V + B_j'(t) W; the formulas are `torch_backend._coverage`, differentiated.
    """
    x1, x2, x3 = curves[d, 1], curves[d, 2], curves[d, 3]
    y1, y2, y3 = curves[d, 5], curves[d, 6], curves[d, 7]
    start_x, start_y = curves[d, 0], curves[d, 4]
    o, lanes = u64(block) * u64(BLOCK), u64(LANES)
    for lane in range(lanes):
        i = o + lane
        t = q[i]
        x0, y0 = start_x - q[i + lanes], start_y - q[i + u64(2) * lanes]
        ox, oy = x0 + t * (x1 + t * (x2 + t * x3)), y0 + t * (y1 + t * (y2 + t * y3))
        squared = ox * ox + oy * oy
        for _ in range(3):
            vx, vy = x1 + t * (TWO * x2 + t * THREE * x3), y1 + t * (TWO * y2 + t * THREE * y3)
            wx, wy = TWO * x2 + SIX * t * x3, TWO * y2 + SIX * t * y3
            slope = vx * vx + vy * vy + ox * wx + oy * wy
            guess = min(max(t - (ox * vx + oy * vy) / max(slope, SMALL), ZERO), ONE)
            gx, gy = x0 + guess * (x1 + guess * (x2 + guess * x3)), y0 + guess * (y1 + guess * (y2 + guess * y3))
            closer = gx * gx + gy * gy
            taken = (slope > SMALL) & (closer <= squared * f32(1 + 1e-6))
            t = guess if taken else t
            ox, oy = gx if taken else ox, gy if taken else oy
            squared = closer if taken else squared

        distance = np.sqrt(squared)
        vx, vy = x1 + t * (TWO * x2 + t * THREE * x3), y1 + t * (TWO * y2 + t * THREE * y3)
        wx, wy = TWO * x2 + SIX * t * x3, TWO * y2 + SIX * t * y3
        speed = vx * vx + vy * vy  # squared
        over_speed, over_distance = ONE / np.sqrt(max(speed, SMALL)), ONE / max(distance, TINY)
        slides = (t > ZERO) & (t < ONE) & (speed > SMALL)
        apart = distance > (NEAR if slides else TINY)
        nx, ny = -ox * over_distance if apart else -vy * over_speed, -oy * over_distance if apart else vx * over_speed
        nx = nx if abs(nx) + abs(ny) > HALF else ONE  # neither distance nor direction: any will do
        steep = abs(nx) < abs(ny)
        a, b = max(abs(nx), abs(ny)), min(abs(nx), abs(ny))
        upright, b = b <= MIN_SHORT, max(b, MIN_SHORT)
        over_a, over_b = ONE / a, ONE / b
        share1, slope1, a1, b1 = _half_plane(radius - distance, a, b, over_a, over_b)
        share2, slope2, a2, b2 = _half_plane(radius + distance, a, b, over_a, over_b)
        kappa = share1 + share2 - ONE
        seen = kappa > -TINY  # but for rounding, 0 is the least, and there a stroke without width feels where to grow
        kappa = kappa if seen else ZERO

        by_a, by_b = a1 + a2, ZERO if upright else b1 + b2
        by_x, by_y = by_b if steep else by_a, by_a if steep else by_b
        by_x, by_y = by_x if nx > ZERO else -by_x, by_y if ny > ZERO else -by_y
        tx, ty = -ny, nx
        by_turn = -(by_x * tx + by_y * ty)
        over_slope = ONE / max(max(speed + ox * wx + oy * wy, MIN_SLOPE * speed), SMALL)
        slide = -by_turn * (nx * wx + ny * wy) * over_slope if slides else by_turn / max(distance, MIN_REACH)
        lift = by_turn * (tx * vx + ty * vy) * over_slope if slides else ZERO
        pull = slope1 - slope2 if seen else ZERO  # -∂κ/∂d
        slide, lift = slide if seen else ZERO, lift if seen else ZERO
        q[i], q[i + lanes] = t, kappa
        q[i + u64(2) * lanes], q[i + u64(3) * lanes] = pull * nx + slide * tx, pull * ny + slide * ty
        q[i + u64(4) * lanes], q[i + u64(5) * lanes] = lift * nx, lift * ny
        q[i + u64(6) * lanes] = slope1 + slope2 if seen else ZERO


@jit
def collect_stroke(
    begin, n, top, rows, stride, distance, nearest, touched, scratch, starts, scene, records, pixels, segments
):
    """Put the pixels that stroke n reaches into blocks, those on its edge ready for `cover`, and clear the distances.

    A block holds pixels of one segment, and is filled up with the spare pixel, out of every stroke's reach.
    scratch (3, pixels of a band), starts (segments of a path): working memory.
    → number of blocks of pixels on the edge, and of blocks covered wholly, which follow.
    """
    chords, first_segment = scene.chords, scene.topology.path_segments[n]
    num_segments = scene.topology.path_segments[n + 1] - first_segment
    reach = scene.radii[n] + PIXEL_RADIUS + STROKE_TOLERANCE
    solid = max(scene.radii[n] - PIXEL_RADIUS - STROKE_TOLERANCE, ZERO)
    reach, solid = reach * reach, solid * solid
    for j in range(num_segments):
        starts[j] = 0
    count = num_solids = 0
    for row in range(rows):
        for x in range(touched[row, 0], touched[row, 1]):
            squared = distance[row * stride + x]
            if squared >= reach:
                continue
            pixel = row * (stride - LANES) + x
            if squared < solid:
                scratch[2, num_solids] = pixel
                num_solids += 1
                continue
            k = nearest[row * stride + x]
            starts[scene.chord_segments[k] - first_segment] += 1
            scratch[0, count], scratch[1, count] = pixel, k
            count += 1
        if touched[row, 0] < touched[row, 1]:
            for i in range(row * stride + touched[row, 0], row * stride + touched[row, 1] + LANES):
                distance[i] = BIG

    block = begin
    for j in range(num_segments):
        end = block * LANES + starts[j]
        starts[j] = block * LANES
        while block * LANES < end:
            segments[block] = first_segment + j
            block += 1
        for lane in range(end, block * LANES):
            i = (lane // LANES) * BLOCK + lane % LANES
            pixels[lane] = BAND * (stride - LANES)
            records[i], records[i + LANES], records[i + 2 * LANES] = ZERO, BEYOND, BEYOND
    for j in range(count):
        pixel, k = scratch[0, j], scratch[1, j]
        d = scene.chord_segments[k] - first_segment
        lane = starts[d]
        starts[d] += 1
        i = (lane // LANES) * BLOCK + lane % LANES
        x, y = f32(pixel % (stride - LANES)) + HALF, f32(pixel // (stride - LANES) + top) + HALF
        along = (x - chords[k, AX]) * chords[k, EX] + (y - chords[k, AY]) * chords[k, EY]
        pixels[lane] = pixel
        records[i] = chords[k, T0] + min(max(along * chords[k, INVERSE], ZERO), ONE) * chords[k, DT]
        records[i + LANES] = x
        records[i + 2 * LANES] = y
    return block - begin, collect_solids(block, scratch[2], num_solids, BAND * (stride - LANES), pixels)


@jit
def collect_solids(begin, solids, count, spare, pixels):
    """Put wholly covered pixels into blocks; returns how many blocks."""
    blocks = (count + LANES - 1) // LANES
    for j in range(count):
        pixels[begin * LANES + j] = solids[j]
    for j in range(count, blocks * LANES):
        pixels[begin * LANES + j] = spare
    return blocks
