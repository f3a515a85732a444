"""Ways to paint a picture, by name: quick filters that turn any picture into a sketch, a mosaic, a neon sign, …

Each style is one function of a batch of pictures. Lengths are in units of 1/64 of the picture's height, so that a
style looks the same at every size. Every random number comes from the generator, on the CPU, and moves to the device of
the pictures: the same seed gives the same pictures everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


class Chance:
    """Random numbers for a batch of pictures shaped like `pictures`; every method gives one thing per picture."""

    def __init__(self, pictures: Tensor, generator: torch.Generator):
        self.count, _, self.height, self.width = pictures.shape
        self.device, self.generator = pictures.device, generator
        self.unit = self.height / 64

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """(B, *shape), (B, 1, 1, 1) when no shape is given."""
        drawn = torch.rand(self.count, *(shape or (1, 1, 1)), generator=self.generator) * (high - low) + low
        return drawn.to(self.device)

    def pick(self, colours: list[tuple[float, float, float]]) -> Tensor:
        """(B, 3, 1, 1): one of `colours` each."""
        chosen = torch.randint(len(colours), (self.count,), generator=self.generator)
        return torch.tensor(colours)[chosen].view(-1, 3, 1, 1).to(self.device)

    def grain(self) -> Tensor:
        """(B, 1, H, W) in [0, 1]: another value in every unit."""
        return self.clouds(1)

    def each(self, centre: Tensor, channels: int = 1) -> Tensor:
        """(B, channels, H, W) in [0, 1]: one value for all pixels with the same `centre`, (B, H, W, 2)."""
        return F.grid_sample(self.uniform(0, 1, channels, 48, 48), centre, mode="nearest", align_corners=False)

    def clouds(self, length: float, channels: int = 1) -> Tensor:
        """(B, channels, H, W) in [0, 1]: smooth noise whose blobs are `length` units wide."""
        rows, columns = (max(2, round(side / (self.unit * length))) for side in (self.height, self.width))
        coarse = self.uniform(0, 1, channels, rows, columns)
        return F.interpolate(coarse, (self.height, self.width), mode="bicubic", align_corners=False).clamp(0, 1)

    def strokes(self, length: float, angle: Tensor) -> Tensor:
        """(B, 1, H, W) about ½ ± ½: streaks `length` units long along `angle`, (B, 1, 1, 1) in radians."""
        coarse = self.uniform(0, 1, 1, 96, round(96 / length))
        along, across = self.axes(angle)
        return F.grid_sample(coarse, torch.cat([along, across], 1).permute(0, 2, 3, 1) / 1.5, align_corners=False)

    def axes(self, angle: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
        """Every pixel's middle along and across `angle`, (B, 1, H, W) each; the picture is [-1, 1] high."""
        places = self.grid()[0]
        x, y = places[None, None, :1, :, 0] * (self.width / self.height), places[None, None, :, :1, 1]
        angle = torch.as_tensor(angle, device=self.device, dtype=torch.float32).expand(self.count, 1, 1, 1)
        return x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()

    def grid(self) -> Tensor:
        """(1, H, W, 2): every pixel's own place, as `sample` wants it."""
        return _grid(self.height, self.width, self.device)

    def hatching(self, period: float, angle: Tensor, wobble: float = 1.0) -> Tensor:
        """(B, 1, H, W) in [0, 1]: parallel lines, `period` units apart, bent by `wobble` units; 1 along the lines."""
        along, across = self.axes(angle)
        bent = across * 32 + (self.clouds(16) - 0.5) * 2 * wobble
        return 0.5 + 0.5 * torch.cos(bent * (2 * math.pi / period))


# ----------------------------------------------------------------------------------------------- drawn, in one tone


def pencil(pictures: Tensor, chance: Chance) -> Tensor:
    """Thin graphite outlines; shadows hatched to one side; white paper."""
    light = stretch(luminance(pictures))
    hatch = chance.hatching(2.6, chance.uniform(0.5, 1.1))
    shade = step(1 - light - 0.75 * (1 - hatch), 0.0, 0.5) * 0.5
    outline = step(edges(pictures), 0.12, 0.4) * (0.65 + 0.35 * chance.clouds(4))
    graphite = torch.maximum(outline * 0.9, shade * (0.7 + 0.6 * (chance.grain() - 0.5)))
    return (0.98 - 0.85 * graphite).expand_as(pictures)


def charcoal(pictures: Tensor, chance: Chance) -> Tensor:
    """Broad smudged blacks that catch on rough grey paper."""
    light = stretch(blur(luminance(pictures), 1.0 * chance.unit))
    angle = chance.uniform(0.6, 1.0)
    outline = step(blur(edges(pictures), 1.0 * chance.unit), 0.08, 0.3)
    coal = (0.75 * step(1 - light, 0.15, 0.9) + 0.75 * outline).clamp(0, 1)
    tooth = 0.5 * chance.strokes(8, angle) + 0.5 * chance.grain()
    coal = coal * (0.35 + 0.65 * step(coal * 1.1 + tooth, 0.7, 1.2))
    paper = chance.pick([(0.84, 0.82, 0.78), (0.78, 0.76, 0.73), (0.88, 0.85, 0.79)]) + 0.06 * (chance.grain() - 0.5)
    return mix(paper, torch.full_like(paper, 0.07), coal)


