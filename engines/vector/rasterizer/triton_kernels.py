"""The kernels of the Triton backend: one program per tile of 16 × 16 pixels. See `triton_backend.py`.

The formulas are those of `torch_backend.py`, `fills.py` and `blending.py`, whose names they keep.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["SIDE", "draw", "sum_entries", "trace_back"]

SIDE = 16
PIXELS = tl.constexpr(SIDE * SIDE)
TILE = tl.constexpr(SIDE)
CHORD = tl.constexpr(6)  # columns of the chord table: start x, y, edge x, y, t at the start, t over its length
REACH = tl.constexpr(0.5**0.5 + 0.25)  # px; half a pixel's diagonal and the chords' tolerance
UNSEEN = tl.constexpr(1e-5)
MIN_SHORT = tl.constexpr(2.0**-17)


@triton.jit
def _half_plane(s, a, b):
    """H(s) and its derivatives by s, a and b."""
    size = tl.abs(s)
    scale = 0.5 / (a * b)
    depth = tl.maximum(0.5 * (a + b) - size, 0.0)
    corner = depth * depth * scale
    linear = size <= 0.5 * (a - b)
    outside = tl.where(linear, 0.5 - size / a, corner)
    slope = tl.where(linear, 1 / a, 2 * depth * scale)
    by_a = tl.where(linear, size / (a * a), depth * scale - corner / a)
    by_b = tl.where(linear, 0.0, depth * scale - corner / b)
    negative = s < 0
    share = tl.where(negative, outside, 1 - outside)
    return share, slope, tl.where(negative, by_a, -by_a), tl.where(negative, by_b, -by_b)


@triton.jit
def _cover(x0, x1, x2, x3, y0, y1, y2, y3, t, radius):
    """κ at the nearest point's t, and V (2), W (2), ∂κ/∂r, with ∂κ/∂P_j = B_j(t) V + B_j'(t) W.

    x0 … y3: polynomial coefficients relative to the pixel's centre.
    """
    ox, oy = x0 + t * (x1 + t * (x2 + t * x3)), y0 + t * (y1 + t * (y2 + t * y3))
    vx, vy = x1 + t * (2 * x2 + t * 3 * x3), y1 + t * (2 * y2 + t * 3 * y3)
    wx, wy = 2 * x2 + 6 * t * x3, 2 * y2 + 6 * t * y3
    distance, speed = tl.sqrt(ox * ox + oy * oy), vx * vx + vy * vy
    over_distance, over_speed = 1 / tl.maximum(distance, 1e-6), 1 / tl.sqrt(tl.maximum(speed, 1e-12))
    slides = (t > 0) & (t < 1) & (speed > 1e-12)
    apart = distance > tl.where(slides, 1e-3, 1e-6)
    nx = tl.where(apart, -ox * over_distance, -vy * over_speed)
    ny = tl.where(apart, -oy * over_distance, vx * over_speed)
    nx = tl.where(tl.abs(nx) + tl.abs(ny) > 0.5, nx, 1.0)
    steep = tl.abs(nx) < tl.abs(ny)
    a, b = tl.maximum(tl.abs(nx), tl.abs(ny)), tl.minimum(tl.abs(nx), tl.abs(ny))
    upright = b <= MIN_SHORT
    b = tl.maximum(b, MIN_SHORT)
    share1, slope1, a1, b1 = _half_plane(radius - distance, a, b)
    share2, slope2, a2, b2 = _half_plane(radius + distance, a, b)
    kappa = share1 + share2 - 1
    seen = kappa > -1e-6
    by_a, by_b = a1 + a2, tl.where(upright, 0.0, b1 + b2)
    by_x, by_y = tl.where(steep, by_b, by_a), tl.where(steep, by_a, by_b)
    by_x, by_y = tl.where(nx > 0, by_x, -by_x), tl.where(ny > 0, by_y, -by_y)
    by_turn = by_x * ny - by_y * nx  # the tangent is (-ny, nx)
    slope = tl.maximum(tl.maximum(speed + ox * wx + oy * wy, 0.1 * speed), 1e-12)
    slide = tl.where(slides, -by_turn * (nx * wx + ny * wy) / slope, by_turn / tl.maximum(distance, 0.1))
    lift = tl.where(slides, by_turn * (nx * vy - ny * vx) / slope, 0.0)
    slide, lift = tl.where(seen, slide, 0.0), tl.where(seen, lift, 0.0)
    pull = tl.where(seen, slope1 - slope2, 0.0)
    by_radius = tl.where(seen, slope1 + slope2, 0.0)
    return tl.where(seen, kappa, 0.0), pull * nx - slide * ny, pull * ny + slide * nx, lift * nx, lift * ny, by_radius


@triton.jit
def _coefficients(curves, segment, x, y):
    at = curves + segment * 8
    x0, x1, x2, x3 = tl.load(at) - x, tl.load(at + 1), tl.load(at + 2), tl.load(at + 3)
    y0, y1, y2, y3 = tl.load(at + 4) - y, tl.load(at + 5), tl.load(at + 6), tl.load(at + 7)
    return x0, x1, x2, x3, y0, y1, y2, y3


@triton.jit
def _newton(x0, x1, x2, x3, y0, y1, y2, y3, t):
    ox, oy = x0 + t * (x1 + t * (x2 + t * x3)), y0 + t * (y1 + t * (y2 + t * y3))
    squared = ox * ox + oy * oy
    for _ in range(3):
        vx, vy = x1 + t * (2 * x2 + t * 3 * x3), y1 + t * (2 * y2 + t * 3 * y3)
        wx, wy = 2 * x2 + 6 * t * x3, 2 * y2 + 6 * t * y3
        slope = vx * vx + vy * vy + ox * wx + oy * wy
        guess = tl.minimum(tl.maximum(t - (ox * vx + oy * vy) / tl.maximum(slope, 1e-12), 0.0), 1.0)
        gx, gy = x0 + guess * (x1 + guess * (x2 + guess * x3)), y0 + guess * (y1 + guess * (y2 + guess * y3))
        closer = gx * gx + gy * gy
        taken = (slope > 1e-12) & (closer <= squared * (1 + 1e-6))
        t = tl.where(taken, guess, t)
        ox, oy, squared = tl.where(taken, gx, ox), tl.where(taken, gy, oy), tl.where(taken, closer, squared)
    return t


@triton.jit
def _inside(chords, k, x, y):
    """Chord k in the pixel whose corner is (x, y): length and middle in u; and its length left of it, in its row."""
    at = chords + k * CHORD
    ax, ay, ex, ey = tl.load(at), tl.load(at + 1), tl.load(at + 2), tl.load(at + 3)
    flat, upright = tl.abs(ey) < 1e-9, tl.abs(ex) < 1e-9
    rise, run = tl.where(flat, 1.0, ey), tl.where(upright, 1.0, ex)
    enter, leave = (y - ay) / rise, (y + 1 - ay) / rise
    low = tl.where(flat, 0.0, tl.maximum(tl.minimum(enter, leave), 0.0))
    in_row = tl.where(tl.floor(ay) == y, 1.0, 0.0)
    high = tl.maximum(tl.where(flat, in_row, tl.minimum(tl.maximum(enter, leave), 1.0)), low)
    enter, leave = (x - ax) / run, (x + 1 - ax) / run
    first = tl.where(upright, tl.where(tl.floor(ax) == x, low, high), tl.maximum(tl.minimum(enter, leave), low))
    last = tl.where(upright, high, tl.minimum(tl.maximum(enter, leave), high))
    length = tl.maximum(last - first, 0.0)
    before = tl.where(ex > 0, tl.minimum(enter, high) - low, high - tl.maximum(enter, low))
    before = tl.where(upright, tl.where(tl.floor(ax) < x, high - low, 0.0), tl.maximum(before, 0.0))
    return length, 0.5 * (first + last), before


@triton.jit
def _fold(winding, paint):
    """Coverage of a winding number under the fill rule, and its derivative."""
    inside = tl.where(paint == 2, winding - 2 * tl.floor(0.5 * winding + 0.5), winding)
    size = tl.abs(inside)
    kappa = tl.where(size > UNSEEN, tl.minimum(size, 1.0), 0.0)
    return kappa, tl.where((size > UNSEEN) & (size < 1), tl.where(inside > 0, 1.0, -1.0), 0.0)


@triton.jit
def _place(tile, width, height):
    """Picture, first pixel x and y, and the tile's pixels as x, y and whether they are on the canvas."""
    across, down = tl.cdiv(width, TILE), tl.cdiv(height, TILE)
    left, top = tile % across * TILE, tile // across % down * TILE
    lane = tl.arange(0, PIXELS)
    x, y = left + lane % TILE, top + lane // TILE
    return tile // (across * down), left, top, x, y, (x < width) & (y < height)


