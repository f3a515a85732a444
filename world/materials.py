"""Materials: patterns without a subject (stripes, wood grain, scales, brush strokes, …) in random colours.

A material is told by its texture alone: scale, direction, bend and palette are drawn anew for every picture. Lengths
are in units of 1/64 of the picture's height (see `styles.Chance`); the same generator gives the same pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from world.styles import Chance, blur, cells, hue_colour, mix, smear, step, stretch

Colors = list[Tensor]
"""Four of (B, 3, 1, 1): the first two are light and dark or dark and light, the others anything."""


def render_materials(index: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """(B,) places in MATERIALS → (B, 3, size, size) in [0, 1]. The generator lives on the CPU."""
    pictures = torch.empty(len(index), 3, size, size)
    for number in index.unique().tolist():
        chosen = (index == number).nonzero()[:, 0]
        chance = Chance(pictures[chosen], generator)
        painted = RENDERERS[number](chance, palette(chance))
        pictures[chosen] = _lit(painted, chance).clamp(0, 1)
    return pictures


def palette(chance: Chance) -> Colors:
    """Four colours of any hue, from grey to vivid."""

    def color(low: float, high: float) -> Tensor:
        value, vividness = chance.uniform(low, high), chance.uniform(0, 1).sqrt()
        return value * mix(torch.ones(1), hue_colour(chance.uniform(0, 1)), vividness)

    dark, light = color(0.05, 0.5), color(0.65, 1)
    swapped = chance.uniform(0, 1) < 0.5
    ground, figure = torch.where(swapped, dark, light), torch.where(swapped, light, dark)
    return [ground, figure, color(0.1, 1), color(0.1, 1)]


def _lit(pictures: Tensor, chance: Chance) -> Tensor:
    """Light that falls unevenly, on a surface that is more or less rough."""
    light = 1 + (chance.clouds(24) - 0.5) * chance.uniform(0, 0.5)
    rough = (chance.grain() - 0.5) * chance.uniform(0, 0.12)
    return pictures * light + rough


# ------------------------------------------------------------------------------------------------------- coordinates


def plane(chance: Chance, shortest: float, longest: float, bend: float = 0.5) -> tuple[Tensor, Tensor]:
    """Two coordinates at a right angle, turned and bent, (B, 1, H, W): one period is so many units long."""
    along, across = chance.axes(chance.uniform(0, 2 * math.pi))
    scale = 32 / chance.uniform(shortest, longest)
    push = (chance.clouds(20, 2) - 0.5) * chance.uniform(0, 2 * bend)
    return along * scale + chance.uniform(0, 9) + push[:, :1], across * scale + chance.uniform(0, 9) + push[:, 1:]


def per_cell(chance: Chance, u: Tensor, v: Tensor) -> Tensor:
    """(B, 1, H, W) in [0, 1]: one value for all pixels with the same whole parts."""
    values = chance.uniform(0, 1, 64 * 64)
    cell = v.floor().long() % 64 * 64 + u.floor().long() % 64
    return values.gather(1, cell.flatten(1)).view_as(u)


def lattice(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of a lattice whose odd rows are shifted by one half: place in the cell, in [-½, ½] each, and shifted u."""
    u = u + v.floor() % 2 / 2
    return u % 1 - 0.5, v % 1 - 0.5, u