def ink(pictures: Tensor, chance: Chance) -> Tensor:
    """Pure black on white: bold outlines, solid darks, crossed hatching in between."""
    light = stretch(luminance(pictures))
    angle = chance.uniform(0.6, 0.95)
    first = step(chance.hatching(4, angle, 0.5), 0.62, 0.8) * (light < 0.62)
    second = step(chance.hatching(4, angle + math.pi / 2, 0.5), 0.62, 0.8) * (light < 0.42)
    black = step(0.2 - light, -0.03, 0.03)
    outline = step(edges(pictures), 0.16, 0.26)
    return (1 - torch.stack([first, second, black, outline]).amax(0)).expand_as(pictures)


def ink_wash(pictures: Tensor, chance: Chance) -> Tensor:
    """Grey washes that run on rice paper, a few wet brush lines, and the painter's red seal."""
    flowing = warp(pictures, chance, 1.5, 9)
    light = stretch(blur(luminance(flowing), 1.4 * chance.unit))
    washes = (torch.floor((1 - light) * 3.99 + 0.5 * (chance.clouds(10) - 0.5)) / 3).clamp(0, 1)
    washes = blur(washes, 0.7 * chance.unit) + 0.35 * edges(washes)
    brush = step(blur(edges(flowing), 0.9 * chance.unit), 0.1, 0.4) * step(chance.clouds(9), 0.15, 0.6)
    wet = (0.55 * washes * (0.6 + 0.6 * chance.clouds(6)) + 0.75 * brush).clamp(0, 0.95)
    paper = torch.tensor([0.95, 0.92, 0.85], device=pictures.device).view(1, 3, 1, 1) + 0.04 * (chance.grain() - 0.5)
    painted = mix(paper, chance.pick([(0.08, 0.08, 0.1), (0.1, 0.12, 0.17)]), wet)
    x, y = chance.axes()
    middle = chance.uniform(-0.02, 0.02) + 0.8
    seal = ((x - middle).abs() < 0.1) & ((y - middle).abs() < 0.1)
    carved = step(chance.clouds(2), 0.5, 0.6) * 0.5
    return torch.where(seal, torch.tensor([0.75, 0.12, 0.1], device=paper.device).view(1, 3, 1, 1) + carved, painted)


def woodcut(pictures: Tensor, chance: Chance) -> Tensor:
    """Black print on cream paper; the gouge leaves curved white lines, broader where it is light."""
    light = stretch(luminance(pictures))
    x, y = chance.axes()
    centre_x, centre_y = chance.uniform(-1.5, 1.5), chance.uniform(-2.2, -1.2)
    rings = ((x - centre_x).square() + (y - centre_y).square()).sqrt() * 32 + 1.5 * chance.clouds(12)
    gouge = 0.5 + 0.5 * torch.cos(rings * (2 * math.pi / 4.2))
    print_ = torch.maximum(step(gouge * 0.8 + 0.16 - light, -0.06, 0.06), step(edges(pictures), 0.18, 0.3))
    chips = step(chance.clouds(1.5), 0.04, 0.12)
    paper = chance.pick([(0.94, 0.89, 0.76), (0.92, 0.86, 0.7), (0.95, 0.91, 0.82)])
    return mix(paper, torch.tensor([0.11, 0.08, 0.07], device=paper.device).view(1, 3, 1, 1), print_ * chips)


def blueprint(pictures: Tensor, chance: Chance) -> Tensor:
    """White lines on blue paper with a faint grid."""
    paper = chance.pick([(0.08, 0.24, 0.55), (0.1, 0.3, 0.62), (0.06, 0.2, 0.46)])
    x, y = chance.axes()
    shift = chance.uniform(0, 1)
    grid = torch.maximum(*(step(torch.cos((axis * 4 + shift) * 2 * math.pi), 0.8, 1.0) for axis in (x, y)))
    outline = step(edges(pictures), 0.12, 0.3)
    tone = 0.16 * stretch(luminance(pictures))
    return mix(paper, torch.full_like(paper, 0.96), torch.maximum(outline * 0.95, tone + 0.2 * grid))


def silhouette(pictures: Tensor, chance: Chance) -> Tensor:
    """One dark shape before a plain or glowing sky."""
    shape = step(blur(figure(pictures), 0.6 * chance.unit), 0.4, 0.6)
    _, y = chance.axes()
    top = chance.pick([(1, 1, 1), (0.98, 0.75, 0.4), (0.6, 0.8, 0.95), (0.95, 0.6, 0.5), (0.93, 0.93, 0.85)])
    bottom = chance.pick([(1, 1, 1), (1, 0.9, 0.65), (0.9, 0.95, 1), (1, 0.85, 0.7)])
    return mix(mix(top, bottom, y / 2 + 0.5), chance.uniform(0, 0.1), shape)


def sepia(pictures: Tensor, chance: Chance) -> Tensor:
    """An old photograph: brown, soft, dark towards the corners, scratched."""
    light = stretch(blur(luminance(pictures), 0.6 * chance.unit)) * 0.75 + 0.15
    x, y = chance.axes()
    light = light * (1.1 - 0.35 * (x.square() + y.square())) + 0.1 * (chance.grain() - 0.5)
    scratch = step(chance.strokes(30, torch.full_like(chance.uniform(0, 1), math.pi / 2)), 0.95, 1.0)
    brown = torch.tensor([1.1, 0.9, 0.66], device=pictures.device).view(1, 3, 1, 1)
    return (light + 0.3 * scratch) * brown


