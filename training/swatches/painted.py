"""Pictures painted with brush and pencil."""

from __future__ import annotations

import numpy as np

from training.swatches.canvas import Canvas, Picture, blur, mix, ramp, rgb, step


def impasto() -> Picture:
    """Thick paint that swirls: a moon and stars over a village, hills and a poplar."""
    c = Canvas(3)
    lights = [(0.80, 0.17, 0.105), (0.17, 0.14, 0.05), (0.42, 0.10, 0.042), (0.60, 0.31, 0.05), (0.33, 0.33, 0.036)]
    whirls = [(0.47, 0.24, 0.17, 1.0), (0.20, 0.32, 0.12, -1.0), (0.70, 0.40, 0.10, 1.0)]
    ridge = 0.62 - 0.07 * np.sin(5.5 * c.x + 0.4) - 0.03 * np.sin(13 * c.x)
    meadow = 0.80 - 0.04 * np.sin(4 * c.x + 2.2)

    dx, dy = np.ones_like(c.x), 0.25 * np.cos(5 * c.x)
    for x, y, radius, turn in [*whirls, *((x, y, 1.6 * r, 1.0) for x, y, r in lights)]:
        away_x, away_y = c.x - x, c.y - y
        distance = np.sqrt(away_x**2 + away_y**2) + 1e-6
        pull = 4.0 * np.exp(-((distance / radius) ** 2))
        dx, dy = dx - turn * pull * away_y / distance, dy + turn * pull * away_x / distance
    angle = np.arctan2(dy, dx)
    hills = np.arctan2(-0.07 * 5.5 * np.cos(5.5 * c.x + 0.4), 1.0) + 0.25 * (c.noise(0.1) - 0.5)
    angle = np.where(c.y > ridge, hills, angle)

    sky = ramp(c.y / 0.62 + 0.5 * (c.clouds(0.2) - 0.5), "#10245e", "#1d4796", "#3b7cc0", "#8fb8c9")
    for x, y, radius, _ in whirls:
        distance = np.sqrt((c.x - x) ** 2 + (c.y - y) ** 2)
        sky = mix(sky, "#cfe0d2", 0.55 * np.exp(-((distance / radius) ** 2)) * (0.5 + 0.5 * np.sin(distance * 70)))
    for x, y, radius in lights:
        distance = np.sqrt((c.x - x) ** 2 + (c.y - y) ** 2) / radius
        sky = mix(sky, "#e7c24a", np.exp(-(distance**2)) * (0.75 + 0.25 * np.cos(distance * 7)))
        sky = mix(sky, "#fff3b0", step(0.5 - distance, 0.0, 0.15))
    land = ramp((c.y - ridge) / 0.25 + 0.3 * (c.clouds(0.12) - 0.5), "#2c4f7c", "#24584f", "#3f7a45", "#7d9440")
    field = ramp((c.y - meadow) / 0.2 + 0.4 * (c.clouds(0.09) - 0.5), "#8f9a3a", "#c8a63c", "#96843a")
    base = np.where(c.y > meadow, field, np.where(c.y > ridge, land, sky))
    for x, y, size in [(0.40, 0.705, 0.085), (0.72, 0.715, 0.095), (0.585, 0.745, 0.105)]:
        base = mix(base, "#e3d3ac", c.shape((x, y), (x + size, y), (x + size, y + 0.7 * size), (x, y + 0.7 * size)))
        base = mix(base, "#a5402b", c.shape((x - 0.012, y), (x + 0.5 * size, y - 0.6 * size), (x + size + 0.012, y)))
        base = mix(base, "#f7cf3f", c.ellipse(x + 0.5 * size, y + 0.33 * size, 0.014, 0.017))
    base = mix(base, "#cdb98f", c.shape((0.515, 0.67), (0.545, 0.67), (0.545, 0.76), (0.515, 0.76)))
    base = mix(base, "#35507a", c.shape((0.508, 0.675), (0.53, 0.54), (0.552, 0.675)))
    sway = 0.012 * np.sin(26 * c.y)
    width = 0.068 * np.sin(2.3 * ((c.y - 0.18) / 0.85).clip(0, 1)) ** 0.8
    poplar = step(width - np.abs(c.x - 0.115 - sway), -0.004, 0.006)
    base = mix(base, ramp(c.noise(0.035), "#0d2018", "#1f4a2c", "#3d6b32"), poplar)
    angle = np.where(poplar > 0.5, np.pi / 2 + 0.5 * np.sin(26 * c.y) + 0.8 * (c.noise(0.06) - 0.5), angle)

    painted, relief = base, np.full_like(c.x, 0.5)
    for spacing, length, width in ((0.024, 0.11, 0.021), (0.014, 0.06, 0.0125), (0.007, 0.026, 0.0075)):
        places = c.scatter(spacing)
        points = c.follow(places, angle, length * c.rng.uniform(0.6, 1.2, len(places)))
        load = c.at(base, points[:, 1]) * c.rng.normal(1, 0.09, (len(points), 1)) + c.rng.normal(
            0, 0.025, (len(points), 3)
        )
        if width < 0.01:  # the last, fine strokes only where something small is
            busy = np.abs(base - blur(base, 5)).sum(2, keepdims=True)
            kept = (c.at(busy, places)[:, 0] > 0.12) | (c.rng.random(len(places)) < 0.10)
            points, load = points[kept], load[kept]
        solid = np.concatenate([load, np.full((len(load), 1), 0.96)], 1)
        painted = c.strokes(painted, points, width * c.rng.uniform(0.7, 1.2, len(points)), solid)
        height = c.rng.random((len(points), 1)).repeat(3, 1)
        tall = np.concatenate([height, np.ones((len(points), 1))], 1)
        relief = c.strokes(relief.repeat(3, 2), points, width, tall)[..., :1]
    bristles = c.smear(c.rng.random((c.height, c.width, 1)), angle, 0.02)
    return _raking_light(painted, 0.5 * blur(relief, 0.7) + 2.2 * bristles, 0.5)


