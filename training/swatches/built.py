"""Pictures put together from pieces: stones, glass, facets, tubes of light, pixels."""

from __future__ import annotations

import numpy as np

from training.swatches.canvas import Canvas, Picture, blur, mix, path, ramp, rgb, smooth, step


def mosaic() -> Picture:
    """Small stones in rows that follow every contour: a fish in a round sea, a braided border."""
    c = Canvas(81, 320, 320)
    radius = np.sqrt((c.x - 0.5) ** 2 + (c.y - 0.5) ** 2)
    base = mix(c.plain("#e9dcc0"), "#b5532f", step(0.475 - radius, -0.001, 0.001))
    label = (radius < 0.475) * 1.0 + (radius < 0.43) * 1.0 + (radius < 0.385) * 1.0
    turns = np.arctan2(c.y - 0.5, c.x - 0.5) / (2 * np.pi) * 28
    braid = step(np.abs((radius - 0.43) / 0.022 - np.sin(turns * 2 * np.pi)), 0.75, 0.7)
    base = mix(base, "#f0e3c2", braid * (radius < 0.475) * (radius > 0.385))
    swell = c.y + 0.014 * np.sin(c.x * 34) + 0.25 * (c.x - 0.5) ** 2
    sea = ramp((swell / 0.085) % 1, "#1f6f8a", "#2f9aa8", "#63c0b8", "#2b7f97")
    base = np.where(radius < 0.385, sea, base)

    def region(points, color, number: float, smooth_: bool = True) -> Picture:
        nonlocal base, label
        inside = c.shape(*(smooth([*points, points[0]]) if smooth_ else points))
        base, label = mix(base, color, step(inside, 0.45, 0.55)), np.where(inside > 0.5, number, label)
        return inside

    tail = path("30,50 21,43 15.5,34.5 16.5,48 15,64 21.5,57.5")
    region(tail, "#d9892b", 10)
    region(path("40,42 47,30 60,28.5 66,40 54,39"), "#d9892b", 11)
    region([(0.46, 0.60), (0.47, 0.71), (0.56, 0.69), (0.585, 0.615)], "#d9892b", 12)
    body = path("27,50.5 36,42.5 49,37.5 63,38 74.5,43.5 81,50.5 74.5,58 62,63.5 48,63 36,58")
    back = ramp((c.y - 0.37) / 0.27 + 0.03 * np.sin(c.x * 40), "#c7402c", "#e06a31", "#f0b24a", "#f7e3b0")
    region(body, back, 13)
    stripe = np.abs((c.x - 0.42 + 0.45 * (c.y - 0.5) ** 2) / 0.085 % 1 - 0.5) < 0.17
    inside = (label == 13) & stripe & (c.x > 0.30) & (c.x < 0.63)
    base, label = np.where(inside, rgb("#f6edd8"), base), np.where(inside, 14, label)
    gill = np.sqrt(((c.x - 0.60) / 0.06) ** 2 + ((c.y - 0.508) / 0.105) ** 2)
    edge = (np.abs(gill - 1) < 0.13) & (c.x > 0.60) & (label >= 13)
    base, label = np.where(edge, rgb("#8c2a24"), base), np.where(edge, 15, label)
    for size, color, number in ((0.034, "#f6edd8", 16), (0.019, "#1c2230", 17)):
        eye = np.sqrt((c.x - 0.715) ** 2 + (c.y - 0.475) ** 2) < size
        base, label = np.where(eye, rgb(color), base), np.where(eye, number, label)
    for x, y, size in ((0.80, 0.36, 0.026), (0.765, 0.29, 0.019), (0.735, 0.235, 0.014)):
        bubble = np.sqrt((c.x - x) ** 2 + (c.y - y) ** 2)
        base, label = np.where(bubble < size, rgb("#e8f3ea"), base), np.where(bubble < size, 20 + 100 * size, label)
    for k, x in enumerate((0.27, 0.34, 0.62, 0.68)):  # weed
        y = c.y - 0.5 - np.sqrt(0.385**2 - (x - 0.5) ** 2)
        leaf = (
            (np.abs(c.x - x - 0.018 * np.sin(c.y * 40 + k)) < 0.013) & (y > -0.13 - 0.03 * (k % 2)) & (radius < 0.385)
        )
        base, label = np.where(leaf, rgb("#3c7a3f"), base), np.where(leaf, 30 + k, label)

    flat = label[..., 0]
    edges = (flat != np.roll(flat, 1, 0)) | (flat != np.roll(flat, 1, 1))
    edges[0], edges[:, 0] = False, False
    away = c.distance(edges)
    pitch = 0.0195
    down, right = np.gradient(blur(away, 1.0)[..., 0])
    angle = np.arctan2(down, right)[..., None]
    # Candidates everywhere, moved to the nearest row (rows run at whole distances from a contour), then taken in order
    # around each piece wherever there is room: stones of a row stand close to each other.
    places = c.scatter(pitch * 0.2)
    depth, turn = c.at(away, places), c.at(angle, places)
    row = np.floor(depth / pitch)
    places = places + ((row + 0.5) * pitch - depth) * np.concatenate([np.cos(turn), np.sin(turn)], 1)
    own = c.at(label, places)[:, 0]
    middles = {number: places[own == number].mean(0) for number in np.unique(own)}
    around = places - np.stack([middles[number] for number in own])
    order = np.lexsort((np.arctan2(around[:, 1], around[:, 0]), row[:, 0], own))
    taken: dict[tuple[int, int], list[np.ndarray]] = {}
    stones = []
    for place, a in zip(places[order], turn[order, 0], strict=True):
        cell = tuple(np.floor(place / pitch).astype(int))
        near = [q for i in (-1, 0, 1) for j in (-1, 0, 1) for q in taken.get((cell[0] + i, cell[1] + j), [])]
        if all(np.sum((q - place) ** 2) > (0.9 * pitch) ** 2 for q in near):
            taken.setdefault(cell, []).append(place)
            stones.append((place, a))
    laid = c.plain("#6b6055") * (1 + 0.1 * blur(c.grain(), 0.8))
    for place, a in stones:
        side = pitch * 0.45 * c.rng.uniform(0.92, 1.05)
        corners = []
        for k in range(4):
            turn = a + np.pi / 4 + k * np.pi / 2 + c.rng.normal(0, 0.07)
            corners.append((place[0] + side * 1.414 * np.cos(turn), place[1] + side * 1.414 * np.sin(turn)))
        laid = c.patch(laid, corners, c.at(base, place[None])[0] * c.rng.normal(1, 0.07) + c.rng.normal(0, 0.015, 3))
    return laid * (1 + 0.04 * blur(c.grain(), 0.7))