# ------------------------------------------------------------------------------------------------ drawn, in colours


def chalk(pictures: Tensor, chance: Chance) -> Tensor:
    """Dusty bright lines and light rubbing on a dark board."""
    board = chance.pick([(0.13, 0.22, 0.18), (0.14, 0.15, 0.16), (0.1, 0.2, 0.22)]) + 0.08 * (chance.clouds(12) - 0.5)
    dust = 0.6 * chance.strokes(6, chance.uniform(0.5, 1.0)) + 0.4 * chance.grain()
    colour = saturate(pictures, 1.3) * 0.5 + 0.48
    outline = step(edges(pictures), 0.08, 0.25) * step(dust, 0.05, 0.35)
    rubbed = 0.7 * step(figure(pictures) * 0.7 + dust, 0.95, 1.35)
    return mix(board, mix(colour, torch.full_like(board, 0.97), 0.6 * outline), torch.maximum(outline, rubbed))


def crayon(pictures: Tensor, chance: Chance) -> Tensor:
    """A child's wax crayons: wobbly, strongly coloured scribbles that leave much of the white paper."""
    wobbly = saturate(warp(pictures, chance, 2.4, 10), 1.7)
    scribble = 0.75 * chance.strokes(9, chance.uniform(-1.2, 1.2)) + 0.25 * chance.grain()
    depth = 1 - wobbly.amin(1, keepdim=True)
    pressure = step(scribble + 0.12 * depth, 0.4, 0.62) * step(depth, 0.02, 0.3)
    outline = step(edges(wobbly), 0.12, 0.28) * step(scribble, 0.12, 0.4)
    filled = mix(torch.full_like(wobbly, 0.98), wobbly * 0.9 + 0.05, pressure)
    return mix(filled, wobbly * 0.4, outline * 0.9)


def pastel(pictures: Tensor, chance: Chance) -> Tensor:
    """Soft powdery colours, light and low in contrast, on tinted paper that shows between the strokes."""
    paper = chance.pick([(0.87, 0.8, 0.72), (0.8, 0.8, 0.82), (0.84, 0.82, 0.74), (0.86, 0.77, 0.76)])
    soft = blur(saturate(pictures, 1.1), 0.8 * chance.unit) * 0.5 + 0.45
    powder = blur(0.6 * chance.strokes(7, chance.uniform(0.4, 1.2)) + 0.4 * chance.grain(), 0.5 * chance.unit)
    cover = 0.3 + 0.7 * step(powder, 0.3, 0.6)
    return mix(paper, soft + 0.08 * (powder - 0.5), cover)


def comic(pictures: Tensor, chance: Chance) -> Tensor:
    """Flat bright colours, dots of print where it is neither light nor dark, black outlines."""
    smooth = kuwahara(pictures, round(2 * chance.unit))
    light = stretch(luminance(smooth))
    flat = posterize(saturate(smooth, 1.7), 4)
    along, across = chance.axes(chance.uniform(0.4, 0.8))
    turns = 16 * math.pi
    dots = 0.5 + 0.25 * (torch.cos(along * turns) + torch.cos(across * turns))
    shaded = mix(flat * 0.5 + 0.5, flat * 0.85, step(dots - light, -0.12, 0.12))
    outline = step(blur(edges(pictures), 0.5 * chance.unit), 0.14, 0.26)
    return shaded * (1 - outline)


def graffiti(pictures: Tensor, chance: Chance) -> Tensor:
    """Spray paint on a brick wall: loud colours, a thick black line, a white haze, drips."""
    wall = bricks(chance)
    shape = blur(figure(pictures), 0.8 * chance.unit)
    spray = chance.grain()
    below = F.max_pool2d(shape, (round(14 * chance.unit), 1), stride=1, padding=(round(7 * chance.unit), 0))
    below = below[:, :, : chance.height]
    x, _ = chance.axes()
    drip = step(torch.cos(x * 32 * 2 * math.pi / 7 + chance.uniform(0, 6)), 0.8, 0.95) * step(
        chance.clouds(20), 0.4, 0.5
    )
    haze = step(blur(shape, 3 * chance.unit) + 0.25 * (spray - 0.5), 0.1, 0.5)
    wall = mix(wall, torch.ones_like(wall), 0.75 * haze)
    colour = saturate(stretch(pictures), 2.0)
    colour = colour + 0.25 * (spray - 0.6) * (spray > 0.6)
    line = step(blur(edges(shape) + 0.6 * edges(pictures), 0.8 * chance.unit), 0.15, 0.3)
    paint = step(shape + 0.3 * (spray - 0.5), 0.35, 0.6)
    painted = mix(mix(wall, colour, paint), torch.full_like(wall, 0.03), line)
    drips = step(below * drip, 0.3, 0.7) * (1 - paint)
    return mix(painted, torch.full_like(wall, 0.05), drips * 0.8)