def _raking_light(painted: Picture, relief: Picture, strength: float) -> Picture:
    """Paint with thickness, lit from the upper left."""
    down, right = np.gradient(relief[..., 0])
    return painted * (1 + strength * (-down - right)[..., None].clip(-0.9, 0.9))


def pointillism() -> Picture:
    """Dots of pure colour: sailing boats in a harbour at sunset."""
    c = Canvas(5, 352, 288)
    horizon, sun = 0.46, (0.86, 0.37)
    distance = np.sqrt((c.x - sun[0]) ** 2 + (c.y - sun[1]) ** 2)
    sky = mix(
        ramp(c.y / horizon, "#4a6fb5", "#8fa6d8", "#e7b7bf", "#f7c987"), "#fff0a8", np.exp(-((distance / 0.16) ** 2))
    )
    sky = mix(sky, "#fffbe0", step(0.062 - distance, 0, 0.008))
    sky = mix(sky, "#d08aa8", 0.6 * step(c.clouds(0.3, 3) - 0.25 * np.abs(c.y - 0.22), 0.52, 0.7))
    sea = ramp((c.y - horizon) / (1 - horizon), "#c9a9b5", "#5f8fbf", "#2c6a9c", "#1f4a78")
    glitter = np.exp(-(((c.x - sun[0]) / (0.05 + 0.22 * (c.y - horizon).clip(0))) ** 2))
    sea = mix(sea, "#ffd98a", 0.85 * glitter * (0.45 + 0.55 * np.sin(c.y * 150 + 6 * c.noise(0.1))))
    base = np.where(c.y > horizon, sea, sky)
    shore = horizon - 0.035 * (0.4 + c.noise(0.12)) * step(np.abs(c.x - 0.55), 0.2, 0.5)
    base = mix(base, "#6a5a93", step(c.y - shore, -0.003, 0.003) * (c.y < horizon))
    for x, y, size, sail in [
        (0.33, 0.66, 0.36, "#fdf3da"),
        (0.62, 0.55, 0.17, "#f2b26b"),
        (1.06, 0.62, 0.27, "#f6dfc4"),
    ]:
        for sign, strength in ((1, 1.0), (-1, 0.45)):  # the boat, and below it upside down

            def at(dx, dy, x=x, y=y, size=size, sign=sign):
                return x + size * dx, y + sign * size * dy

            ripple = strength if sign > 0 else strength * (0.6 + 0.4 * np.sin(c.y * 160 + 5 * c.noise(0.1)))
            base = mix(base, sail, ripple * c.shape(at(0.02, -0.92), at(0.02, -0.12), at(0.44, -0.12)))
            base = mix(
                base, mix(sail, "#c97f5c", 0.45), ripple * c.shape(at(-0.03, -0.8), at(-0.03, -0.12), at(-0.27, -0.12))
            )
            base = mix(base, "#5b2f3d", ripple * c.line([at(0, -0.97), at(0, 0)], 0.018 * size + 0.002))
            base = mix(
                base, "#7c2f35", ripple * c.shape(at(-0.38, -0.08), at(0.5, -0.08), at(0.36, 0.06), at(-0.27, 0.06))
            )
    quay = c.shape((0, 1), (0, 0.86), (0.3, 0.9), (0.52, 1))
    base = mix(base, ramp(c.noise(0.05), "#3d3768", "#5d5a35"), quay)
    painted = mix(base, "#f3ead7", 0.35)
    for spacing, width, spread in ((0.021, 0.022, 0.16), (0.0145, 0.0165, 0.20), (0.0125, 0.0135, 0.13)):
        places = c.scatter(spacing)
        load = c.at(base, places)
        odd = c.rng.random((len(places), 1)) < 0.17  # now and then the complementary colour
        grey = load.mean(1, keepdims=True)
        load = np.where(odd, grey - 0.8 * (load - grey), load + c.rng.normal(0, spread, load.shape) * 0.55)
        vivid = load.mean(1, keepdims=True) + (load - load.mean(1, keepdims=True)) * 1.35
        points = np.repeat(places[:, None], 4, 1) + c.rng.normal(0, 0.0008, (len(places), 4, 2))
        painted = c.strokes(
            painted,
            points,
            width * c.rng.uniform(0.75, 1.1, len(places)),
            np.concatenate([vivid, np.full((len(vivid), 1), 0.95)], 1),
        )
    return painted