def stained_glass() -> Picture:
    """Coloured panes in lead, lit from behind: the sun over hills, a river and lilies, in a pointed arch."""
    c = Canvas(91, 272, 368)
    x, y = c.x / c.aspect, c.y  # both in [0, 1]
    sun_x, sun_y = 0.5, 0.36
    away, theta = np.hypot((x - sun_x) * c.aspect, y - sun_y), np.arctan2(y - sun_y, (x - sun_x) * c.aspect)
    arch = np.where(
        y > 0.40, np.abs(x - 0.5) * c.aspect - 0.315, np.hypot(np.abs(x - 0.5) * c.aspect + 0.18, y - 0.40) - 0.495
    )
    ray = np.floor((theta / (2 * np.pi) * 16) % 16)
    region = (
        100 + ray + 20 * np.floor(((away + 0.02 * np.sin(3 * theta)) / 0.125).clip(0, 5))
    )  # the sky, by rays and rings
    tones = np.where((ray + np.floor(away / 0.125)) % 2 < 1, 0.0, 1.0)
    glass = mix(
        ramp(away / 0.55, "#f9c22e", "#f28c38", "#5aa4d8", "#2456a8", "#183a86"),
        ramp(away / 0.55, "#ffe27a", "#e8623a", "#7cc0e0", "#2f6cc0", "#122c6e"),
        tones,
    )
    for size, color, number in ((0.118, "#ffb31f", 2), (0.072, "#fff0a6", 1)):
        region, glass = np.where(away < size, number, region), np.where(away < size, rgb(color), glass)
    for number, (top, height, length, phase, colors) in enumerate(
        [
            (0.565, 0.030, 8.0, 0.3, ("#3f8f6a", "#2b7a5e")),
            (0.64, 0.035, 7.0, 2.4, ("#6fb04a", "#4f9440")),
            (0.73, 0.035, 6.0, 4.4, ("#2f7d46", "#1f5f3a")),
            (0.85, 0.025, 9.0, 1.0, ("#8cbf3f", "#5a9a38")),
        ]
    ):
        ridge = top + height * np.sin(x * length + phase)
        inside = y > ridge
        strip = np.floor(x * (4 + number % 2) + 0.8 * (y - top) + 0.35 * number)
        region = np.where(inside, 300 + 20 * number + strip, region)
        glass = np.where(inside, np.where(strip % 2 < 1, rgb(colors[0]), rgb(colors[1])), glass)
    bank = 0.5 + 0.16 * np.sin(7.0 * (y - 0.52)) * (1.1 - y)
    width = 0.012 + 0.30 * (y - 0.585).clip(0) ** 1.15
    river = (np.abs(x - bank) < width) & (y > 0.60)
    bend = np.floor((y - 0.60).clip(0) ** 0.7 * 11)
    region = np.where(river, 500 + bend, region)
    glass = np.where(river, np.where(bend % 2 < 1, rgb("#6cc7e6"), rgb("#2f8fd0")), glass)
    for fx, fy, size, tone in (
        (0.22, 0.74, 0.085, "#e8418a"),
        (0.80, 0.78, 0.095, "#f4f0ff"),
        (0.30, 0.90, 0.07, "#f2622e"),
        (0.68, 0.93, 0.06, "#b03ad0"),
    ):
        stem = (np.abs(x - fx - 0.02 * np.sin((y - fy) * 14)) < 0.012) & (y > fy)
        region, glass = np.where(stem, 600 + fx, region), np.where(stem, rgb("#1d6a34"), glass)
        for petal, turn in enumerate((-1.0, -0.5, 0.5, 1.0, 0.0)):
            px, py = (x - fx) * c.aspect, y - fy - 0.5 * size
            along, across = -py * np.cos(turn) + px * np.sin(turn), px * np.cos(turn) + py * np.sin(turn)
            share = (along / (size * 1.45)).clip(0, 1)
            inside = (np.abs(across) < 0.36 * size * np.sin(np.pi * share**0.85)) & (along > 0)
            shade = mix(tone, "#ffffff", 0.25) if petal == 4 else mix(tone, "#40104a", 0.12 * abs(turn))
            region, glass = np.where(inside, 700 + 10 * fx + petal, region), np.where(inside, shade, glass)
    outside = arch > 0
    corner = (
        np.floor(np.hypot(np.abs(x - 0.5) * c.aspect - 0.1, y - 0.5) / 0.055) + 10 * (x > 0.5) + 5 * np.floor(y * 9)
    )
    region = np.where(outside, 1000 + corner, region)
    glass = np.where(outside, np.where(np.floor(y * 9 + (x > 0.5)) % 2 < 1, rgb("#8a1f3d"), rgb("#5a1a6a")), glass)
    rim = np.abs(arch) < 0.011
    region = np.where(rim, 2000, region)

    flat = region[..., 0]
    edges = np.zeros(flat.shape, bool)
    edges[1:] |= flat[1:] != flat[:-1]
    edges[:, 1:] |= flat[:, 1:] != flat[:, :-1]
    distance = c.distance(edges)
    per_pane = np.modf(np.sin(region * 12.9898) * 43758.5453)[0]
    streak = c.smear(c.rng.random((c.height, c.width, 1)), 1.1 + 2.5 * (c.noise(0.2) - 0.5), 0.03)
    lit = 0.86 + 0.20 * per_pane + 0.55 * (streak - 0.5) + 0.25 * step(distance, 0.0, 0.03) - 0.10
    lit = lit + 0.12 * np.exp(-((away / 0.3) ** 2))
    pane = (glass * lit + 0.06 * (c.noise(0.012) - 0.5)).clip(0, 1)
    pane = pane + 0.28 * (blur(pane, 6) - 0.25).clip(0)  # glow
    lead = step(0.0085 - distance, -0.0022, 0.0022)
    lead = np.maximum(lead, np.maximum(step(0.013 - np.abs(arch), -0.002, 0.002), c.frame(0.016)))
    solder = 0.09 + 0.22 * np.exp(-((distance / 0.003) ** 2))
    return mix(pane, solder * rgb("#c8cad6"), lead)