@triton.jit
def draw(
    curves, chords, chord_segments, path_chords, radii, colors, paints, tile_entries, entries, image, record_t,
    record_segment, record_state, width, height, CLIPDRAW: tl.constexpr, RECORDING: tl.constexpr
):  # fmt: skip
    """Draw one tile: every path in painter's order. Records t (a fill's winding number), segment, and what lay behind:
    per entry and pixel κ, C (3), A, S (3)."""
    tile = tl.program_id(0)
    picture, left, top, x, y, visible = _place(tile, width, height)
    lane = tl.arange(0, PIXELS)
    px, py = x.to(tl.float32) + 0.5, y.to(tl.float32) + 0.5
    zero = tl.zeros([PIXELS], tl.float32)
    c0, c1, c2, c3, s0, s1, s2 = zero, zero, zero, zero, zero, zero, zero
    for e in range(tl.load(tile_entries + tile), tl.load(tile_entries + tile + 1)):
        n = tl.load(entries + e)
        paint, radius = tl.load(paints + n), tl.load(radii + n)
        first, last = tl.load(path_chords + n), tl.load(path_chords + n + 1)
        segment = tl.zeros([PIXELS], tl.int32)
        if paint == 0:
            reach = radius + REACH
            best, nearest, along = tl.full([PIXELS], 1e30, tl.float32), tl.full([PIXELS], 0, tl.int32), zero
            for k in range(first, last):
                at = chords + k * CHORD
                ax, ay, ex, ey = tl.load(at), tl.load(at + 1), tl.load(at + 2), tl.load(at + 3)
                meets = (tl.maximum(ax, ax + ex) + reach > left) & (tl.minimum(ax, ax + ex) - reach < left + TILE)
                meets = meets & (tl.maximum(ay, ay + ey) + reach > top) & (tl.minimum(ay, ay + ey) - reach < top + TILE)
                if meets:
                    fx, fy = px - ax, py - ay
                    length = ex * ex + ey * ey
                    u = (fx * ex + fy * ey) / tl.maximum(length, 1e-12)
                    u = tl.where(length > 1e-12, tl.minimum(tl.maximum(u, 0.0), 1.0), 0.0)
                    dx, dy = fx - u * ex, fy - u * ey
                    squared = dx * dx + dy * dy
                    closer = squared < best
                    best, nearest = tl.where(closer, squared, best), tl.where(closer, k, nearest)
                    along = tl.where(closer, u, along)
            nearest = tl.where(best < 1e30, nearest, first)
            segment = tl.load(chord_segments + nearest)
            t = tl.load(chords + nearest * CHORD + 4) + along * tl.load(chords + nearest * CHORD + 5)
            x0, x1, x2, x3, y0, y1, y2, y3 = _coefficients(curves, segment, px, py)
            t = _newton(x0, x1, x2, x3, y0, y1, y2, y3, t)
            kappa, vx, vy, wx, wy, by_radius = _cover(x0, x1, x2, x3, y0, y1, y2, y3, t, radius)
            kappa = tl.where(best < reach * reach, kappa, 0.0)
        else:
            t = zero
            for k in range(first, last):
                length, middle, before = _inside(chords, k, x.to(tl.float32), y.to(tl.float32))
                at = chords + k * CHORD
                share_left = tl.load(at) + middle * tl.load(at + 2) - x.to(tl.float32)
                t += tl.load(at + 3) * (before + length * (1 - tl.minimum(tl.maximum(share_left, 0.0), 1.0)))
            kappa, by_winding = _fold(t, paint)

        red, green, blue = tl.load(colors + n * 4), tl.load(colors + n * 4 + 1), tl.load(colors + n * 4 + 2)
        alpha = tl.load(colors + n * 4 + 3)
        if RECORDING:
            slot = lane.to(tl.int64) + e * PIXELS
            tl.store(record_t + slot, t)
            tl.store(record_segment + slot, segment)
            state = record_state + (slot - lane) * 8 + lane
            tl.store(state, kappa)
            tl.store(state + PIXELS, c0)
            tl.store(state + 2 * PIXELS, c1)
            tl.store(state + 3 * PIXELS, c2)
            tl.store(state + 4 * PIXELS, c3)
            if CLIPDRAW:
                tl.store(state + 5 * PIXELS, s0)
                tl.store(state + 6 * PIXELS, s1)
                tl.store(state + 7 * PIXELS, s2)
        if CLIPDRAW:
            denominator = c3 + alpha * (1 - c3)
            inverse = tl.where(denominator > 1e-6, 1 / tl.maximum(denominator, 1e-6), 0.0)
            s0 += kappa * ((c0 + alpha * (red - c0)) * inverse - s0)
            s1 += kappa * ((c1 + alpha * (green - c1)) * inverse - s1)
            s2 += kappa * ((c2 + alpha * (blue - c2)) * inverse - s2)
        opacity = kappa * alpha
        c0 += opacity * (red - c0)
        c1 += opacity * (green - c1)
        c2 += opacity * (blue - c2)
        c3 += opacity * (1 - c3)

    area = width * height
    at = image + picture.to(tl.int64) * 7 * area + y * width + x
    tl.store(at + 3 * area, c3, mask=visible)
    if CLIPDRAW:
        tl.store(at, s0 * c3, mask=visible)
        tl.store(at + area, s1 * c3, mask=visible)
        tl.store(at + 2 * area, s2 * c3, mask=visible)
        tl.store(at + 4 * area, s0, mask=visible)
        tl.store(at + 5 * area, s1, mask=visible)
        tl.store(at + 6 * area, s2, mask=visible)
    else:
        tl.store(at, c0, mask=visible)
        tl.store(at + area, c1, mask=visible)
        tl.store(at + 2 * area, c2, mask=visible)


