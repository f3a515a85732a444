"""Painter's order: laying a path's pixels over a band, and the reverse. Formulas in `rasterizer/blending.py`."""

from __future__ import annotations

from engines.vector.rasterizer.native.compiling import jit
from engines.vector.rasterizer.native.constants import (
    BLOCK,
    LANES,
    ONE,
    TINY,
    ZERO,
    u64,
)  # fmt: skip # isort: skip


@jit
def blend(begin, end, solid, colors, n, clipdraw, canvas, straight, records, pixels):
    """Lay a path over the band's canvas (C, A) and, for the clipdraw convention, S; keep what was behind it."""
    red, green, blue, alpha = colors[n, 0], colors[n, 1], colors[n, 2], colors[n, 3]
    for block in range(begin, end):
        for lane in range(LANES):
            i, pixel = block * BLOCK + lane, pixels[block * LANES + lane]
            kappa = ONE if solid else records[i + LANES]
            c0, c1, c2, c3 = canvas[pixel, 0], canvas[pixel, 1], canvas[pixel, 2], canvas[pixel, 3]
            d0, d1, d2, d3 = red - c0, green - c1, blue - c2, ONE - c3
            opacity = kappa * alpha
            records[i + 7 * LANES], records[i + 8 * LANES] = c0, c1
            records[i + 9 * LANES], records[i + 10 * LANES] = c2, c3
            canvas[pixel, 0], canvas[pixel, 1] = c0 + opacity * d0, c1 + opacity * d1
            canvas[pixel, 2], canvas[pixel, 3] = c2 + opacity * d2, c3 + opacity * d3
            if clipdraw:
                s0, s1, s2 = straight[pixel, 0], straight[pixel, 1], straight[pixel, 2]
                denominator = c3 + alpha * d3
                inverse = ONE / denominator if denominator > TINY else ZERO
                records[i + 11 * LANES], records[i + 12 * LANES], records[i + 13 * LANES] = s0, s1, s2
                straight[pixel, 0] = s0 + kappa * ((c0 + alpha * d0) * inverse - s0)
                straight[pixel, 1] = s1 + kappa * ((c1 + alpha * d1) * inverse - s1)
                straight[pixel, 2] = s2 + kappa * ((c2 + alpha * d2) * inverse - s2)


@jit
def unblend(begin, end, solid, colors, n, clipdraw, g, gs, records, pixels, q, grads, own):
    """The reverse of `blend`: turns g and gs into gradients of what was behind, adds the colour's gradient to
    grads[own:], and records the gradient of κ. q (8 · LANES): working memory."""
    red, green, blue, alpha = colors[n, 0], colors[n, 1], colors[n, 2], colors[n, 3]
    for block in range(begin, end):
        for lane in range(LANES):
            pixel = pixels[block * LANES + lane]
            q[lane], q[lane + LANES] = g[pixel, 0], g[pixel, 1]
            q[lane + 2 * LANES], q[lane + 3 * LANES] = g[pixel, 2], g[pixel, 3]
            q[lane + 7 * LANES] = ONE if solid else records[block * BLOCK + lane + LANES]
        if clipdraw:
            for lane in range(LANES):
                pixel = pixels[block * LANES + lane]
                q[lane + 4 * LANES], q[lane + 5 * LANES], q[lane + 6 * LANES] = gs[pixel, 0], gs[pixel, 1], gs[pixel, 2]
            by_red, by_green, by_blue, by_alpha = _unblend_clipdraw(records, block, q, red, green, blue, alpha)
            for lane in range(LANES):
                pixel = pixels[block * LANES + lane]
                gs[pixel, 0], gs[pixel, 1], gs[pixel, 2] = q[lane + 4 * LANES], q[lane + 5 * LANES], q[lane + 6 * LANES]
        else:
            by_red, by_green, by_blue, by_alpha = _unblend_opaque(records, block, q, red, green, blue, alpha)
        for lane in range(LANES):
            pixel = pixels[block * LANES + lane]
            g[pixel, 0], g[pixel, 1] = q[lane], q[lane + LANES]
            g[pixel, 2], g[pixel, 3] = q[lane + 2 * LANES], q[lane + 3 * LANES]
        grads[own] += by_red
        grads[own + 1] += by_green
        grads[own + 2] += by_blue
        grads[own + 3] += by_alpha


