"""The kernels that are called from Python: draw bands, trace their gradients back, sum these."""

from __future__ import annotations

import numpy as np

from engines.vector.rasterizer.native.blending import blend, read_band, unblend, write_band
from engines.vector.rasterizer.native.compiling import jit
from engines.vector.rasterizer.native.constants import (
    BAND,
    BIG,
    BLOCK,
    FAR,
    LANES,
    ONE,
    SIX,
    THREE,
    TWO,
    ZERO,
    f32,
    i32,
    u64,
)  # fmt: skip # isort: skip
from engines.vector.rasterizer.native.fills import (
    clear_gradient,
    collect_fill,
    pull_chord,
    spread_gradient,
    trace_chord,
    wind,
)
from engines.vector.rasterizer.native.strokes import collect_stroke, cover, find_spans, spread


@jit
def draw(thread, threads, scene, colors, clipdraw, recording, buffers, image, straight_image, entry_blocks):
    """Draw the bands thread, thread + threads, … into `image` (pictures, 4, height, width).

    straight_image (pictures, 3, height, width): S of the clipdraw convention, written when recording.
    buffers: records, blocks of `RECORD` fields of `LANES` numbers; pixels (blocks·LANES,) within the band; segments
    (blocks,). They are written, and returned, larger if they had to grow.
    entry_blocks (E, 3): the first block of pixels on the edge of band entry e, the first of those covered wholly, and
    one past the last.
    """
    height, width = scene.size[1], scene.size[2]
    records, pixels, segments = buffers
    expected = (scene.blocks + scene.blocks // 4) // threads if recording else 0
    if len(segments) < expected:
        records, pixels, segments = new_buffers(expected)
    capacity, used = len(segments), 0
    stride = width + LANES  # so that whole blocks of lanes may be written
    distance, nearest = np.full(BAND * stride, BIG), np.empty(BAND * stride, i32)
    planes = np.zeros(BAND * stride, f32), np.zeros(BAND * stride, f32)  # of fills: see `wind`
    spans, touched = np.empty(2 * BAND, f32), np.empty((BAND, 2), i32)
    scratch, starts = np.empty((3, BAND * width), i32), np.empty(len(scene.topology.inner), i32)
    canvas, straight = np.empty((BAND * width + 1, 4), f32), np.empty((BAND * width + 1, 3), f32)  # one pixel to spare
    for band in range(thread, scene.size[0] * scene.num_bands, threads):
        top = (band % scene.num_bands) * BAND
        rows = min(BAND, height - top)
        for pixel in range(BAND * width + 1):
            canvas[pixel, 0], canvas[pixel, 1], canvas[pixel, 2], canvas[pixel, 3] = ZERO, ZERO, ZERO, ZERO
            straight[pixel, 0], straight[pixel, 1], straight[pixel, 2] = ZERO, ZERO, ZERO
        for e in range(scene.band_entries[band], scene.band_entries[band + 1]):
            n = scene.entries[e]
            paint, x0, x1 = scene.topology.paints[n], scene.boxes[n, 0], scene.boxes[n, 1]
            for row in range(BAND):
                touched[row, 0], touched[row, 1] = x0 if paint else width, x1 if paint else 0
            for k in range(scene.path_chords[n], scene.path_chords[n + 1]):
                y0, y1 = max(scene.chord_rows[k, 0], top), min(scene.chord_rows[k, 1], top + rows)
                if y0 < y1 and paint:
                    wind(k, scene.chords, (y0, y1, top), (x0, x1, stride), planes)
                elif y0 < y1:
                    find_spans(k, scene.chords, scene.joined, top, f32(x0), f32(x1), spans)
                    spread(k, scene.chords, y0, y1, top, stride, spans, distance, nearest, touched)
            if not recording:
                used = 0
            begin = used
            needed = begin + 2 + scene.topology.path_segments[n + 1] - scene.topology.path_segments[n]
            for row in range(rows):
                needed += max(touched[row, 1] - touched[row, 0], 0) // LANES + 1
            while needed > capacity:
                records, pixels = _doubled(records, begin * BLOCK), _doubled(pixels, begin * LANES)
                segments = _doubled(segments, begin)
                capacity *= 2
            if paint:
                window = x0, x1, stride
                edges, solids = collect_fill(begin, paint, rows, window, planes, scratch, records, pixels)
            else:
                edges, solids = collect_stroke(
                    begin,
                    n,
                    top,
                    rows,
                    stride,
                    distance,
                    nearest,
                    touched,
                    scratch,
                    starts,
                    scene,
                    records,
                    pixels,
                    segments,
                )
                for block in range(begin, begin + edges):
                    cover(records, block, scene.curves, segments[block], scene.radii[n])
            middle, used = begin + edges, begin + edges + solids
            for solid in range(2):
                first, last = (middle, used) if solid else (begin, middle)
                blend(first, last, solid, colors, n, clipdraw, canvas, straight, records, pixels)
            entry_blocks[e, 0], entry_blocks[e, 1], entry_blocks[e, 2] = begin, middle, used
        write_band(band // scene.num_bands, top, rows, clipdraw, recording, canvas, straight, image, straight_image)
    return records, pixels, segments


@jit
def new_buffers(blocks):
    return np.empty(blocks * BLOCK, f32), np.empty(blocks * LANES, i32), np.empty(blocks, i32)


@jit
def _doubled(array, used):
    larger = np.empty(2 * len(array), array.dtype)
    for i in range(used):
        larger[i] = array[i]
    return larger


@jit
def trace_back(
    thread,
    threads,
    scene,
    colors,
    clipdraw,
    records,
    pixels,
    segments,
    entry_blocks,
    image,
    straight_image,
    grad_image,
    grads,
):
    """Replay this thread's records in reverse: gradients of each band entry, at grads[entry_grads[e]:].

    Per entry: 4 of the colour, 1 of the radius, 8 of each segment's cubic control points.
    """
    height, width = scene.size[1], scene.size[2]
    stride = width + LANES
    slopes, q = (np.zeros(BAND * stride, f32), np.zeros(BAND * stride, f32)), np.empty(8 * LANES, f32)
    g, gs = np.zeros((BAND * width + 1, 4), f32), np.zeros((BAND * width + 1, 3), f32)
    for band in range(thread, scene.size[0] * scene.num_bands, threads):
        top = (band % scene.num_bands) * BAND
        rows = min(BAND, height - top)
        read_band(band // scene.num_bands, top, rows, clipdraw, image, straight_image, grad_image, g, gs)
        for e in range(scene.band_entries[band + 1] - 1, scene.band_entries[band] - 1, -1):
            n, own = scene.entries[e], scene.entry_grads[e]
            for i in range(own, scene.entry_grads[e + 1]):
                grads[i] = ZERO
            begin, middle, end = entry_blocks[e, 0], entry_blocks[e, 1], entry_blocks[e, 2]
            for solid in range(2):
                first, last = (middle, end) if solid else (begin, middle)
                unblend(first, last, solid, colors, n, clipdraw, g, gs, records, pixels, q, grads, own)
            own += 5 - 8 * scene.topology.path_segments[n]
            if scene.topology.paints[n]:
                spread_gradient(begin, middle, stride, slopes, records, pixels)
                window = scene.boxes[n, 0], scene.boxes[n, 1], stride
                for k in range(scene.path_chords[n], scene.path_chords[n + 1]):
                    y0, y1 = max(scene.chord_rows[k, 0], top), min(scene.chord_rows[k, 1], top + rows)
                    if y0 < y1:
                        by_start, by_end = trace_chord(k, scene.chords, (y0, y1, top), window, slopes)
                        pull_chord(k, scene.chords, by_start, by_end, grads, own + 8 * scene.chord_segments[k])
                clear_gradient(begin, middle, stride, slopes, pixels)
            else:
                for block in range(begin, middle):
                    at = own + 8 * segments[block]
                    grads[scene.entry_grads[e] + 4] += _pull_cubic(records, block, grads, at)


@jit
def _pull_cubic(records, block, grads, own):
    """∂κ/∂P_j = B_j(t) V + B_j'(t) W, times the gradient of κ, summed over a block into a cubic's eight numbers at
    grads[own:]; → the same for the radius."""
    o, lanes = u64(block) * u64(BLOCK), u64(LANES)
    x0 = y0 = x1 = y1 = x2 = y2 = x3 = y3 = by_radius = ZERO
    for lane in range(lanes):
        i = o + lane
        t, g_kappa = records[i], records[i + u64(14) * lanes]
        s = ONE - t
        vx, vy = g_kappa * records[i + u64(2) * lanes], g_kappa * records[i + u64(3) * lanes]
        wx, wy = g_kappa * records[i + u64(4) * lanes], g_kappa * records[i + u64(5) * lanes]
        by_radius += g_kappa * records[i + u64(6) * lanes]
        b0, b1, b2, b3 = s * s * s, THREE * s * s * t, THREE * s * t * t, t * t * t
        d0, d3 = -THREE * s * s, THREE * t * t
        d1, d2 = -d0 - SIX * s * t, SIX * s * t - d3
        x0 += b0 * vx + d0 * wx
        y0 += b0 * vy + d0 * wy
        x1 += b1 * vx + d1 * wx
        y1 += b1 * vy + d1 * wy
        x2 += b2 * vx + d2 * wx
        y2 += b2 * vy + d2 * wy
        x3 += b3 * vx + d3 * wx
        y3 += b3 * vy + d3 * wy
    grads[own] += x0
    grads[own + 1] += y0
    grads[own + 2] += x1
    grads[own + 3] += y1
    grads[own + 4] += x2
    grads[own + 5] += y2
    grads[own + 6] += x3
    grads[own + 7] += y3
    return by_radius


@jit
def gather(scene, grads, points, widths):
    """Sum the gradients of all band entries, in order: → points (P, 2), widths (N,), colors (N, 4)."""
    index, inner, starts = scene.topology.index, scene.topology.inner, scene.topology.path_segments
    g_points, g_widths = np.zeros_like(points), np.zeros_like(widths)
    g_colors, g_cubics = np.zeros((len(widths), 4), f32), np.zeros((len(inner), 8), f32)
    for e in range(len(scene.entries)):
        n, at = scene.entries[e], scene.entry_grads[e]
        for channel in range(4):
            g_colors[n, channel] += grads[at + channel]
        g_widths[n] += grads[at + 4]
        for d in range(starts[n], starts[n + 1]):
            for j in range(8):
                g_cubics[d, j] += grads[at + 5 + 8 * (d - starts[n]) + j]
    for n in range(len(widths)):
        if widths[n] < ZERO or widths[n] > FAR:
            g_widths[n] = ZERO
    third = ONE / THREE
    for d in range(len(inner)):
        for axis in range(2):  # the reverse of degree elevation
            g0, g1, g2, g3 = g_cubics[d, axis], g_cubics[d, 2 + axis], g_cubics[d, 4 + axis], g_cubics[d, 6 + axis]
            if inner[d] == 0:
                g0, g1, g2, g3 = g0 + third * (TWO * g1 + g2), g3 + third * (g1 + TWO * g2), ZERO, ZERO
            elif inner[d] == 1:
                g0, g1, g2, g3 = g0 + third * g1, TWO * third * (g1 + g2), g3 + third * g2, ZERO
            g_points[index[d, 0], axis] += g0
            g_points[index[d, 1], axis] += g1
            g_points[index[d, 2], axis] += g2
            g_points[index[d, 3], axis] += g3
    for p in range(len(points)):
        for axis in range(2):
            if abs(points[p, axis]) > FAR:
                g_points[p, axis] = ZERO
    return g_points, g_widths, g_colors