def watercolor() -> Picture:
    """Wet colours that run into each other on white paper: poppies."""
    c = Canvas(11, 288, 352)
    warp_x, warp_y = (c.clouds(0.12) - 0.5) * 0.09, (c.clouds(0.12) - 0.5) * 0.09
    x, y = c.x + warp_x, c.y + warp_y
    tooth = c.grain()
    paper = 0.975 + 0.012 * blur(tooth, 0.8)
    painted = np.broadcast_to(rgb("#fffdf6"), (c.height, c.width, 3)) * paper

    def wash(painted: Picture, covers: Picture, color, strength: float = 0.75) -> Picture:
        """A glaze: thin in the middle, with a dark rim where the water dried, settling in the paper's hollows."""
        inside = step(covers, -0.012, 0.012)
        rim = np.exp(-((covers / 0.009) ** 2)) * step(covers, -0.012, 0.002)
        settled = strength * inside * (0.55 + 0.55 * c.clouds(0.16)) + 0.35 * strength * rim
        settled = settled + 0.05 * inside * blur(tooth, 0.6)
        return painted * mix(np.ones(3), color, settled.clip(0, 1))

    sky = 0.30 - np.sqrt(((x - 0.42) / 1.5) ** 2 + (y - 0.28) ** 2) + 0.20 * (c.clouds(0.2) - 0.5)
    painted = wash(painted, sky, "#a9cfe8", 0.75)
    meadow = (y - 0.76) + 0.1 * (c.clouds(0.2) - 0.5)
    painted = wash(painted, meadow, "#b9cf85", 0.8)
    painted = wash(painted, meadow - 0.10, "#7fa86a", 0.6)
    flowers = [(0.27, 0.30, 0.145, 0.1), (0.57, 0.43, 0.155, -0.25), (0.38, 0.60, 0.10, 0.35), (0.72, 0.17, 0.07, 0.0)]
    for fx, fy, size, _ in flowers:
        stem_x = fx + (0.40 - fx) * 0.45 * ((y - fy) / (1.05 - fy)).clip(0) ** 1.5 + 0.015 * np.sin(9 * y)
        stem = np.where(y > fy + 0.72 * size, 0.0075 - np.abs(x - stem_x), -1.0)
        painted = wash(painted, stem, "#4f7f3c", 0.95)
    for lx, ly, length, turn in [
        (0.26, 0.80, 0.17, -0.9),
        (0.52, 0.78, 0.19, -2.1),
        (0.46, 0.92, 0.16, -0.5),
        (0.36, 0.93, 0.17, -2.5),
    ]:
        along = (x - lx) * np.cos(turn) + (y - ly) * np.sin(turn)
        across = -(x - lx) * np.sin(turn) + (y - ly) * np.cos(turn)
        share = (along / length).clip(0, 1)
        leaf = np.where((along > 0) & (along < length), 0.03 * np.sin(np.pi * share**0.8) - np.abs(across), -1.0)
        painted = wash(painted, leaf, ramp(c.noise(0.08), "#5d8f45", "#8db85a", "#3f7a55"), 0.85)
    for number, (fx, fy, size, lean) in enumerate(flowers):
        theta = np.arctan2(y - fy, x - fx) + lean
        distance = np.sqrt((x - fx) ** 2 + ((y - fy) / 0.86) ** 2)
        for petal in range(2):
            edge = size * (0.80 + 0.2 * np.abs(np.cos(2 * theta + petal * np.pi / 2)) + 0.05 * np.sin(17 * theta))
            tone = [
                ramp(c.noise(0.1), "#f0563a", "#e02f3d", "#f58a4a"),
                ramp(c.noise(0.1), "#f2a14e", "#ea4f3c", "#e8607d"),
            ]
            painted = wash(
                painted, edge * (1 - 0.22 * petal) - distance, tone[(number + petal) % 2], 0.78 - 0.2 * petal
            )
        painted = wash(painted, size * 0.21 * (1 + 0.18 * np.sin(9 * theta)) - distance, "#2b2338", 0.92)
        for k in range(16):
            turn, reach = k / 16 * 2 * np.pi + lean, size * c.rng.uniform(0.3, 0.42)
            dot = np.sqrt((x - fx - reach * np.cos(turn)) ** 2 + (y - fy - reach * 0.86 * np.sin(turn)) ** 2)
            painted = wash(painted, 0.007 - dot, "#34253d", 0.9)
    for sx, sy in c.rng.random((46, 2)) * [c.aspect, 1]:
        spot = c.rng.uniform(0.002, 0.008) - np.sqrt((x - sx) ** 2 + (y - sy) ** 2)
        painted = wash(painted, spot, ["#e8473d", "#7fae5a", "#8fbfe0"][c.rng.integers(3)], 0.6)
    return painted