@jit
def _unblend_opaque(records, block, q, red, green, blue, alpha):
    """Fields of q: gradient of C and A (4), -, -, -, κ. → gradient of the path's colour."""
    o, lanes = u64(block) * u64(BLOCK), u64(LANES)
    by_red = by_green = by_blue = by_alpha = ZERO
    for j in range(lanes):
        i = o + j
        g0, g1, g2, g3 = q[j], q[j + lanes], q[j + u64(2) * lanes], q[j + u64(3) * lanes]
        kappa = q[j + u64(7) * lanes]
        d0, d1 = red - records[i + u64(7) * lanes], green - records[i + u64(8) * lanes]
        d2, d3 = blue - records[i + u64(9) * lanes], ONE - records[i + u64(10) * lanes]
        opacity = kappa * alpha
        g_opacity = g0 * d0 + g1 * d1 + g2 * d2 + g3 * d3
        by_red += opacity * g0
        by_green += opacity * g1
        by_blue += opacity * g2
        by_alpha += kappa * g_opacity
        records[i + u64(14) * lanes] = alpha * g_opacity
        keep = ONE - opacity
        q[j], q[j + lanes], q[j + u64(2) * lanes], q[j + u64(3) * lanes] = keep * g0, keep * g1, keep * g2, keep * g3
    return by_red, by_green, by_blue, by_alpha


@jit
def _unblend_clipdraw(records, block, q, red, green, blue, alpha):
    """Fields of q: gradient of C and A (4) and of S (3), κ. → gradient of the path's colour."""
    o, lanes = u64(block) * u64(BLOCK), u64(LANES)
    by_red = by_green = by_blue = by_alpha = ZERO
    rest = ONE - alpha
    for j in range(lanes):
        i = o + j
        g0, g1, g2, g3 = q[j], q[j + lanes], q[j + u64(2) * lanes], q[j + u64(3) * lanes]
        s0, s1, s2 = q[j + u64(4) * lanes], q[j + u64(5) * lanes], q[j + u64(6) * lanes]
        kappa = q[j + u64(7) * lanes]
        c0, c1 = records[i + u64(7) * lanes], records[i + u64(8) * lanes]
        c2, c3 = records[i + u64(9) * lanes], records[i + u64(10) * lanes]
        d0, d1, d2, d3 = red - c0, green - c1, blue - c2, ONE - c3
        opacity = kappa * alpha
        g_opacity = g0 * d0 + g1 * d1 + g2 * d2 + g3 * d3
        denominator = c3 + alpha * d3
        inverse = ONE / max(denominator, TINY) if denominator > TINY else ZERO
        f0, f1, f2 = (c0 + alpha * d0) * inverse, (c1 + alpha * d1) * inverse, (c2 + alpha * d2) * inverse
        g_kappa = alpha * g_opacity + s0 * (f0 - records[i + u64(11) * lanes])
        g_kappa += s1 * (f1 - records[i + u64(12) * lanes]) + s2 * (f2 - records[i + u64(13) * lanes])
        m0, m1, m2 = kappa * inverse * s0, kappa * inverse * s1, kappa * inverse * s2
        m3 = -(m0 * f0 + m1 * f1 + m2 * f2)
        by_red += opacity * g0 + alpha * m0
        by_green += opacity * g1 + alpha * m1
        by_blue += opacity * g2 + alpha * m2
        by_alpha += kappa * g_opacity + m0 * d0 + m1 * d1 + m2 * d2 + m3 * d3
        records[i + u64(14) * lanes] = g_kappa
        keep, shown = ONE - opacity, ONE - kappa
        q[j], q[j + lanes] = keep * g0 + rest * m0, keep * g1 + rest * m1
        q[j + u64(2) * lanes], q[j + u64(3) * lanes] = keep * g2 + rest * m2, keep * g3 + rest * m3
        q[j + u64(4) * lanes], q[j + u64(5) * lanes], q[j + u64(6) * lanes] = shown * s0, shown * s1, shown * s2
    return by_red, by_green, by_blue, by_alpha


@jit
def write_band(b, top, rows, clipdraw, recording, canvas, straight, image, straight_image):
    width = image.shape[3]
    for row in range(rows):
        for x in range(width):
            pixel = row * width + x
            alpha = canvas[pixel, 3]
            image[b, 3, top + row, x] = alpha
            for channel in range(3):
                if clipdraw:
                    image[b, channel, top + row, x] = straight[pixel, channel] * alpha
                    if recording:
                        straight_image[b, channel, top + row, x] = straight[pixel, channel]
                else:
                    image[b, channel, top + row, x] = canvas[pixel, channel]


@jit
def read_band(b, top, rows, clipdraw, image, straight_image, grad_image, g, gs):
    """The gradient of the band's final C and A, and of S for the clipdraw convention, whose picture is (S·A, A)."""
    width = image.shape[3]
    for row in range(rows):
        for x in range(width):
            pixel = row * width + x
            g[pixel, 3] = grad_image[b, 3, top + row, x]
            for channel in range(3):
                given = grad_image[b, channel, top + row, x]
                if clipdraw:
                    gs[pixel, channel] = given * image[b, 3, top + row, x]
                    g[pixel, 3] += given * straight_image[b, channel, top + row, x]
                    g[pixel, channel] = ZERO
                else:
                    g[pixel, channel] = given