def neon(pictures: Tensor, chance: Chance) -> Tensor:
    """Glowing tubes along the outlines, in the dark."""
    tint = chance.pick([(1, 0.15, 0.7), (0.1, 0.9, 1), (0.6, 0.3, 1), (0.2, 1, 0.5), (1, 0.5, 0.1)])
    chroma = pictures.amax(1, keepdim=True) - pictures.amin(1, keepdim=True)
    vivid = (pictures - pictures.amin(1, keepdim=True)) / chroma.clamp_min(1e-3)
    colour = mix(tint, vivid, step(chroma, 0.15, 0.4))
    tube = step(edges(pictures), 0.1, 0.28)
    lit = tube * colour
    far = blur(F.avg_pool2d(lit, 4), chance.unit)
    glow = 0.9 * blur(lit, 1.5 * chance.unit) + 1.3 * F.interpolate(far, lit.shape[-2:], mode="bilinear")
    night = chance.pick([(0.03, 0.01, 0.06), (0.01, 0.02, 0.06), (0.02, 0.02, 0.02)])
    return night + glow + 0.7 * lit + 0.3 * tube.square()


# ---------------------------------------------------------------------------------------------------------- painted


def watercolor(pictures: Tensor, chance: Chance) -> Tensor:
    """Thin washes with dark rims and blooms, running out before the edge of white, grainy paper."""
    flowing = kuwahara(warp(pictures, chance, 1.8, 10), round(2 * chance.unit))
    pigment = (1 - saturate(flowing, 1.15)).clamp(0, 1) * 0.72
    rims = edges(blur(flowing, 0.8 * chance.unit))
    x, y = chance.axes()
    border = step(0.95 - torch.maximum(x.abs(), y.abs()) + 0.3 * (chance.clouds(8) - 0.5), 0.0, 0.1)
    border = border * (1 + 0.6 * edges(border))
    blooms = 0.35 + 1.0 * chance.clouds(11) + 0.25 * (chance.grain() - 0.5)
    return 0.99 - pigment * (blooms + 0.8 * rims) * border


def oil(pictures: Tensor, chance: Chance) -> Tensor:
    """Thick, rich strokes that follow the forms and shine on their ridges."""
    base = saturate(kuwahara(pictures, round(2 * chance.unit)), 1.35)
    painted = smear(torch.cat([base, chance.clouds(2.0)], 1), grain_of(base, chance), 3.5 * chance.unit)
    ridges = (painted[:, 3:] - 0.5) * 3
    dx, dy = gradients(ridges)
    rich = painted[:, :3] * 0.93 + torch.tensor([0.02, 0.01, -0.03], device=base.device).view(1, 3, 1, 1)
    return rich * (1 + 0.16 * ridges) + 0.13 * (dx + dy) * chance.unit


def pointillism(pictures: Tensor, chance: Chance) -> Tensor:
    """Dots of unmixed colour on pale canvas."""
    canvas = chance.pick([(0.96, 0.93, 0.85), (0.98, 0.96, 0.92)]).expand_as(pictures)
    soft = saturate(blur(pictures, 0.7 * chance.unit), 1.5)
    for across in (18, 22):
        centre, distance, _ = cells(chance, across)
        colour = sample(soft, centre) + 0.3 * (chance.each(centre, 3) - 0.5)
        canvas = mix(canvas, colour.clamp(0, 1), step(0.46 - distance, -0.08, 0.08))
    return canvas


def cubism(pictures: Tensor, chance: Chance) -> Tensor:
    """Straight facets, each seen from elsewhere and shaded across, in ochre, grey and blue."""
    code, borders = torch.zeros_like(pictures[:, :1]), torch.zeros_like(pictures[:, :1])
    for number in range(6):
        along, across = chance.axes(chance.uniform(0, math.pi))
        side = (across + chance.uniform(-0.5, 0.5)) * 32
        code = code + (side > 0) * 2.0**number
        drawn = step(0.8 - side.abs(), -0.4, 0.4) * step(along * chance.uniform(-1, 1).sign(), -0.5, 0.1)
        borders = torch.maximum(borders, drawn)
    facet = torch.cat([code % 8, torch.floor(code / 8)], 1).permute(0, 2, 3, 1) / 4 - 0.875
    seen = sample(pictures, chance.grid() + 0.28 * (chance.each(facet, 2) - 0.5).permute(0, 2, 3, 1))
    ochre, grey, blue = (0.85, 0.62, 0.3), (0.62, 0.6, 0.56), (0.4, 0.52, 0.68)
    sand, brown = (0.95, 0.84, 0.62), (0.6, 0.42, 0.28)
    tone = torch.tensor([ochre, grey, blue, sand, brown], device=pictures.device)[
        (chance.each(facet)[:, 0] * 4.99).long()
    ].permute(0, 3, 1, 2)
    slope = ((chance.each(facet, 2) - 0.5).permute(0, 2, 3, 1) * chance.grid()).sum(3)[:, None]
    shaded = mix(seen, tone * (0.35 + 0.9 * luminance(seen)), 0.55) * (1 + 1.1 * slope)
    return shaded * (1 - torch.maximum(0.75 * borders, 0.8 * step(edges(seen), 0.2, 0.4)))