def ink_wash() -> Picture:
    """Ink and water on rice paper: mountains in mist, a pine, a boat, a red seal."""
    c = Canvas(21, 272, 368)
    fibre = c.smear(c.rng.random((c.height, c.width, 1)), c.noise(0.3) * 6, 0.02)
    paper = rgb("#efe6d2") * (1 + 0.10 * (fibre - 0.5) + 0.05 * (c.clouds(0.4) - 0.5))
    ink = np.zeros_like(c.x)
    for base, height, dark, roughness, seed in (
        (0.40, 0.24, 0.30, 5.0, 0.2),
        (0.52, 0.20, 0.45, 6.0, 2.1),
        (0.64, 0.13, 0.62, 8.0, 4.0),
    ):
        peaks = np.abs(np.sin(roughness * c.x + seed)) ** 1.5 * 0.75 + 0.25 * np.abs(
            np.sin(2.7 * roughness * c.x + 2 * seed)
        )
        crag = c.clouds(0.10, 5)[:1] * np.ones_like(c.x)
        ridge = base - height * peaks - 0.05 * (crag - 0.5)
        depth = (c.y - ridge) / height
        body = step(c.y - ridge, -0.004, 0.006) * np.exp(-((depth.clip(0) / 0.75) ** 2))
        folds = c.smear(
            c.rng.random((c.height, c.width, 1)), np.full_like(c.x, 1.25) + 0.9 * (c.noise(0.15) - 0.5), 0.035
        )
        dry = step(folds + 0.25 * (c.clouds(0.08) - 0.5), 0.48, 0.62)
        ink = np.maximum(
            ink * (1 - 0.85 * step(c.y - ridge, 0, 0.02) * (depth < 1.0)), dark * body * (0.62 + 0.38 * dry)
        )
        crest = np.exp(-(((c.y - ridge) / 0.006) ** 2)) * step(c.noise(0.09), 0.3, 0.6)
        ink = np.maximum(ink, dark * 1.15 * crest)
    water = step(np.sin(c.y * 190 + 5 * c.noise(0.2)), 0.86, 1) * step(c.noise(0.12), 0.55, 0.8) * step(c.y, 0.74, 0.8)
    ink = np.maximum(ink, 0.32 * water)

    strokes, widths, loads = [], [], []

    def brush(points, width: float, dark: float) -> None:
        strokes.append(points), widths.append(width), loads.append(dark)

    trunk = [(0.06, 1.03), (0.16, 0.86), (0.07, 0.72), (0.17, 0.60)]
    for offset in np.linspace(-0.011, 0.011, 9):
        brush([(x + offset * (1.15 - k * 0.22), y) for k, (x, y) in enumerate(trunk)], 0.006, c.rng.uniform(0.6, 0.95))
    branches = [
        ((0.115, 0.76), (0.36, 0.70)),
        ((0.12, 0.68), (0.30, 0.585)),
        ((0.16, 0.61), (0.27, 0.50)),
        ((0.10, 0.80), (0.01, 0.75)),
        ((0.15, 0.63), (0.04, 0.55)),
    ]
    for (x0, y0), (x1, y1) in branches:
        brush([(x0, y0), (mix(x0, x1, 0.3), y0 - 0.02), (mix(x0, x1, 0.7), y1 + 0.03), (x1, y1)], 0.008, 0.85)
        for share in np.linspace(0.35, 1.0, 5):
            px, py = mix(x0, x1, share), mix(y0, y1, share) - 0.012
            for turn in np.linspace(-np.pi, 0, 15):
                reach = c.rng.uniform(0.026, 0.043)
                end = px + reach * np.cos(turn), py + 0.62 * reach * np.sin(turn)
                middle = mix(px, end[0], 0.5), mix(py, end[1], 0.5) - 0.004
                brush([(px, py), middle, middle, end], 0.0028, c.rng.uniform(0.45, 0.9))
    bx, by = 0.53, 0.835
    brush(
        [(bx - 0.085, by - 0.012), (bx - 0.04, by + 0.022), (bx + 0.04, by + 0.022), (bx + 0.09, by - 0.014)],
        0.011,
        0.8,
    )
    brush([(bx - 0.005, by), (bx - 0.004, by - 0.02), (bx - 0.002, by - 0.04), (bx + 0.004, by - 0.05)], 0.013, 0.85)
    brush(
        [(bx - 0.02, by - 0.05), (bx - 0.005, by - 0.066), (bx + 0.012, by - 0.066), (bx + 0.028, by - 0.05)],
        0.007,
        0.9,
    )
    brush(
        [(bx + 0.02, by - 0.03), (bx + 0.05, by - 0.01), (bx + 0.07, by + 0.02), (bx + 0.085, by + 0.045)], 0.004, 0.7
    )
    for k in range(5):
        x, y = 0.50 + 0.035 * k + 0.02 * c.rng.random(), 0.16 + 0.03 * c.rng.random()
        brush([(x - 0.014, y - 0.006), (x - 0.006, y - 0.010), (x - 0.002, y - 0.004), (x, y)], 0.003, 0.7)
        brush([(x, y), (x + 0.002, y - 0.004), (x + 0.006, y - 0.010), (x + 0.014, y - 0.006)], 0.003, 0.7)
    colors = np.concatenate([np.zeros((len(loads), 3)), np.array(loads)[:, None]], 1)
    black = 1 - c.strokes(np.ones((c.height, c.width, 3)), np.array(strokes), np.array(widths), colors)[..., :1]
    ink = np.maximum(ink, 0.92 * black + 0.35 * blur(black, 2.5))
    painted = mix(paper, "#1b1d24", (ink * (0.85 + 0.3 * fibre)).clip(0, 0.96))
    painted = mix(
        painted,
        "#d8553f",
        0.75 * step(c.ellipse(0.60, 0.115, 0.047), 0.1, 0.9) * (0.75 + 0.5 * (fibre - 0.3)).clip(0, 1),
    )
    seal = c.shape((0.645, 0.90), (0.70, 0.90), (0.70, 0.955), (0.645, 0.955))
    carved = c.line([(0.657, 0.912), (0.657, 0.944)], 0.006) + c.line([(0.657, 0.928), (0.69, 0.928)], 0.006)
    carved = carved + c.line([(0.688, 0.912), (0.688, 0.944)], 0.006) + c.line([(0.672, 0.912), (0.672, 0.944)], 0.005)
    return mix(painted, "#b6302b", seal * (1 - carved.clip(0, 1)) * (0.8 + 0.3 * c.noise(0.02)).clip(0, 1))


