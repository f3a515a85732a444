"""Pictures cut, printed and layered."""

from __future__ import annotations

import numpy as np

from training.swatches.canvas import Canvas, Picture, blur, mix, path, ramp, rgb, smooth, step


def woodcut() -> Picture:
    """Black ink on cream paper, a red sun: a lighthouse in a storm, lines gouged along every shape."""
    c = Canvas(41, 288, 352)
    sun = 0.56, 0.27
    paper = rgb("#efe3c4") * (1 + 0.03 * (c.clouds(0.05) - 0.5))
    light = np.zeros_like(c.x)  # share of each line that is cut away
    wave = np.zeros_like(c.x)  # the lines themselves, in periods

    away = np.sqrt((c.x - sun[0]) ** 2 + (c.y - sun[1]) ** 2)
    theta = np.arctan2(c.y - sun[1], c.x - sun[0])
    wave = theta / (2 * np.pi) * 92 + 0.5 * c.noise(0.1)
    light = 0.95 - 0.85 * step(away, 0.13, 0.62)
    puff = 0.36 + 0.05 * np.sin(c.x * 17) + 0.03 * np.sin(c.x * 31 + 2) - 0.10 * c.x
    for drop, seed in ((0.0, 0.0), (0.085, 1.9), (0.165, 4.1)):
        edge = puff + drop + 0.025 * np.abs(np.sin(c.x * 15 + seed)) - 0.32
        below = c.y < edge
        wave = np.where(below, (edge - c.y) / 0.017 + 0.3 * c.noise(0.08), wave)
        light = np.where(below, 0.85 - (edge - c.y) * 5, light)
    for k, (top, height, length) in enumerate(
        ((0.64, 0.014, 30), (0.70, 0.022, 22), (0.775, 0.030, 16), (0.87, 0.042, 12))
    ):
        phase = c.x * length + 1.7 * k
        swell = top - height * (np.abs(np.sin(phase / 2)) ** 0.7) * 1.5
        depth = c.y - swell
        inside = depth > 0
        wave = np.where(inside, depth / 0.0165 + 0.2 * c.noise(0.06) + 0.6 * np.sin(phase), wave)
        light = np.where(inside, 0.92 - depth * (7 - k), light)
        light = np.where(inside & (depth < 0.006), 1.0, light)
    cut = np.abs(wave % 1 - 0.5) * 2  # 0 in the middle of the ink, 1 in the middle of the groove
    frayed = cut + 0.25 * (c.noise(0.012) - 0.5)
    ink = step(frayed - (1 - light.clip(0.04, 1)), 0.10, -0.10)

    cliff = c.shape(*path("0,100 0,70 9,66 17,61 30,60 37,67 42,76 50,83 57,100"))
    facets = np.abs((c.x * 30 - c.y * 22 + 3.0 * c.noise(0.07)) % 1 - 0.5) * 2
    rock = step(facets + 0.25 * (c.noise(0.015) - 0.5) - (0.62 + 0.5 * (c.y - 0.7)), 0.1, -0.1)
    ink = mix(ink, rock, cliff)
    tower = c.shape((0.195, 0.62), (0.21, 0.30), (0.265, 0.30), (0.28, 0.62))
    side = (c.x - 0.2375) / (0.0275 + 0.05 * (c.y - 0.3))
    banded = ((c.y - 0.30) / 0.107) % 1 < 0.5
    shade = step(np.abs((c.y * 75) % 1 - 0.5) * 2 - step(0.95 - np.abs(side - 0.9), 0, 0.9), -0.1, 0.1)
    ink = mix(ink, np.where(banded, 1.0, np.where(side > 0.1, 1 - shade, 0.0)), tower)
    outline = c.line([(0.195, 0.62), (0.21, 0.30)], 0.007) + c.line([(0.28, 0.62), (0.265, 0.30)], 0.007)
    gallery = c.shape((0.195, 0.285), (0.28, 0.285), (0.28, 0.303), (0.195, 0.303))
    room = c.shape((0.218, 0.225), (0.257, 0.225), (0.257, 0.285), (0.218, 0.285))
    roof = c.shape((0.205, 0.228), (0.2375, 0.175), (0.27, 0.228))
    bars = c.line([(0.218, 0.285), (0.218, 0.225)], 0.006) + c.line([(0.257, 0.285), (0.257, 0.225)], 0.006)
    bars = bars + c.line([(0.2375, 0.285), (0.2375, 0.225)], 0.004) + c.line([(0.2375, 0.19), (0.2375, 0.155)], 0.006)
    ink = mix(ink, 0.0, room)
    ink = np.maximum(ink, (outline + gallery + roof + bars).clip(0, 1))
    disc = step(0.112 - away, -0.002, 0.002)
    ink = ink * step(away, 0.118, 0.122)
    for bird_x, bird_y, size in ((0.40, 0.42, 0.030), (0.66, 0.47, 0.024), (0.48, 0.50, 0.019)):
        for sign in (-1, 1):
            wing = [
                (bird_x, bird_y),
                (bird_x + sign * 0.45 * size, bird_y - 0.5 * size),
                (bird_x + sign * size, bird_y - 0.1 * size),
            ]
            ink = np.maximum(ink, c.line(wing, 0.008))
    worn = step(c.noise(0.008) + 0.6 * c.noise(0.1), 0.16, 0.34)
    printed = mix(paper, "#c23b22", disc * (0.85 + 0.15 * worn))
    printed = mix(printed, "#17130f", ink * (0.86 + 0.14 * worn) * worn)
    frame = np.minimum(np.minimum(c.x, c.aspect - c.x), np.minimum(c.y, 1 - c.y)) + 0.006 * (c.noise(0.03) - 0.5)
    printed = mix(printed, "#17130f", step(frame, 0.030, 0.027) * step(frame, 0.016, 0.019))
    return mix(printed, paper, step(frame, 0.018, 0.015))