@triton.jit
def trace_back(
    curves, chords, segment_chords, path_segments, radii, colors, paints, tile_entries, entries, image, record_t,
    record_segment, record_state, grad_image, entry_cubics, entry_grads, cubic_grads, width, height,
    CLIPDRAW: tl.constexpr
):  # fmt: skip
    """Replay one tile's records in reverse. Per entry: gradients of the colour (4) and the radius, padded to 8, in
    entry_grads; and 8 per segment in cubic_grads, from row entry_cubics[e] on."""
    tile = tl.program_id(0)
    picture, left, top, x, y, visible = _place(tile, width, height)
    lane = tl.arange(0, PIXELS)
    px, py = x.to(tl.float32) + 0.5, y.to(tl.float32) + 0.5
    area = width * height
    at = grad_image + picture.to(tl.int64) * 4 * area + y * width + x
    g0, g1 = tl.load(at, mask=visible, other=0.0), tl.load(at + area, mask=visible, other=0.0)
    g2, g3 = tl.load(at + 2 * area, mask=visible, other=0.0), tl.load(at + 3 * area, mask=visible, other=0.0)
    zero = tl.zeros([PIXELS], tl.float32)
    s0, s1, s2 = zero, zero, zero
    if CLIPDRAW:  # the picture is (S·A, A)
        final = image + picture.to(tl.int64) * 7 * area + y * width + x
        alpha = tl.load(final + 3 * area, mask=visible, other=0.0)
        s0, s1, s2 = g0 * alpha, g1 * alpha, g2 * alpha
        g3 += g0 * tl.load(final + 4 * area, mask=visible, other=0.0)
        g3 += g1 * tl.load(final + 5 * area, mask=visible, other=0.0)
        g3 += g2 * tl.load(final + 6 * area, mask=visible, other=0.0)
        g0, g1, g2 = zero, zero, zero
    begin, end = tl.load(tile_entries + tile), tl.load(tile_entries + tile + 1)
    for step in range(end - begin):
        e = end - 1 - step
        n = tl.load(entries + e)
        red, green, blue = tl.load(colors + n * 4), tl.load(colors + n * 4 + 1), tl.load(colors + n * 4 + 2)
        alpha = tl.load(colors + n * 4 + 3)
        slot = lane.to(tl.int64) + e * PIXELS
        state = record_state + (slot - lane) * 8 + lane
        kappa, c0, c1 = tl.load(state), tl.load(state + PIXELS), tl.load(state + 2 * PIXELS)
        c2, c3 = tl.load(state + 3 * PIXELS), tl.load(state + 4 * PIXELS)
        d0, d1, d2, d3 = red - c0, green - c1, blue - c2, 1 - c3
        opacity = kappa * alpha
        g_opacity = g0 * d0 + g1 * d1 + g2 * d2 + g3 * d3
        g_kappa = alpha * g_opacity
        by_red, by_green, by_blue, by_alpha = opacity * g0, opacity * g1, opacity * g2, kappa * g_opacity
        g0, g1, g2, g3 = g0 - opacity * g0, g1 - opacity * g1, g2 - opacity * g2, g3 - opacity * g3
        if CLIPDRAW:
            denominator = c3 + alpha * d3
            inverse = tl.where(denominator > 1e-6, 1 / tl.maximum(denominator, 1e-6), 0.0)
            f0, f1, f2 = (c0 + alpha * d0) * inverse, (c1 + alpha * d1) * inverse, (c2 + alpha * d2) * inverse
            g_kappa += s0 * (f0 - tl.load(state + 5 * PIXELS)) + s1 * (f1 - tl.load(state + 6 * PIXELS))
            g_kappa += s2 * (f2 - tl.load(state + 7 * PIXELS))
            m0, m1, m2 = kappa * inverse * s0, kappa * inverse * s1, kappa * inverse * s2
            m3 = -(m0 * f0 + m1 * f1 + m2 * f2)
            by_red, by_green, by_blue = by_red + alpha * m0, by_green + alpha * m1, by_blue + alpha * m2
            by_alpha += m0 * d0 + m1 * d1 + m2 * d2 + m3 * d3
            g0, g1 = g0 + (1 - alpha) * m0, g1 + (1 - alpha) * m1
            g2, g3 = g2 + (1 - alpha) * m2, g3 + (1 - alpha) * m3
            s0, s1, s2 = s0 - kappa * s0, s1 - kappa * s1, s2 - kappa * s2

        t = tl.load(record_t + slot)
        own = entry_grads + e * 8
        tl.store(own, tl.sum(by_red))
        tl.store(own + 1, tl.sum(by_green))
        tl.store(own + 2, tl.sum(by_blue))
        tl.store(own + 3, tl.sum(by_alpha))
        first, last = tl.load(path_segments + n), tl.load(path_segments + n + 1)
        row = cubic_grads + tl.load(entry_cubics + e) * 8
        paint = tl.load(paints + n)
        if paint == 0:
            segment = tl.load(record_segment + slot)
            x0, x1, x2, x3, y0, y1, y2, y3 = _coefficients(curves, segment, px, py)
            _kappa, vx, vy, wx, wy, by_radius = _cover(x0, x1, x2, x3, y0, y1, y2, y3, t, tl.load(radii + n))
            g_kappa = tl.where((kappa != 0) | (_kappa == 0), g_kappa, 0.0)  # beyond reach nothing was drawn
            tl.store(own + 4, tl.sum(g_kappa * by_radius))
            s = 1 - t
            for d in range(first, last):
                g = tl.where(segment == d, g_kappa, 0.0)
                gvx, gvy, gwx, gwy = g * vx, g * vy, g * wx, g * wy
                at = row + (d - first) * 8
                b, slope = s * s * s, -3 * s * s
                tl.store(at, tl.sum(b * gvx + slope * gwx))
                tl.store(at + 1, tl.sum(b * gvy + slope * gwy))
                b, slope = 3 * s * s * t, 3 * s * s - 6 * s * t
                tl.store(at + 2, tl.sum(b * gvx + slope * gwx))
                tl.store(at + 3, tl.sum(b * gvy + slope * gwy))
                b, slope = 3 * s * t * t, 6 * s * t - 3 * t * t
                tl.store(at + 4, tl.sum(b * gvx + slope * gwx))
                tl.store(at + 5, tl.sum(b * gvy + slope * gwy))
                b, slope = t * t * t, 3 * t * t
                tl.store(at + 6, tl.sum(b * gvx + slope * gwx))
                tl.store(at + 7, tl.sum(b * gvy + slope * gwy))
        else:
            tl.store(own + 4, 0.0)
            _kappa, by_winding = _fold(t, paint)
            g = g_kappa * by_winding
            for d in range(first, last):
                column = tl.arange(0, 8)
                total = tl.zeros([8], tl.float32)
                for k in range(tl.load(segment_chords + d), tl.load(segment_chords + d + 1)):
                    length, middle, _before = _inside(chords, k, x.to(tl.float32), y.to(tl.float32))
                    at = chords + k * CHORD
                    ex, ey, t0, dt = tl.load(at + 2), tl.load(at + 3), tl.load(at + 4), tl.load(at + 5)
                    swept = tl.where(column % 2 == 0, -ey, ex)
                    total += swept * _bernstein(column // 2, t0) * tl.sum(g * length * (1 - middle))
                    total += swept * _bernstein(column // 2, t0 + dt) * tl.sum(g * length * middle)
                tl.store(row + (d - first) * 8 + column, total)


@triton.jit
def _bernstein(j, t):
    s = 1 - t
    return tl.where(j == 0, s * s * s, tl.where(j == 1, 3 * s * s * t, tl.where(j == 2, 3 * s * t * t, t * t * t)))


@triton.jit
def sum_entries(values, entry_rows, owner_paths, owner_offsets, path_entries, entry_order, out):
    """Sum rows of 8 over the entries of a path, in order, so that the result is the same every time.

    Program i sums values[entry_rows[e] + owner_offsets[i]] over the entries e of path owner_paths[i].
    """
    i = tl.program_id(0)
    n, offset = tl.load(owner_paths + i), tl.load(owner_offsets + i)
    column = tl.arange(0, 8)
    total = tl.zeros([8], tl.float32)
    for j in range(tl.load(path_entries + n), tl.load(path_entries + n + 1)):
        e = tl.load(entry_order + j)
        total += tl.load(values + (tl.load(entry_rows + e) + offset) * 8 + column)
    tl.store(out + i * 8 + column, total)