def pencil() -> Picture:
    """Graphite, hatched and cross-hatched on white paper: a jug and two pears."""
    c = Canvas(31, 320, 320)
    table = 0.66
    tone = 0.15 + 0.22 * step(c.x + 0.3 * c.y, 0.25, 1.2) + 0.1 * (c.clouds(0.4) - 0.5)
    tone = np.where(c.y > table, 0.0, tone)
    outline = np.abs(c.y - table) * 30
    turn = np.full_like(c.x, 0.9)

    def solid(profile, axis: float, top: float, bottom: float, shine: float = 0.30) -> None:
        """A body of revolution: `profile` gives its half-width from `top` (0) to `bottom` (1)."""
        nonlocal tone, outline, turn
        down = (c.y - top) / (bottom - top)
        half = np.interp(down, np.linspace(0, 1, len(profile)), profile) * ((down > 0) & (down < 1))
        side = (c.x - axis) / np.maximum(half, 1e-3)
        inside = (np.abs(side) < 1) & (half > 0.004)
        round_ = 0.14 + 0.62 * step(side, -0.35, 0.95) + 0.25 * step(-side, 0.72, 1.0) - 0.12 * step(side, 0.85, 1.0)
        gleam = np.exp(-(((side + 0.42) / 0.16) ** 2) - (((down - shine) / 0.13) ** 2))
        shade = (round_ + 0.12 * down - 0.5 * gleam).clip(0.01, 0.92)
        shadow_x, shadow_y = axis + 0.16, bottom - 0.008
        shadow = np.exp(-(((c.x - shadow_x) / 0.17) ** 2) - (((c.y - shadow_y) / 0.030) ** 2))
        tone = np.maximum(tone, 0.75 * shadow * (c.y > bottom - 0.06))
        tone = np.where(inside, shade, tone)
        edge = np.abs(np.abs(side) - 1) * np.maximum(half, 1e-3)
        outline = np.where(inside, 1.0, outline)
        outline = np.minimum(outline, np.where((down > -0.01) & (down < 1.01), edge * 160, 9.0))
        turn = np.where(inside, 1.2 - 0.9 * side, turn)

    solid([0.070, 0.082, 0.075, 0.066, 0.075, 0.115, 0.150, 0.165, 0.160, 0.140, 0.108, 0.085], 0.38, 0.17, 0.78)
    pear = [0.02, 0.13, 0.17, 0.19, 0.215, 0.255, 0.305, 0.355, 0.39, 0.405, 0.40, 0.375, 0.325, 0.24, 0.10]
    solid([0.26 * half for half in pear], 0.645, 0.545, 0.805, 0.62)
    solid([0.24 * half for half in pear], 0.83, 0.62, 0.86, 0.62)
    mouth = np.sqrt(((c.x - 0.38) / 0.078) ** 2 + ((c.y - 0.178) / 0.017) ** 2)
    tone = np.where(mouth < 1, 0.88, tone)
    outline = np.minimum(outline, np.abs(mouth - 1) * 9)
    handle = np.abs(np.sqrt(((c.x - 0.25) / 0.085) ** 2 + ((c.y - 0.33) / 0.115) ** 2) - 1) * 0.09
    handle = np.where(c.x < 0.31, handle, 1.0)
    tone, outline = np.where(handle < 0.011, 0.5, tone), np.minimum(outline, np.abs(handle - 0.011) * 160)
    for x, y in ((0.645, 0.55), (0.83, 0.625)):
        stem = c.line([(x, y), (x + 0.014, y - 0.05)], 0.011)
        tone, outline = np.maximum(tone, 0.95 * stem), np.where(stem > 0.4, 0.2, outline)

    drawn = c.plain("#f6f3ec") * (1 + 0.012 * c.grain())
    graphite = rgb("#33343a")
    for start, lean, length, spacing in (
        (0.08, 0.0, 0.055, 0.0085),
        (0.30, 0.95, 0.05, 0.0085),
        (0.52, -0.5, 0.045, 0.0075),
        (0.70, 0.45, 0.035, 0.006),
    ):
        places = c.scatter(spacing, 1.3)
        depth = (c.at(tone, places)[:, 0] - start) / 0.35
        places, depth = places[depth > 0], depth[depth > 0]
        points = c.follow(places, -turn + lean, length * c.rng.uniform(0.5, 1.0, len(places)))
        points = points - (points[:, 3:] - points[:, :1]) / 2
        ends = np.abs(c.at(tone, points[:, 0]) - c.at(tone, points[:, 3]))[:, 0] < 0.28  # a stroke stops at an edge
        colors = np.concatenate([np.tile(graphite, (len(points), 1)), 0.55 * (0.35 + depth[:, None]).clip(0, 1)], 1)
        drawn = c.strokes(drawn, points[ends], 0.0026 * c.rng.uniform(0.7, 1.2, ends.sum()), colors[ends])
    contour = step(1.0 - outline, 0.0, 0.9) * (0.55 + 0.45 * c.noise(0.07))
    drawn = mix(drawn, graphite, 0.8 * blur(contour, 0.5))
    return drawn * (1 - 0.06 * blur(tone, 3)) + 0.02 * blur(c.grain(), 0.6)