def turned(x: Tensor, y: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    return x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()


def by_lot(lot: Tensor, colors: Colors) -> Tensor:
    """Each pixel the colour its lot in [0, 1] falls on."""
    chosen = (lot * len(colors)).floor()
    return sum(color * (chosen == k) for k, color in enumerate(colors))


def band(wave: Tensor, share: Tensor, soft: float = 0.06) -> Tensor:
    """1 on `share` of every period of `wave`, 0 on the rest."""
    return step(share / 2 - (wave % 1 - 0.5).abs(), -soft, soft)


# --------------------------------------------------------------------------------------------------- woven and built


def stripes(chance: Chance, colors: Colors) -> Tensor:
    u, _ = plane(chance, 4, 14, bend=0.2)
    striped = mix(colors[0], colors[1], band(u, chance.uniform(0.3, 0.7)))
    return mix(striped, colors[2], band(u + 0.5, chance.uniform(0, 0.25)))


def checks(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 4, 10, bend=0.2)
    return mix(colors[0], colors[1], (u.floor() + v.floor()) % 2)


def plaid(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 14, 26, bend=0.1)
    cloth = colors[0].expand(-1, -1, chance.height, chance.width)
    for color in colors[1:]:
        shift, share = chance.uniform(0, 1), chance.uniform(0.08, 0.4)
        for axis in (u, v):
            cloth = mix(cloth, color, 0.5 * band(axis + shift, share, 0.02))
    return cloth


def weave(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 4, 10, bend=0.2)
    upright = (u.floor() + v.floor()) % 2
    width, length = mix(v, u, upright) % 1 - 0.5, mix(u, v, upright) % 1 - 0.5
    strand = mix(colors[0], colors[1], upright * chance.uniform(0, 0.7))
    return strand * (1 - 2.2 * width.square()) * (1 - 1.6 * length.square()) * step(0.5 - width.abs(), 0.0, 0.12)


def bricks(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 5, 10, bend=0.1)
    x, y, u = lattice(u / 2, v)
    wall = mix(colors[1], colors[2], 0.6 * per_cell(chance, u, v))
    return mix(wall, colors[0], torch.maximum(step(x.abs(), 0.43, 0.47), step(y.abs(), 0.38, 0.44)))


def honeycomb(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 7, 14, bend=0.2)
    rows = v / math.sqrt(3) * 2
    best = torch.full_like(u, 9.0)
    for shift in (0.0, 0.5):  # two interleaved rectangular lattices
        x, y = (u + shift) % 1 - 0.5, ((rows / 2 + shift) % 1 - 0.5) * math.sqrt(3)
        best = torch.minimum(best, torch.maximum(x.abs(), x.abs() / 2 + y.abs() * (math.sqrt(3) / 2)))
    comb = mix(colors[0], colors[2], step(0.3 - best, 0.0, 0.3) * chance.uniform(0, 1))
    return mix(comb, colors[1], step(best, 0.36, 0.44))


def facets(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 8, 18, bend=0.3)
    upper = ((u % 1) + (v % 1) > 1).float()
    tone = per_cell(chance, u, v + 40 * upper)
    return by_lot(tone, colors) * (0.75 + 0.5 * per_cell(chance, u + 20, v + 40 * upper))


# --------------------------------------------------------------------------------------------------- grown and flowing


def wood(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 4, 9, bend=1.5)
    knots = chance.clouds(14) * chance.uniform(1, 4)
    rings = ((u * 0.12).square() + (v + knots).square()).sqrt()
    grain = torch.where(chance.uniform(0, 1) < 0.5, rings, v + knots) % 1
    fibre = chance.strokes(14, torch.zeros(chance.count, 1, 1, 1)) - 0.5
    return mix(colors[0], colors[1], (grain.square() + 0.4 * fibre).clamp(0, 1))


def marble(chance: Chance, colors: Colors) -> Tensor:
    u, _ = plane(chance, 14, 30, bend=0.5)
    turbulence = sum((chance.clouds(24 / 2**k) - 0.5).abs() / 2**k for k in range(4))
    vein = 1 - torch.sin((u + turbulence * chance.uniform(2, 4)) * math.pi).abs().sqrt()
    stone = mix(colors[0], colors[2], 0.4 * chance.clouds(10))
    return mix(stone, colors[1], step(vein, 0.0, 0.9))


def waves(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 6, 12, bend=0.3)
    swell = v + chance.uniform(0.25, 0.5) * torch.sin(u * math.pi * chance.uniform(0.8, 1.2))
    sea = mix(colors[0], colors[1], band(swell, chance.uniform(0.35, 0.65)))
    return mix(sea, colors[2], band(swell + 0.35, chance.uniform(0.05, 0.2)))


def zigzag(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 6, 12, bend=0.15)
    tooth = (u % 1 - 0.5).abs() * chance.uniform(1.2, 2.2)
    return mix(mix(colors[0], colors[1], band(v + tooth, chance.uniform(0.3, 0.6))), colors[2], band(v + tooth + 0.5,
               chance.uniform(0, 0.3)))  # fmt: skip


def contours(chance: Chance, colors: Colors) -> Tensor:
    height = blur(chance.clouds(14), chance.unit) + 0.4 * blur(chance.clouds(7), chance.unit)
    level = height * chance.uniform(7, 16)
    return mix(mix(colors[0], colors[2], height * 0.7), colors[1], band(level, chance.uniform(0.15, 0.4), 0.1))


def brushwork(chance: Chance, colors: Colors) -> Tensor:
    """Long strokes that follow a swirling field, thick enough to cast a shadow."""
    field = blur(chance.clouds(22), 2 * chance.unit) * chance.uniform(2, 8) + chance.uniform(0, 6)
    loads = chance.clouds(1.6, 2)
    for _ in range(3):
        loads = smear(loads, field, 3 * chance.unit)
    tone, ridge = stretch(loads[:, :1]), stretch(loads[:, 1:])
    paint = mix(mix(colors[0], colors[1], step(tone, 0.2, 0.55)), colors[2], step(tone, 0.55, 0.9))
    return paint * (0.75 + 0.5 * ridge)


def clouds(chance: Chance, colors: Colors) -> Tensor:
    soft = sum(chance.clouds(28 / 2**k) / 2**k for k in range(4)) / 1.875
    return mix(mix(colors[0], colors[1], step(soft, 0.25, 0.75)), colors[2], step(chance.clouds(20), 0.6, 1.0))


def gradient(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 70, 120, bend=0.3)
    return mix(mix(colors[0], colors[1], 0.5 + 0.5 * torch.sin(u * 4)), colors[2], 0.3 + 0.3 * torch.sin(v * 4))


# --------------------------------------------------------------------------------------------------- strewn and laid


def dots(chance: Chance, colors: Colors) -> Tensor:
    x, y, _ = lattice(*plane(chance, 5, 13, bend=0.2))
    return mix(colors[0], colors[1], step(chance.uniform(0.2, 0.38) - (x.square() + y.square()).sqrt(), -0.04, 0.04))


def rings(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 14, 26, bend=0.2)
    radius = ((u % 1 - 0.5).square() + (v % 1 - 0.5).square()).sqrt()
    lot = (per_cell(chance, u, v) + (radius * chance.uniform(6, 10)).floor() * 0.37) % 1
    return by_lot(lot, colors)


def stars(chance: Chance, colors: Colors) -> Tensor:
    u, v = plane(chance, 9, 18, bend=0.1)
    x, y, u = lattice(u, v)
    spin = per_cell(chance, u, v) * 2 * math.pi
    half = math.pi / 5
    tip, notch = 0.47, chance.uniform(0.15, 0.26)
    angle = ((torch.atan2(y, x) + spin) % (2 * half) - half).abs()  # from the nearest tip: 0 to `half`
    side = notch * math.sin(half)
    edge = tip * side / (side * angle.cos() + (tip - notch * math.cos(half)) * angle.sin())  # a straight line in polar
    return mix(colors[0], colors[1], step(edge - (x.square() + y.square()).sqrt(), -0.03, 0.03))


def leaves(chance: Chance, colors: Colors) -> Tensor:
    painted = mix(colors[0], colors[3], 0.3 * chance.clouds(10))
    for shift in (0.0, 0.5):
        u, v = plane(chance, 9, 15, bend=0.1)
        x, y, u = lattice(u + shift, v)
        lot = per_cell(chance, u, v)
        x, y = turned(x, y, lot * 2 * math.pi)
        half = 0.24 * (1 - (x / 0.5).square())
        leaf = step(half - y.abs(), -0.02, 0.04) * (x.abs() < 0.5)
        vein = step(0.05 - y.abs(), 0.0, 0.03) * 0.5
        painted = mix(painted, mix(colors[1], colors[2], lot % 0.5) * (1 - vein), leaf)
    return painted


def scales(chance: Chance, colors: Colors) -> Tensor:
    """Overlapping discs, each row laid over the one before."""
    u, v = plane(chance, 6, 14, bend=0.25)
    painted = colors[0].expand(-1, -1, chance.height, chance.width)
    for back in (2, 1, 0):
        row = v.floor() * 1.0 - back + 1
        x = (u + row % 2 / 2) % 1 - 0.5
        radius = (x.square() + (v - row).square() * 0.55).sqrt() / 0.62
        tone = mix(colors[2], colors[0], radius.clamp(0, 1)) * (1 - 0.3 * radius.square())
        painted = torch.where(radius < 1, mix(tone, colors[1], step(radius, 0.82, 0.92)), painted)
    return painted


def mosaic(chance: Chance, colors: Colors) -> Tensor:
    point, _, farther = cells(chance, 9)
    stone = by_lot(chance.each(point), colors) * (0.8 + 0.4 * chance.each(point))
    return mix(torch.full_like(colors[0], 0.1), stone, step(farther, 0.05, 0.13))


def pointillism(chance: Chance, colors: Colors) -> Tensor:
    ground = mix(colors[0], colors[2], chance.clouds(16))
    painted = ground
    for across in (18, 15, 13):
        point, distance, _ = cells(chance, across)
        color = by_lot((chance.each(point) + 0.35 * chance.clouds(18)) % 1, colors)
        painted = mix(painted, color, step(0.42 - distance, -0.06, 0.06))
    return painted


def splashes(chance: Chance, colors: Colors) -> Tensor:
    painted = colors[0].expand(-1, -1, chance.height, chance.width)
    for across, color in ((3, colors[1]), (4, colors[2]), (12, colors[1]), (13, colors[3])):
        point, distance, _ = cells(chance, across)
        ragged = distance + 0.3 * (chance.clouds(5) - 0.5) * (1 if across < 5 else 0.2)
        size = chance.each(point) * 0.55 - (0.05 if across < 5 else 0.2)
        painted = mix(painted, color, step(size - ragged, -0.02, 0.04))
    return painted


def hatching(chance: Chance, colors: Colors) -> Tensor:
    """Pen lines in one or two directions, closer where it is darker."""
    tone = stretch(chance.clouds(16))
    angle = chance.uniform(0, math.pi)
    crossed = chance.uniform(0, 1) < 0.6
    ink = torch.zeros_like(tone)
    for turn, start in ((0.0, 0.15), (math.pi / 2.4, 0.45)):
        lines = chance.hatching(3.2, angle + turn, 0.6)
        ink = torch.maximum(ink, step(lines - 0.95 + 0.6 * (tone - start), 0.0, 0.2) * (crossed | (turn == 0.0)))
    return mix(colors[0], colors[1], ink)


RENDERERS: list[Callable[[Chance, Colors], Tensor]] = [
    stripes, checks, plaid, weave, bricks, honeycomb, facets, wood, marble, waves, zigzag, contours, brushwork, clouds,
    gradient, dots, rings, stars, leaves, scales, mosaic, pointillism, splashes, hatching,
]  # fmt: skip
MATERIALS = tuple(render.__name__ for render in RENDERERS)