def cubism() -> Picture:
    """A guitar, a bottle and a newspaper, taken apart into shaded facets; ochre, slate and umber."""
    c = Canvas(6, 288, 352)
    still = ramp(c.y, "#b8a888", "#a89878", "#8a7a5c")
    still = np.where(c.y > 0.70, ramp((c.y - 0.7) / 0.3, "#8a5f38", "#5f3f28"), still)
    still = mix(still, "#e6dcc4", c.shape((0.04, 0.74), (0.42, 0.62), (0.53, 0.86), (0.14, 0.98)))
    for k in range(9):
        a, b = (0.09 + 0.012 * k, 0.765 + 0.022 * k), (0.40 + 0.012 * k, 0.665 + 0.022 * k)
        still = mix(still, "#4a443c", 0.8 * c.line([a, b], 0.007 if k else 0.018))
    still = mix(
        still, "#2f4a44", c.shape(*smooth(path("62,10 70,10 70,27 76.5,36 76.5,72 55.5,72 55.5,36 62,27 62,10")))
    )
    still = mix(still, "#6f9288", 0.8 * c.line([(0.585, 0.38), (0.585, 0.68)], 0.02))
    still = mix(still, "#d9cfae", c.shape((0.56, 0.47), (0.76, 0.47), (0.76, 0.60), (0.56, 0.60)))
    still = mix(still, "#9a3b26", c.line([(0.59, 0.535), (0.73, 0.535)], 0.03))
    waist = smooth(path("30,40 20,46 18.5,55 23.5,60 16,68 16,82 30,90 45,85 47.5,72 41.5,60 45.5,53 42,44 30,40"))
    still = mix(still, "#7a4420", c.shape(*waist))
    still = mix(
        still,
        ramp(c.x / 0.5, "#d9a357", "#c07f38"),
        c.shape(*[(0.316 + (px - 0.316) * 0.9, 0.65 + (py - 0.65) * 0.93) for px, py in waist]),
    )
    still = mix(still, "#3a2416", c.shape((0.285, 0.08), (0.355, 0.08), (0.35, 0.56), (0.29, 0.56)))
    still = mix(still, "#20150f", c.ellipse(0.32, 0.60, 0.062))
    still = mix(still, "#e3c58a", c.ellipse(0.32, 0.60, 0.070) - c.ellipse(0.32, 0.60, 0.062))
    still = mix(still, "#2a1a10", c.shape((0.25, 0.78), (0.39, 0.78), (0.39, 0.80), (0.25, 0.80)))
    for k in range(4):
        still = mix(still, "#efe2c2", c.line([(0.302 + 0.012 * k, 0.08), (0.302 + 0.012 * k, 0.79)], 0.0028))
    still = mix(still, "#54331c", c.shape((0.272, 0.02), (0.368, 0.02), (0.36, 0.11), (0.28, 0.11)))
    for fx, fy, tone in ((0.60, 0.83, "#b5442a"), (0.69, 0.86, "#c9a13a")):
        still = mix(still, mix(tone, "#2a1a10", step(c.x - fx, -0.03, 0.09)), c.ellipse(fx, fy, 0.062, 0.058))

    lines = [(c.rng.uniform(0, np.pi), c.rng.uniform(-0.42, 0.42)) for _ in range(14)]
    code, crease, shade = np.zeros_like(c.x), np.full_like(c.x, 9.0), np.zeros_like(c.x)
    for number, (turn, shift) in enumerate(lines):
        across = (c.x - 0.41) * np.cos(turn) + (c.y - 0.5) * np.sin(turn) - shift
        if number > 3:  # later cuts stop at an earlier one
            partner_turn, partner_shift = lines[number % 4]
            other = (c.x - 0.41) * np.cos(partner_turn) + (c.y - 0.5) * np.sin(partner_turn) - partner_shift
            across = np.where(other * (1 if number % 2 else -1) > 0, across, 1.0)
        code = code + (across > 0) * 2.0**number
        crease = np.minimum(crease, np.abs(across))
        shade = shade + (0.30 if number % 2 else -0.30) * np.exp(-np.abs(across) / 0.075) * np.sign(across)
    lot = [np.modf(np.abs(np.sin(code * (0.37 + 0.11 * k) + k) * 9153.7))[0] for k in range(4)]
    turn, scale = (lot[0] - 0.5) * 0.55, 1 + (lot[1] - 0.5) * 0.4
    dx, dy = c.x - 0.41, c.y - 0.5
    places = np.concatenate(
        [
            0.41 + scale * (dx * np.cos(turn) - dy * np.sin(turn)) + (lot[2] - 0.5) * 0.12,
            0.5 + scale * (dx * np.sin(turn) + dy * np.cos(turn)) + (lot[3] - 0.5) * 0.12,
        ],
        2,
    )
    seen = c.at(still, places.reshape(-1, 2)).reshape(still.shape)
    tint = ramp(lot[2], "#c9a566", "#8d8f8c", "#d8c9a4", "#6f7f88", "#a9793f")
    facet = mix(seen, tint, 0.30) * (1 + shade * 1.15 + 0.35 * (lot[3] - 0.5))
    angle = np.pi * lot[0] + 0.15 * (c.noise(0.1) - 0.5)
    brushed = c.smear(c.rng.random((c.height, c.width, 1)), angle, 0.022)
    facet = facet * (0.82 + 0.36 * step(brushed, 0.3, 0.7)) + 0.02 * blur(c.grain(), 0.8)
    drawn = mix(facet, "#1d1712", 0.75 * step(0.0042 - crease, -0.0015, 0.0015) * step(c.noise(0.09), 0.25, 0.55))
    glint = step(0.009 - np.abs(crease - 0.0095), 0.0, 0.008) * (lot[1] > 0.6)
    return mix(drawn, "#efe4c6", 0.35 * glint)