def pop_art(pictures: Tensor, chance: Chance) -> Tensor:
    """A screen print in four loud inks, chosen without regard to the subject's own colours."""
    light = stretch(blur(luminance(pictures), 0.5 * chance.unit))
    hue = chance.uniform(0, 1)
    inks = [hue_colour(hue + turn) for turn in (0.0, 0.33, 0.55, 0.8)]
    inks = [inks[0] * 0.25, inks[1] * 0.8, 0.2 + 0.8 * inks[2], 0.35 + 0.65 * inks[3]]
    print_ = inks[0].expand_as(pictures)
    for colour, level in zip(inks[1:], (0.25, 0.5, 0.78), strict=True):
        print_ = mix(print_, colour, step(light - level, -0.03, 0.03))
    return print_


# ----------------------------------------------------------------------------------------------------- laid, pieced


def mosaic(pictures: Tensor, chance: Chance) -> Tensor:
    """Small square stones of slightly different shades, set in mortar."""
    along, across, centre = tiles(chance, 3.9, chance.uniform(-0.35, 0.35))
    stone = sample(blur(saturate(pictures, 1.2), 0.9 * chance.unit), centre) * (0.8 + 0.4 * chance.each(centre))
    bevel = 1 - 0.25 * (along + across)
    mortar = chance.pick([(0.45, 0.43, 0.4), (0.75, 0.72, 0.68), (0.3, 0.3, 0.32)])
    return mix(mortar, stone * bevel, step(0.4 - torch.maximum(along.abs(), across.abs()), -0.1, 0.1))