def ukiyo_e() -> Picture:
    """A colour print with outlines and flat graded colours: a breaking wave, a snowy mountain."""
    c = Canvas(51, 384, 272)
    fibre = 1 + 0.035 * (c.smear(c.rng.random((c.height, c.width, 1)), np.full_like(c.x, 0.1), 0.06) - 0.5)
    picture = ramp(c.y / 0.75, "#b9b08f", "#e0cfa3", "#eedfba", "#e8d3a6")
    clouds = step(c.clouds(0.5, 2) + 0.5 * step(c.y, 0.3, 0.0) - 0.25, 0.45, 0.50) * (c.y < 0.42)
    picture = mix(picture, "#cdbf9a", 0.5 * clouds)
    line = rgb("#182a4d")

    slope = 0.62 - 0.25 * np.exp(-np.abs(c.x - 1.06) / 0.14)
    mountain = step(c.y - slope, -0.002, 0.002)
    picture = mix(picture, ramp((c.y - 0.37) / 0.25, "#35558a", "#4f74a5", "#93a9b8"), mountain)
    snow = step(0.435 + 0.035 * np.abs(np.sin(c.x * 57)) + 0.02 * np.sin(c.x * 23) - c.y, -0.002, 0.002)
    picture = mix(picture, "#f4eedd", mountain * snow)
    picture = mix(picture, line, np.exp(-(((c.y - slope) / 0.004) ** 2)) * 0.9)

    def water(picture: Picture, top: Picture, bands: float, dark, light, bend: float) -> Picture:
        """Everything below `top`: stripes that follow its edge, foam along it, a dark outline."""
        depth = c.y - top
        flow = depth * bands + bend * np.sin(c.x * 8 + depth * 9)
        stripe = step(np.abs(flow % 1 - 0.5), 0.22, 0.26)
        body = mix(mix(dark, light, stripe * step(0.55 - depth, 0, 0.4)), dark, step(depth, 0.12, 0.5))
        inside = step(depth, -0.002, 0.002)
        foam = step(0.028 + 0.014 * np.sin(c.x * 95) + 0.010 * np.sin(c.x * 41 + 1) - depth, -0.002, 0.002)
        edge = np.exp(-((depth / 0.0035) ** 2)) + np.exp(
            -(((depth - 0.028 - 0.014 * np.sin(c.x * 95) - 0.010 * np.sin(c.x * 41 + 1)) / 0.003) ** 2)
        )
        picture = mix(picture, mix(body, "#f3ecd9", foam), inside)
        return mix(picture, line, edge.clip(0, 0.9))

    picture = water(picture, 0.615 - 0.03 * np.sin(c.x * 5.2 + 2.6), 16, "#5f86ad", "#a8bcc4", 0.25)
    picture = water(picture, 0.76 - 0.095 * np.sin(c.x * 4.4 + 1.2), 14, "#2f5688", "#7ea1bd", 0.3)

    # The breaker: a crest that curls over to the right, as a thick spiral arm.
    outer = path("-5,86 2,62 9,42 18,24 30,12.5 44,8.5 57,11.5 66,19 70,28")
    inner = path("66.5,30 60,24.5 52,23.5 45,28 41,37 42,48 50,60 64,71 80,78 98,84 145,95 145,105 -5,105")
    outer, inner = smooth(outer), smooth(inner[:11]) + inner[11:]
    body = c.shape(*outer, *inner)
    reach = np.sqrt((c.x - 0.56) ** 2 * 0.8 + (c.y - 0.46) ** 2)
    swirl = np.abs((reach * 19 + 0.12 * np.sin(np.arctan2(c.y - 0.46, c.x - 0.56) * 5)) % 1 - 0.5)
    stripes = step(swirl, 0.20, 0.24) * step(c.y, 1.0, 0.5)
    picture = mix(picture, mix(mix("#1f3f75", "#8fb2c9", stripes), "#172f5e", step(c.y, 0.72, 1.0)), body)
    picture = mix(picture, line, c.line([*outer, *inner[:-2]], 0.009))

    # Foam: fingers of ever smaller discs along the lip.
    crest = outer[26:] + inner[:18]
    discs = []
    for k, (x, y) in enumerate(crest):
        for _ in range(2):
            turn = c.rng.uniform(-0.3, 1.9)
            reach_ = c.rng.uniform(0.0, 0.055)
            discs.append((x + reach_ * np.cos(turn), y + reach_ * np.sin(turn), c.rng.uniform(0.010, 0.024)))
        if k % 3 == 0:  # a claw
            turn, px, py = c.rng.uniform(0.7, 1.7), x, y
            for size in (0.020, 0.016, 0.012, 0.009, 0.006):
                px, py, turn = px + 0.022 * np.cos(turn), py + 0.022 * np.sin(turn), turn + 0.33
                discs.append((px, py, size))
    for grow, color in ((0.0042, line), (0.0, rgb("#f6f0df"))):
        cover = np.zeros_like(c.x)
        for x, y, radius in discs:
            cover = np.maximum(cover, step(radius + grow - np.sqrt((c.x - x) ** 2 + (c.y - y) ** 2), -0.0018, 0.0018))
        picture = mix(picture, color, cover)
    for x, y, radius in discs[::3]:
        curl = np.sqrt((c.x - x - 0.004) ** 2 + (c.y - y - 0.003) ** 2)
        picture = mix(picture, "#7fa3bd", 0.9 * np.exp(-(((curl - 0.62 * radius) / 0.0022) ** 2)) * (c.x > x))
    for _ in range(70):
        x, y = 0.50 + 0.42 * c.rng.random(), 0.10 + 0.40 * c.rng.random() ** 1.4
        picture = mix(picture, "#f6f0df", c.ellipse(x, y, c.rng.uniform(0.0025, 0.006)))
    picture = water(picture, 0.93 + 0.05 * np.sin(c.x * 5.0 + 0.3), 18, "#23477c", "#6f94b5", 0.2)

    seal = c.shape((0.055, 0.055), (0.115, 0.055), (0.115, 0.20), (0.055, 0.20))
    marks = sum(c.line(stroke, 0.007) for stroke in (
        [(0.070, 0.078), (0.100, 0.078)], [(0.085, 0.070), (0.085, 0.110)], [(0.070, 0.098), (0.100, 0.098)],
        [(0.070, 0.128), (0.100, 0.128)], [(0.073, 0.128), (0.070, 0.160)], [(0.097, 0.128), (0.100, 0.160)],
        [(0.070, 0.180), (0.100, 0.180)], [(0.085, 0.145), (0.085, 0.180)]))  # fmt: skip
    picture = mix(picture, "#b5452f", seal * (1 - marks.clip(0, 1)))
    return picture * fibre