def neon() -> Picture:
    """Glass tubes of light in the dark: palms, mountains and a striped sun over a glowing grid."""
    c = Canvas(111, 320, 320)
    horizon = 0.635
    picture = ramp(c.y / horizon, "#07041a", "#140a36", "#2a0d4e", "#3d0f58")
    picture = np.where(c.y > horizon, ramp((c.y - horizon) / (1 - horizon), "#1a0836", "#0b0420"), picture)
    for _ in range(110):
        x, y = c.rng.random(2) * [1, 0.5]
        picture = mix(picture, "#ffffff", c.rng.uniform(0.2, 0.8) * c.ellipse(x, y, c.rng.uniform(0.0012, 0.0026)))
    glow, core = np.zeros_like(picture), np.zeros_like(picture)

    def tube(points, color, width: float = 0.007, power: float = 1.0, cover: Picture | float = 1.0) -> None:
        """A tube of light: a white-hot core and, around it, its colour."""
        nonlocal glow, core
        light = c.line(points, width) * cover
        glow = np.maximum(glow, power * light * rgb(color))
        core = np.maximum(core, power * c.line(points, width * 0.42) * cover)

    def ring(x: float, y: float, radius: float, start: float, end: float) -> list[tuple[float, float]]:
        return [(x + radius * np.cos(a), y + radius * np.sin(a)) for a in np.linspace(start, end, 60)]

    sun = step(0.205 - np.hypot(c.x - 0.5, c.y - 0.44), -0.003, 0.003)
    slots = step(np.sin(c.y * 130) - (1.25 - 2.3 * step(c.y, 0.33, 0.66)), 0.05, -0.05)
    picture = mix(
        picture,
        ramp((c.y - 0.235) / 0.40, "#ffe95c", "#ff9a3d", "#ff2f86", "#b31fa8") * 1.7,
        sun * slots * (c.y < horizon),
    )
    tube(ring(0.5, 0.44, 0.222, np.pi * 0.82, np.pi * 2.18), "#ff4fa0", 0.007)
    ridges = (
        path("-2,60 7,52 13,57 22,47 30,57.5 36,54.5 43,63.5"),
        path("57,63.5 66,53.5 71,57.5 80,45 88,56 94,51 102,60"),
    )
    for ridge in ridges:
        inside = c.shape(*ridge, (ridge[-1][0], horizon), (ridge[0][0], horizon))
        picture = mix(picture, "#100530", inside)
        glow, core = glow * (1 - inside), core * (1 - inside)
        tube(ridge, "#3fd8ff", 0.006)
        for (x0, y0), (x1, _) in zip(ridge, ridge[1:], strict=False):
            tube([(x0, y0), (0.5 * (x0 + x1) + 0.02, horizon)], "#3fd8ff", 0.0035, 0.55, (c.y < horizon) * 1.0)
    for k in range(-9, 10):
        tube([(0.5 + 0.035 * k, horizon), (0.5 + 0.27 * k, 1.05)], "#e13cff", 0.0045, 0.85)
    for k in range(9):
        y = horizon + 0.365 * (k / 8) ** 2.1
        tube([(-0.02, y), (1.02, y)], "#e13cff", 0.003 + 0.003 * k / 8, 0.85)
    tube([(-0.02, horizon), (1.02, horizon)], "#7ff4ff", 0.007)
    for x, y, size, lean in ((0.13, 0.265, 0.165, 0.10), (0.885, 0.345, 0.13, -0.08)):
        root = (x - 1.1 * lean, 0.80 if x < 0.5 else 0.77)
        trunk = smooth([root, (x - 0.55 * lean, 0.5 * (y + root[1]) + 0.05), (x - 0.1 * lean, y + 0.12), (x, y)])
        dark = c.line(trunk, 0.034)
        picture, glow, core = mix(picture, "#0a0320", dark), glow * (1 - dark), core * (1 - dark)
        for side in (-0.011, 0.011):
            tube([(px + side * (1.5 - k / len(trunk)), py) for k, (px, py) in enumerate(trunk)], "#ff8a3d", 0.0055)
        for turn, droop in (
            (-2.85, 0.75),
            (-2.3, 0.55),
            (-1.75, 0.35),
            (-1.2, 0.35),
            (-0.75, 0.55),
            (-0.25, 0.75),
            (0.15, 0.95),
            (2.95, 0.95),
        ):
            tip = (x + size * np.cos(turn), y + size * (0.8 * np.sin(turn) + droop * 0.55))
            middle = (x + 0.55 * size * np.cos(turn), y + size * (0.62 * np.sin(turn) - 0.10))
            frond = smooth([(x, y), middle, tip])
            tube(frond, "#35ff9a", 0.0065)
            for k in range(5, len(frond) - 1, 3):
                px, py = frond[k]
                tube([(px, py), (px + 0.012 * np.sign(np.cos(turn)), py + 0.030)], "#35ff9a", 0.0035, 0.8)
    lit = picture + 0.95 * glow + 0.75 * core
    for sigma, strength in ((1.6, 0.75), (5.0, 0.95), (14.0, 0.95), (34.0, 0.6)):
        lit = lit + strength * blur(glow, sigma)
    return 1 - np.exp(-1.25 * lit)