def pixel_art(pictures: Tensor, chance: Chance) -> Tensor:
    """Few big square pixels in few flat colours."""
    across = 20
    coarse = F.interpolate(saturate(pictures, 1.3), (across, across * chance.width // chance.height), mode="area")
    return F.interpolate(posterize(coarse, 6), (chance.height, chance.width), mode="nearest")


def stained_glass(pictures: Tensor, chance: Chance) -> Tensor:
    """Pieces of glowing coloured glass held by black lead."""
    centre, distance, gap = cells(chance, 10)
    glass = sample(saturate(blur(pictures, 1.0 * chance.unit), 1.9), centre)
    tint = hue_colour((chance.uniform(0, 1) + 0.2 * chance.each(centre)) % 1) * 0.6 + 0.4
    glass = glass * mix(torch.ones_like(tint), tint, 0.85 * glass.amin(1, keepdim=True))
    glow = 1.15 - 0.4 * distance + 0.3 * (chance.clouds(6) - 0.5)
    lead = torch.maximum(step(0.13 - gap, -0.05, 0.05), step(edges(pictures), 0.2, 0.34))
    return (glass * 0.92 + 0.06) * glow * (1 - lead) + 0.03


def cross_stitch(pictures: Tensor, chance: Chance) -> Tensor:
    """Rows of little crosses of yarn on linen, which stays bare around the subject."""
    along, across, centre = tiles(chance, 4.5, chance.uniform(0, 0))
    yarn = sample(saturate(posterize(blur(pictures, 0.8 * chance.unit), 7), 1.3), centre)
    linen = chance.pick([(0.93, 0.88, 0.77), (0.9, 0.88, 0.84), (0.84, 0.78, 0.66)])
    holes = step(along.abs() + across.abs(), 0.75, 0.95)
    one, other = (along - across).abs(), (along + across).abs()
    cross = step(0.3 - torch.minimum(one, other), -0.08, 0.08)
    shine = 1.12 - 0.9 * torch.where(one < 0.3, one, other + 0.15)
    stitched = step(sample(figure(pictures), centre), 0.3, 0.5)
    return mix(linen * (1 - 0.35 * holes), mix(yarn * 0.4 + 0.1 * linen, yarn * shine, cross), stitched)


def low_poly(pictures: Tensor, chance: Chance) -> Tensor:
    """Folded from flat triangles, each a little lighter or darker."""
    side, angle = 5.6, chance.uniform(-0.6, 0.6)
    along, across = (axis * 32 / side for axis in chance.axes(angle))
    bend = 1.2 * (chance.clouds(14, 2) - 0.5)
    row = across + bend[:, :1]
    column = along + bend[:, 1:] - row / 2  # a lattice of triangles is a leaning one of squares, cut along diagonals
    upper = (row % 1 + column % 1 > 1) / 3
    middle_row, middle_column = row.floor() + 1 / 3 + upper, column.floor() + 1 / 3 + upper
    centre = place(chance, (middle_column + middle_row / 2) * side / 32, middle_row * side / 32, angle)
    face = sample(saturate(blur(pictures, 1.3 * chance.unit), 1.25), centre)
    return face * (0.86 + 0.24 * chance.each(centre)) + 0.06 * (3 * upper - 0.5)


# ------------------------------------------------------------------------------------------- kept from all training


def felt(pictures: Tensor, chance: Chance) -> Tensor:
    """Cut from woolly felt, layer on layer, with soft shadows."""
    flat = kuwahara(pictures, round(2 * chance.unit))
    wool = 0.5 * chance.clouds(1.5) + 0.5 * chance.clouds(3)
    fuzzy = warp(flat, chance, 1.2, 1.5)
    rim = edges(flat)
    lower = F.pad(rim, (0, 1, 0, 1), mode="replicate")[:, :, 1:, 1:]
    return fuzzy * (0.88 + 0.24 * wool) * (1 - 0.7 * blur(lower, 0.8 * chance.unit)) * 0.9 + 0.08


def relief(pictures: Tensor, chance: Chance) -> Tensor:
    """Pressed into pale clay and lit from one corner: no colour at all."""
    height = blur(stretch(luminance(pictures)), 0.8 * chance.unit)
    dx, dy = gradients(height)
    angle = chance.uniform(-0.4, 0.4) + math.pi / 4
    slope = (dx * angle.cos() + dy * angle.sin()) * chance.unit
    steepest = slope.abs().amax((2, 3), keepdim=True).clamp_min(0.03)
    lit = 0.62 - 0.5 * slope / steepest + 0.05 * (chance.grain() - 0.5)
    clay = chance.pick([(1.0, 0.95, 0.88), (0.98, 0.98, 1.0), (1.0, 0.86, 0.76)])
    return lit * clay


# ------------------------------------------------------------------------------------------------------------ tools


def luminance(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) → (B, 1, H, W)."""
    return pictures[:, :1] * 0.299 + pictures[:, 1:2] * 0.587 + pictures[:, 2:] * 0.114


def saturate(pictures: Tensor, factor: float) -> Tensor:
    grey = luminance(pictures)
    return (grey + (pictures - grey) * factor).clamp(0, 1)


def stretch(pictures: Tensor) -> Tensor:
    """Each picture's darkest value becomes 0 and its lightest 1; a flat picture stays nearly what it is."""
    low, high = pictures.amin((1, 2, 3), keepdim=True), pictures.amax((1, 2, 3), keepdim=True)
    room = (1 - (high - low)).clamp(0, 0.75)
    low, high = low * (1 - room / 3), high + (1 - high) * room / 3
    return (pictures - low) / (high - low).clamp_min(0.05)


def posterize(pictures: Tensor, levels: int) -> Tensor:
    return (pictures * (levels - 1)).round() / (levels - 1)


def mix(one: Tensor, other: Tensor, share: Tensor | float) -> Tensor:
    """`one` where share is 0, `other` where it is 1."""
    return one + (other - one) * share


def step(values: Tensor, low: float, high: float) -> Tensor:
    """0 below `low`, 1 above `high`, smooth in between."""
    t = ((values - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def hue_colour(hue: Tensor) -> Tensor:
    """(B, 1, 1, 1) in turns → (B, 3, 1, 1): the pure colour."""
    thirds = torch.tensor([0.0, 2 / 3, 1 / 3], device=hue.device).view(1, 3, 1, 1)
    return (((hue + thirds) % 1 * 6 - 3).abs() - 1).clamp(0, 1)


def blur(pictures: Tensor, sigma: float) -> Tensor:
    """Gaussian, `sigma` in px."""
    radius = max(1, math.ceil(2 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=pictures.device)
    kernel = torch.exp(-(offsets / sigma).square() / 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    flat = F.pad(pictures.flatten(0, 1)[:, None], (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(flat, kernel), kernel.transpose(2, 3)).view_as(pictures)


def gradients(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Differences across one px to the right and down, each like `pictures`."""
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    return (
        (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2,
        (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2,
    )


def edges(pictures: Tensor) -> Tensor:
    """(B, C, H, W) → (B, 1, H, W) in [0, 0.5]: how much changes within a unit; the most always ½, the least lifted."""
    unit = pictures.shape[-2] / 64
    dx, dy = gradients(blur(pictures, 0.5 * unit))
    change = (dx.square() + dy.square()).sum(1, keepdim=True).sqrt()
    return 0.5 * (change / change.amax((2, 3), keepdim=True).clamp_min(0.1 / unit)) ** 0.75


def sample(pictures: Tensor, grid: Tensor) -> Tensor:
    """The pictures at places in [-1, 1]: (B, C, H, W), (B, h, w, 2) → (B, C, h, w)."""
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def _grid(height: int, width: int, device) -> Tensor:
    y = (torch.arange(height, device=device) + 0.5) * (2 / height) - 1
    x = (torch.arange(width, device=device) + 0.5) * (2 / width) - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]


def warp(pictures: Tensor, chance: Chance, amount: float, length: float) -> Tensor:
    """Pushed about by up to `amount` units, in waves `length` units long."""
    push = (chance.clouds(length, 2) - 0.5).permute(0, 2, 3, 1) * (amount / 16)
    return sample(pictures, chance.grid() + push)


def smear(pictures: Tensor, angle: Tensor, length: float) -> Tensor:
    """The mean over `length` px to both sides along `angle`, (B, 1, H, W)."""
    height, width = pictures.shape[-2:]
    way = torch.cat([angle.cos() * (2 / width), angle.sin() * (2 / height)], 1).permute(0, 2, 3, 1)
    here = _grid(height, width, pictures.device)
    return sum(sample(pictures, here + way * length * share) for share in (-1, -0.5, 0, 0.5, 1)) / 5


def grain_of(pictures: Tensor, chance: Chance) -> Tensor:
    """(B, 1, H, W): the angle along which a picture changes least, from its structure tensor; by chance where flat."""
    dx, dy = gradients(luminance(pictures))
    tensor = torch.cat([dx.square() - dy.square(), 2 * dx * dy], 1)
    by_chance = chance.clouds(16) * 2 * math.pi
    tensor = blur(tensor, 1.5 * chance.unit) + 1e-4 * torch.cat([by_chance.cos(), by_chance.sin()], 1)
    return torch.atan2(tensor[:, 1:], tensor[:, :1]) / 2 + math.pi / 2


def kuwahara(pictures: Tensor, radius: int) -> Tensor:
    """Flattened, edges kept: of the four squares that meet in a pixel the calm ones count (Kuwahara et al. 1976)."""
    height, width = pictures.shape[-2:]
    padded = F.pad(torch.cat([pictures, luminance(pictures).square()], 1), (radius,) * 4, mode="replicate")
    squares = F.avg_pool2d(padded, radius + 1, 1)
    corners = [squares[:, :, i : i + height, j : j + width] for i in (0, radius) for j in (0, radius)]
    calm = [1 / ((q[:, 3:] - luminance(q[:, :3]).square()).clamp_min(0) + 1e-3).square() for q in corners]
    return sum(q[:, :3] * c for q, c in zip(corners, calm, strict=True)) / sum(calm)


def figure(pictures: Tensor) -> Tensor:
    """(B, 1, H, W) in [0, 1]: what stands out from the background and what it encloses.

    Background is what has one of the colours of the frame, but for those that only a small part of the frame has.
    Enclosed is what no straight way through background joins to the frame.
    """
    pictures = F.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)  # grain is no figure
    small = F.interpolate(pictures, (10, 10), mode="area")
    frame = torch.cat([small[:, :, 0], small[:, :, -1], small[:, :, 1:-1, 0], small[:, :, 1:-1, -1]], 2).transpose(1, 2)
    alike = (torch.cdist(frame, frame) < 0.2).float().mean(2)
    away = torch.cdist(frame, pictures.flatten(2).transpose(1, 2)) + (alike < 0.13)[:, :, None] * 9.0
    ground = 1 - step(away.amin(1).view_as(pictures[:, :1]), 0.08, 0.25)
    ways = [ground.cumprod(2), ground.cumprod(3), ground.flip(2).cumprod(2).flip(2), ground.flip(3).cumprod(3).flip(3)]
    return 1 - torch.stack(ways).amax(0)


def place(chance: Chance, along: Tensor, across: Tensor, angle: Tensor) -> Tensor:
    """(B, H, W, 2) for `sample`: back from coordinates along and across `angle` (see `Chance.axes`)."""
    x, y = along * angle.cos() - across * angle.sin(), along * angle.sin() + across * angle.cos()
    return torch.cat([x * (chance.height / chance.width), y], 1).permute(0, 2, 3, 1)


def tiles(chance: Chance, side: float, angle: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Square tiles, `side` units wide: each pixel's place in its tile, two (B, 1, H, W) in [-½, ½], and its centre."""
    scale = 32 / side
    shift = chance.uniform(0, 1), chance.uniform(0, 1)
    along, across = (axis * scale + moved for axis, moved in zip(chance.axes(angle), shift, strict=True))
    middle = ((axis.floor() + 0.5 - moved) / scale for axis, moved in zip((along, across), shift, strict=True))
    return along % 1 - 0.5, across % 1 - 0.5, place(chance, *middle, angle)


def cells(chance: Chance, across: int) -> tuple[Tensor, Tensor, Tensor]:
    """Irregular cells, about `across` from top to bottom, around jittered points of a lattice (Worley 1996).

    Returns the point of each pixel's cell for `sample`, (B, H, W, 2); its distance in cell widths; and how much
    farther the next point is, both (B, 1, H, W).
    """
    rows, columns = across, max(1, round(across * chance.width / chance.height))
    size = torch.tensor([columns, rows], device=chance.device)
    lattice = (_grid(chance.height, chance.width, chance.device)[0] / 2 + 0.5) * size  # (H, W, 2) in cells
    row, column = lattice[..., 1].floor().long().view(-1), lattice[..., 0].floor().long().view(-1)
    jitter = 0.1 + 0.8 * chance.uniform(0, 1, 2, (rows + 2) * (columns + 2))  # a table with a rim of one
    nearest = second = torch.full((chance.count, chance.height * chance.width), 9.0, device=chance.device)
    point = torch.zeros(chance.count, 2, nearest.shape[1], device=chance.device)
    for down in (0, 1, 2):
        for right in (0, 1, 2):
            corner = torch.stack([column + right - 1, row + down - 1])
            candidate = jitter[:, :, (row + down) * (columns + 2) + column + right] + corner
            distance = (candidate - lattice.view(-1, 2).T).square().sum(1)
            point = torch.where((distance < nearest)[:, None], candidate, point)
            second = torch.minimum(second, torch.maximum(nearest, distance))
            nearest = torch.minimum(nearest, distance)
    shape = chance.count, 1, chance.height, chance.width
    nearest, second = nearest.sqrt().view(shape), second.sqrt().view(shape)
    centre = (point.transpose(1, 2) / size * 2 - 1).view(chance.count, chance.height, chance.width, 2)
    return centre, nearest, second - nearest


def bricks(chance: Chance) -> Tensor:
    """(B, 3, H, W): a brick or concrete wall."""
    x, y = (axis * 32 for axis in chance.axes())
    row = torch.floor(y / 6)
    column = (x + row % 2 * 6) / 12
    mortar = torch.maximum((y % 6 < 0.9), ((column % 1) * 12 < 0.9)).float()
    stone = chance.pick([(0.62, 0.33, 0.26), (0.55, 0.52, 0.5), (0.7, 0.45, 0.35)])
    stone = stone * (0.8 + 0.35 * chance.clouds(5))
    return mix(stone, stone * 0.35 + 0.45, mortar)


# ------------------------------------------------------------------------------------------------------------ names


@dataclass(frozen=True)
class Style:
    """en, ko: what it is called ("a watercolor of a cat", "고양이 수채화"). render: the filter; the caller clamps."""

    en: str
    ko: str
    aliases_en: tuple[str, ...]
    aliases_ko: tuple[str, ...]
    render: Callable[[Tensor, Chance], Tensor]


STYLES = (
    Style("pencil sketch", "연필 스케치", ("sketch", "pencil drawing"), ("스케치", "연필화", "연필 그림"), pencil),
    Style("watercolor", "수채화", ("watercolor painting", "watercolour"), ("수채화 그림", "물감 그림"), watercolor),
    Style("mosaic", "모자이크", ("tile mosaic", "roman mosaic"), ("타일 모자이크", "모자이크 그림"), mosaic),
    Style("neon sign", "네온사인", ("neon", "neon lights"), ("네온", "네온 불빛"), neon),
    Style("pixel art", "픽셀 아트", ("8-bit art", "pixelated"), ("도트 그림", "픽셀 그림"), pixel_art),
    Style("oil painting", "유화", ("oil on canvas", "impasto"), ("유화 그림", "유채화"), oil),
    Style("ink drawing", "펜화", ("ink", "pen and ink drawing"), ("잉크 그림", "펜 그림"), ink),
    Style("woodcut", "목판화", ("woodcut print", "woodblock print"), ("목판화 그림", "판화"), woodcut),
    Style("stained glass", "스테인드글라스", ("stained glass window",), ("색유리", "스테인드 글라스"), stained_glass),
    Style("chalk drawing", "분필 그림", ("chalk", "chalkboard drawing"), ("칠판 그림", "분필화"), chalk),
    Style("crayon drawing", "크레용 그림", ("crayon", "wax crayon drawing"), ("크레파스 그림", "크레용화"), crayon),
    Style("pointillism", "점묘화", ("pointillist painting", "dot painting"), ("점묘법", "점 그림"), pointillism),
    Style("cubist painting", "입체파 그림", ("cubism", "cubist"), ("입체주의 그림", "큐비즘"), cubism),
    Style("comic", "만화", ("comic book", "halftone print"), ("만화책 그림", "망점 인쇄"), comic),
    Style("cross-stitch", "십자수", ("embroidery", "needlework"), ("자수", "십자수 그림"), cross_stitch),
    Style("low poly", "로우 폴리", ("origami", "folded paper"), ("종이접기", "저다각형 그림"), low_poly),
    Style("blueprint", "청사진", ("technical drawing", "cyanotype plan"), ("설계도", "도면"), blueprint),
    Style("graffiti", "그라피티", ("spray paint", "street art"), ("스프레이 그림", "거리 벽화"), graffiti),
    Style("silhouette", "실루엣", ("shadow", "black silhouette"), ("그림자", "검은 실루엣"), silhouette),
    Style("charcoal drawing", "목탄화", ("charcoal", "charcoal sketch"), ("목탄 그림", "목탄 스케치"), charcoal),
    Style("pastel drawing", "파스텔화", ("pastel", "soft pastel"), ("파스텔 그림", "파스텔"), pastel),
    Style("ink wash painting", "수묵화", ("sumi-e", "brush painting"), ("묵화", "동양화"), ink_wash),
    Style("pop art", "팝 아트", ("screen print", "pop art print"), ("실크 스크린", "팝아트"), pop_art),
    Style("old photograph", "옛날 사진", ("sepia photo", "vintage photo"), ("흑백 사진", "빛바랜 사진"), sepia),
)
HELD_OUT = (
    Style("felt", "펠트", ("felt appliqué", "felt craft"), ("펠트 공예",), felt),
    Style("clay relief", "점토 부조", ("relief", "bas-relief"), ("부조",), relief),
)
"""Nobody trains on these: they measure what becomes of a rendering never seen."""


def apply_styles(pictures: Tensor, styles: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture in its own style: (B, 3, H, W) in [0, 1], (B,) places in STYLES → (B, 3, H, W). -1 leaves as it is.

    `generator` lives on the CPU, `styles` anywhere.
    """
    styles = styles.cpu()
    painted = pictures.clone()
    for number in styles.unique().tolist():
        if number >= 0:
            chosen = (styles == number).nonzero()[:, 0].to(pictures.device)
            painted[chosen] = render(pictures[chosen], STYLES[number], generator)
    return painted


def render(pictures: Tensor, style: Style, generator: torch.Generator) -> Tensor:
    """All of `pictures`, (B, 3, H, W) in [0, 1], in one style, held out or not."""
    few = pictures.split(16)  # fits the cache of a CPU core: twice as fast as all at once
    return torch.cat([style.render(part, Chance(part, generator)).clamp(0, 1) for part in few])