def _moved(picture: Picture, down: int, right: int) -> Picture:
    """By whole pixels; what comes in from outside is what lay at the rim."""
    padded = np.pad(picture, ((down, 0), (right, 0), (0, 0)), mode="edge")
    return padded[: picture.shape[0], : picture.shape[1]]


def pop_art() -> Picture:
    """Screen print: dots, flat loud colours and black contours; a parrot, twice the size of life."""
    c = Canvas(61, 320, 320)

    def halftone(amount: Picture, pitch: float, angle: float) -> Picture:
        """Dots on a turned lattice that cover `amount` of the paper."""
        u = (c.x * np.cos(angle) + c.y * np.sin(angle)) / pitch
        v = (c.y * np.cos(angle) - c.x * np.sin(angle)) / pitch
        distance = np.sqrt((u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2)
        return step(np.sqrt(amount.clip(0, 1) / np.pi) * 1.12 - distance, -0.07, 0.07)

    rays = np.arctan2(c.y - 0.52, c.x - 0.5) / (2 * np.pi) * 18 % 1 < 0.5
    picture = mix(
        np.where(rays, rgb("#ffd21f"), rgb("#fff3c2")),
        "#ff8a1e",
        halftone(step(np.sqrt((c.x - 0.5) ** 2 + (c.y - 0.52) ** 2), 0.2, 0.85) * 0.62, 0.030, 0.5),
    )
    black, outline = rgb("#15110f"), 0.014
    body = smooth(path("36,105 29,86 27,66 30,47 37,29 47,17 58,13.5 67,18 71.5,27 70,37 70,50 76,66 79,84 80,105"))
    wing = smooth(path("34,52 44,50 53,58 57,74 56,92 52,106 36,106 30,88 28,68 34,52"))
    beak = smooth(path("65.5,16.5 74,17.5 81.5,23.5 83.5,32 80.5,40.5 78,35 74.5,31.5 70,30 66,26 65.5,16.5"))
    jaw = smooth(path("70,31.5 74.5,33 77,37 75,40.5 71,40 69,36 70,31.5"))
    cheek = smooth(path("56,18.5 64.5,20 68,29 65,37.5 57,38.5 52,32 52,23.5 56,18.5"))

    def part(points, color, shade, amount: Picture, pitch: float = 0.022, angle: float = 0.26) -> None:
        nonlocal picture
        inside = c.shape(*points)
        picture = mix(picture, mix(color, shade, halftone(amount, pitch, angle)), inside)
        picture = mix(picture, black, c.line(points, outline))

    part(body, "#e8202c", "#8f0f2c", step(c.x + 0.25 * c.y, 0.66, 0.40) * 0.7 + 0.35 * step(c.y, 0.75, 1.0))
    part(wing, "#1fa7e0", "#143f9e", step(c.x, 0.56, 0.28) * 0.75)
    feathers = c.shape(*smooth(path("33.5,53.5 44,51.5 51.5,58.5 54,68 42,72 30,69 33.5,53.5")))
    picture = mix(picture, mix("#ffd21f", "#f08a12", halftone(step(c.y, 0.54, 0.72) * 0.6, 0.022, 0.26)), feathers)
    for row, y in enumerate((0.585, 0.66, 0.74, 0.83, 0.92)):
        for k in range(5):
            x = 0.335 + 0.052 * k - 0.024 * (row % 2)
            if c.at(c.shape(*wing), np.array([[x, y], [x + 0.05, y + 0.03]])).min() > 0.9:
                scallop = [(x, y), (x + 0.008, y + 0.03), (x + 0.026, y + 0.042), (x + 0.044, y + 0.03), (x + 0.052, y)]
                picture = mix(picture, black, c.line(smooth(scallop), 0.0085))
    part(cheek, "#fffaf0", "#f7a8b8", step(c.x, 0.62, 0.5) * 0.5, 0.018)
    for k in range(4):
        picture = mix(
            picture,
            black,
            c.line(
                smooth(
                    [
                        (0.54 + 0.004 * k, 0.305 + 0.019 * k),
                        (0.585, 0.312 + 0.019 * k),
                        (0.63 - 0.004 * k, 0.302 + 0.019 * k),
                    ]
                ),
                0.005,
            ),
        )
    part(beak, "#3a3436", "#77716f", step(c.y, 0.25, 0.17) * 0.8, 0.018)
    part(jaw, "#3a3436", "#77716f", 0 * c.x, 0.018)
    picture = mix(picture, black, c.ellipse(0.595, 0.255, 0.037))
    picture = mix(picture, "#ffe35c", c.ellipse(0.595, 0.255, 0.029))
    picture = mix(picture, black, c.ellipse(0.60, 0.257, 0.017))
    picture = mix(picture, "#ffffff", c.ellipse(0.607, 0.249, 0.0065))
    for leaf in (
        path("98,102 86,92 84,76 92,62 99,74 102,90"),
        path("2,102 -2,86 3,70 12,62 19,76 16,92 6,102"),
        path("2,2 3,16 12,27 25,28 24,15 15,5 2,2"),
    ):
        points = smooth([*leaf, leaf[0]])
        part(points, "#35b84a", "#0d6b45", step(c.y % 0.5, 0.12, 0.45) * 0.65)
        tip, root = points[len(points) // 2], leaf[0]
        picture = mix(picture, black, c.line([root, tip], 0.007))
    misprint = _moved(picture[..., :1], 0, 2)  # the red plate lies two pixels off
    picture = np.concatenate([np.minimum(misprint, picture[..., :1] + 0.25), picture[..., 1:]], axis=-1)
    return picture * (1 + 0.03 * (c.clouds(0.02) - 0.5))


def paper_cut() -> Picture:
    """Layers of coloured paper, each with its shadow on the next: a fox on a hill, fir trees, a low sun."""
    c = Canvas(71, 320, 320)
    tooth = blur(c.grain(), 0.9)
    picture = ramp(c.y / 0.7, "#fbe3c8", "#fbd3a6", "#f7b98a") * (1 + 0.02 * tooth)

    def lay(cover: Picture, color, lift: float = 1.0) -> None:
        """A sheet with the shadow it casts down to the right, and a light edge where it was cut."""
        nonlocal picture
        shadow = _moved(blur(cover, 3.2 * lift), round(4 * lift), round(3 * lift)) * (1 - cover)
        picture = picture * (1 - 0.42 * shadow)
        sheet = rgb(color) * (1 + 0.035 * blur(c.grain(), 0.9) + 0.05 * (c.clouds(0.3) - 0.5))
        rim = (cover - _moved(cover, 1, 1)).clip(0, 1)
        picture = mix(picture, sheet + 0.16 * rim, cover)

    def fir(x: float, y: float, size: float) -> Picture:
        tiers = [
            c.shape(
                (x, y - size * (1.0 - 0.22 * k)),
                (x + size * (0.16 + 0.075 * k), y - size * (0.62 - 0.21 * k)),
                (x - size * (0.16 + 0.075 * k), y - size * (0.62 - 0.21 * k)),
            )
            for k in range(3)
        ]
        trunk = c.shape(
            (x - 0.03 * size, y - 0.22 * size),
            (x + 0.03 * size, y - 0.22 * size),
            (x + 0.03 * size, y + 0.05),
            (x - 0.03 * size, y + 0.05),
        )
        return np.maximum.reduce([*tiers, trunk])

    lay(c.ellipse(0.66, 0.40, 0.225), "#fdeac2", 0.8)
    lay(c.ellipse(0.66, 0.40, 0.155), "#f98f52", 0.8)
    for x, y, size in ((0.24, 0.17, 0.075), (0.86, 0.14, 0.055)):
        parts = [
            c.ellipse(x + size * dx, y + size * dy, size * r)
            for dx, dy, r in ((-0.9, 0.2, 0.55), (0, -0.1, 0.8), (0.9, 0.15, 0.6), (0.45, 0.3, 0.6), (-0.4, 0.3, 0.6))
        ]
        lay(np.maximum.reduce(parts), "#fff6e6", 0.8)
    hills = [
        (0.50, 0.060, 5.1, 0.4, "#e8967a"),
        (0.585, 0.055, 6.3, 2.2, "#c8697a"),
        (0.665, 0.050, 5.5, 4.0, "#8c4f7d"),
        (0.765, 0.050, 4.7, 0.3, "#543a72"),
        (0.885, 0.050, 4.0, 2.5, "#2c2553"),
    ]
    firs = [
        [],
        [(0.10, 0.60, 0.11), (0.20, 0.61, 0.14), (0.92, 0.60, 0.12)],
        [(0.07, 0.69, 0.15), (0.83, 0.67, 0.18), (0.94, 0.67, 0.14)],
        [(0.90, 0.80, 0.25), (0.14, 0.80, 0.24)],
        [(0.03, 0.95, 0.36), (0.99, 0.95, 0.33)],
    ]
    for (top, height, length, phase, color), trees in zip(hills, firs, strict=True):
        ridge = top - height * np.sin(c.x * length + phase) - 0.012 * np.sin(c.x * length * 2.7)
        cover = step(c.y - ridge, -0.002, 0.002)
        for tree in trees:
            cover = np.maximum(cover, fir(*tree))
        lay(cover, color)
        if color == "#543a72":
            _fox(c, lay)
    for k in range(9):  # grass in front
        x = 0.16 + 0.075 * k + 0.02 * np.sin(5 * k)
        blade = smooth(
            [
                (x - 0.014, 1.02),
                (x - 0.002, 0.95),
                (x + 0.02 * np.sin(3 * k), 0.875 + 0.02 * np.cos(4 * k)),
                (x + 0.010, 0.95),
                (x + 0.016, 1.02),
            ]
        )
        lay(c.shape(*blade), "#1d1a3f", 0.5)
    return picture


def _fox(c: Canvas, lay) -> None:
    """Sitting, its tail laid around it."""
    lay(
        c.shape(*smooth(path("50.5,74.5 60,73.5 65.5,65.5 62.5,57.5 66.5,60 70.5,67.5 67.5,76.5 58.5,80 50.5,80"))),
        "#e2642f",
        0.6,
    )
    lay(c.shape(*smooth(path("62.5,57.5 66.5,60 68.5,64.2 65,64 62.5,57.5"))), "#fdf0dc", 0.3)
    lay(c.shape(*smooth(path("40,80 40.5,66 43.5,57.5 50.5,55.5 54.5,63 57.5,71 57.5,80"))), "#ee7a38", 0.6)
    lay(c.shape(*smooth(path("42.5,63.5 45.5,59.5 49,63.5 47.5,71 45,72.5 43,69"))), "#fdf0dc", 0.3)
    lay(c.shape(*path("37.5,50 37.5,39.5 43,45.5 48.5,45.5 54,39.5 54,50 45.75,61.5")), "#ee7a38", 0.6)
    lay(c.shape(*path("37.5,50 43,53 45.75,58.5 48.5,53 54,50 45.75,61.5")), "#fdf0dc", 0.3)
    for side in (-1, 1):
        lay(c.ellipse(0.4575 + side * 0.038, 0.508, 0.0085), "#2c2553", 0.2)
        lay(
            c.shape((0.4575 + side * 0.07, 0.425), (0.4575 + side * 0.068, 0.468), (0.4575 + side * 0.04, 0.459)),
            "#2c2553",
            0.2,
        )
    lay(c.ellipse(0.4575, 0.60, 0.014, 0.011), "#2c2553", 0.3)