def pixel_art() -> Picture:
    """80 × 80 pixels, sixteen colours, ordered dithering: a castle by a lake at dusk."""
    column, row = np.meshgrid(np.arange(80), np.arange(80))
    order = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    threshold = (order[row % 4, column % 4] + 0.5) / 16

    def dithered(values: np.ndarray, *colors: str) -> Picture:
        """Steps between `colors`, mixed by the pattern alone."""
        level = values.clip(0, 0.999) * (len(colors) - 1)
        chosen = np.floor(level + threshold).astype(int).clip(0, len(colors) - 1)
        return np.stack([rgb(color) for color in colors])[chosen]

    night, plum, rose, peach, cream = "#1b1b3a", "#4a2a5e", "#a8456b", "#ee8a62", "#fbd98a"
    picture = dithered((row - 2) / 46, night, plum, rose, peach, cream)
    stars = (5, 4), (14, 9), (23, 3), (33, 7), (52, 4), (61, 10), (73, 5), (77, 13), (9, 15), (44, 2), (68, 2)
    for x, y in stars:
        picture[y, x] = rgb("#f4f0e0")
    moon = np.hypot(column - 62.5, row - 16.5)
    picture[moon < 6.2] = rgb("#fff6d8")
    for x, y, r in ((60, 15, 1.3), (64, 18, 1.8), (65, 14, 0.9)):
        picture[np.hypot(column - x, row - y) < r] = rgb("#fbd98a")
    for y, start, end in ((24, 46, 60), (25, 43, 66), (26, 50, 63), (15, 8, 20), (16, 5, 24), (17, 11, 18)):
        picture[y, start:end] = rgb("#d9718a" if y > 20 else "#6b3a6b")
    far = 41 - np.abs(((column * 1.3 + 9) % 26) - 13) * 0.9 - 4 * np.sin(column / 11)
    picture = np.where((row > far)[..., None], dithered((row - far) / 14, "#5b3a78", "#a8456b"), picture)
    snow = (row > far) & (row < far + 3 - (column % 3)) & (far < 34)
    picture[snow] = rgb("#f0b8a8")
    hill = 45 - 5 * np.sin(column / 13 + 1.0) - 2 * np.sin(column / 5.0)
    picture = np.where((row > hill)[..., None], dithered((row - hill) / 12, "#2f4a5a", "#24344e"), picture)

    stone, shade, roof, window = "#8f7f9a", "#5a4d72", "#c9485b", "#ffd166"

    def block(x: int, y: int, width: int, height: int) -> None:
        picture[y : y + height, x : x + width] = rgb(stone)
        picture[y : y + height, x + (width * 3) // 5 : x + width] = rgb(shade)
        bricks = ((row + column // 2) % 4 == 0) & (column % 3 == 0)
        inside = (row >= y) & (row < y + height) & (column >= x) & (column < x + width)
        picture[bricks & inside] = rgb("#6f6284")

    def tower(x: int, y: int, width: int, height: int, spire: int) -> None:
        block(x, y, width, height)
        for k in range(spire):
            half = (k + 1) * (width + 2) / (2 * spire)
            left, right = int(round(x + width / 2 - half)), int(round(x + width / 2 + half))
            picture[y - spire + k, left:right] = rgb(roof)
            picture[y - spire + k, int(x + width / 2) + 1 : right] = rgb("#8a2f52")
        picture[y - spire - 3 : y - spire, int(x + width / 2)] = rgb("#3a2a4e")
        picture[y - spire - 3, int(x + width / 2) + 1 : int(x + width / 2) + 4] = rgb("#ffd166")

    block(22, 34, 26, 14)
    for x in range(22, 48, 4):
        picture[32:34, x : x + 2] = rgb(stone)
    tower(17, 26, 7, 23, 8), tower(45, 24, 7, 25, 9), tower(31, 19, 8, 29, 10)
    for x, y in ((20, 31), (20, 38), (48, 29), (48, 37), (34, 24), (34, 31), (27, 38), (42, 38)):
        picture[y : y + 3, x] = rgb(window)
        picture[y, x] = rgb("#fff6d8")
    picture[42:49, 33:38] = rgb("#2a1d3e")
    picture[41, 34:37] = rgb("#2a1d3e")
    picture[43:49:2, 33:38] = rgb("#6b4a3a")

    lake = 54
    depth = np.arange(80 - lake)
    mirror = picture[lake - 1 - depth]
    ripple = (np.sin(depth * 1.9) * (1 + depth / 9)).round().astype(int)
    for k in depth:
        picture[lake + k] = mix(np.roll(mirror[k], ripple[k], axis=0), "#26406b", 0.45)
    picture[lake] = rgb("#f0b8a8")
    glint = (row > lake) & ((row * 7 + column * 3) % 23 == 0) & (np.abs(column - 62) < 3 + (row - lake) / 2)
    picture[glint | (np.roll(glint, 1, 1) & (row % 2 == 0))] = rgb("#fff6d8")
    bank = (
        76
        - 9 * np.exp(-(((column - 2) / 13.0) ** 2))
        - 11 * np.exp(-(((column - 80) / 14.0) ** 2))
        + (column * 7 % 5 == 0)
    )
    for x, foot, size in ((6, 71, 28), (15, 75, 19), (72, 69, 31), (63, 76, 16), (78, 72, 22)):
        for k in range(size):
            half = (k % 7) * 0.55 + k * 0.16 + 0.6
            y = foot - size + k
            inside = (row == y) & (np.abs(column - x) <= half)
            picture[inside] = rgb("#1f4a3f")
            picture[inside & (column < x - half * 0.2)] = rgb("#2f6b4a")
            picture[inside & (np.abs(column - x) > half - 1) & (k % 7 == 6)] = rgb("#15302f")
        picture[foot : foot + 5, x] = rgb("#2a1d3e")
    picture = np.where((row > bank)[..., None], dithered((row - bank) / 8, "#2f6b4a", "#15302f"), picture)
    blades = (row > bank - 2) & (row <= bank) & (column % 3 == 0)
    picture[blades] = rgb("#2f6b4a")
    colors = np.stack([rgb(color) for color in _SIXTEEN])
    nearest = np.square(picture[:, :, None] - colors).sum(3).argmin(2)
    return colors[nearest].repeat(4, 0).repeat(4, 1)


_SIXTEEN = (
    "#1b1b3a", "#4a2a5e", "#a8456b", "#ee8a62", "#fbd98a", "#fff6d8", "#f0b8a8", "#8f7f9a", "#5a4d72", "#c9485b",
    "#24344e", "#26406b", "#2f6b4a", "#1f4a3f", "#15302f", "#ffd166",
)  # fmt: skip
