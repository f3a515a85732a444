"""Disguises of placed sprites: the same thing in the same place, without its colours, its surface or all of its parts.

Each is a function (sprites, chance, others) → sprites of premultiplied RGBA pictures, (B, 4, H, W) in [0, 1]; `others`
are as many sprites that do not belong there.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from world.styles import (
    Chance,
    grain_of,
    hue_colour,
    luminance,
    place,
    posterize,
    sample,
    smear,
    step,
    warp,
)


def hue_turned(sprites: Tensor, chance: Chance, others: Tensor) -> Tensor:
    """Every hue turned by an eighth of the circle or more; what has no colour is dyed."""
    rgb, alpha = sprites[:, :3], sprites[:, 3:]
    turned = (hue_rotation(chance.uniform(0.25 * math.pi, 1.75 * math.pi).flatten()) @ rgb.flatten(2)).view_as(rgb)
    dyed = luminance(rgb) * (0.25 + 0.75 * hue_colour(chance.uniform(0, 1)))
    return torch.cat([torch.where(_is_grey(sprites), dyed, turned).clamp_min(0).minimum(alpha), alpha], 1)


def grey(sprites: Tensor, chance: Chance, others: Tensor) -> Tensor:
    return torch.cat([luminance(sprites[:, :3]).expand(-1, 3, -1, -1), sprites[:, 3:]], 1)


def lines(sprites: Tensor, chance: Chance, others: Tensor) -> Tensor:
    """A line drawing in dark ink; most of them on a white that fills the shape."""
    rgb, alpha = sprites[:, :3], sprites[:, 3:]
    drawn = line_drawing(rgb + (1 - alpha))
    ink = torch.cat([chance.uniform(0, 0.35, 3, 1, 1) * drawn[:, 3:], drawn[:, 3:]], 1)
    return over(ink, (chance.uniform(0, 1) < 0.67) * alpha.expand(-1, 4, -1, -1))


def silhouette(sprites: Tensor, chance: Chance, others: Tensor) -> Tensor:
    """Two in three nearly black, the others in any colour."""
    colour = torch.where(chance.uniform(0, 1) < 0.67, chance.uniform(0, 0.2), chance.uniform(0, 1, 3, 1, 1))
    return torch.cat([colour * sprites[:, 3:], sprites[:, 3:]], 1)


def strokes(sprites: Tensor, chance: Chance, others: Tensor) -> Tensor:
    """Laid of short straight dabs, each of one colour, that stick out at the rim and leave gaps."""
    angle, length, width = chance.uniform(0, math.pi), chance.uniform(3.5, 7), chance.uniform(1.3, 2.4)
    along, across = (axis * 32 for axis in chance.axes(angle))
    across = across + 1.5 * (chance.clouds(14) - 0.5)
    row = torch.floor(across / width)
    along = along / length + row * 0.618  # by the golden ratio, so that no dab begins beside another
    middle = (torch.floor(along) + 0.5 - row * 0.618) * length / 32, (row + 0.5) * width / 32
    laid = sample(sprites, place(chance, *middle, angle))
    inside = step(0.5 - (across / width - row - 0.5).abs(), -0.1, 0.2) * step(
        0.5 - (along % 1 - 0.5).abs(), -0.05, 0.15
    )
    return laid * inside


def painted(sprites: Tensor, chance: Chance, others: Tensor) -> Tensor:
    """A loose hand: bent outlines, few shades, smeared along the forms."""
    bent = warp(sprites, chance, 2.5, 10)
    flat = torch.cat([posterize(bent[:, :3], 7), bent[:, 3:]], 1)
    brushed = smear(flat, grain_of(bent[:, :3] + 1 - bent[:, 3:], chance), 2.0 * chance.unit)
    shade = 0.87 + 0.26 * chance.clouds(3)
    return torch.cat([(brushed[:, :3] * shade).minimum(brushed[:, 3:]), brushed[:, 3:]], 1)


def cut(sprites: Tensor, chance: Chance, others: Tensor) -> Tensor:
    """A straight cut takes a sixth to a third of it away."""
    beyond = _beyond_middle(sprites, chance)
    return sprites * (beyond < chance.uniform(0.4, 0.95))


def occluded(sprites: Tensor, chance: Chance, others: Tensor) -> Tensor:
    """A bar, or a smaller sprite, hides a part."""
    beyond = _beyond_middle(sprites, chance)
    middle = chance.uniform(-1, 1)
    bar = ((beyond - middle).abs() < chance.uniform(0.15, 0.35)).float()
    bar = torch.cat([chance.uniform(0, 1, 3, 1, 1) * bar, bar], 1)
    piece = _scattered(others, chance, (0.3, 0.5), 0.45)
    return over(torch.where(chance.uniform(0, 1) < 0.4, bar, piece), sprites)


def cluttered(sprites: Tensor, chance: Chance, others: Tensor) -> Tensor:
    """Scraps of other sprites and stray strokes lie behind it."""
    litter = torch.zeros_like(sprites)
    for number in range(3):
        litter = over(_scattered(others.roll(number, 0), chance, (0.2, 0.4), 1.0), litter)
    for _ in range(5):
        litter = over(_stroke(chance), litter)
    return over(sprites, litter)


def scrawl(sprites: Tensor, chance: Chance, others: Tensor) -> Tensor:
    """Stray strokes cross it."""
    scribbled = sprites
    for _ in range(4):
        scribbled = over(_stroke(chance), scribbled)
    return scribbled


GUISES = {
    "hue": hue_turned, "grey": grey, "lines": lines, "silhouette": silhouette, "strokes": strokes, "painted": painted,
    "cut": cut, "occluded": occluded, "cluttered": cluttered, "scrawl": scrawl,
}  # fmt: skip
SHARES = {
    "hue": 0.1, "grey": 0.06, "lines": 0.06, "silhouette": 0.04, "strokes": 0.05, "painted": 0.05, "cut": 0.04,
    "occluded": 0.05, "cluttered": 0.05, "scrawl": 0.03,
}  # fmt: skip
"""How many of the training pictures wear each; the others show themselves as they are."""
COLOUR_GUISES = ("hue", "grey", "lines", "silhouette")
"""Those that take the natural colours away."""


def disguise(sprites: Tensor, guises: list[str], atlas: Tensor, generator: torch.Generator) -> Tensor:
    """Placed sprites (B, 4, H, W), each in its own guise of GUISES ("" for none), → the same shape."""
    disguised = sprites.clone()
    for name, put_on in GUISES.items():
        chosen = torch.tensor([i for i, guise in enumerate(guises) if guise == name], dtype=torch.long)
        for part in chosen.split(32):  # a few at a time stay in the cache
            others = atlas[torch.randint(len(atlas), (len(part),), generator=generator)]
            disguised[part] = put_on(sprites[part], Chance(sprites[part], generator), others)
    return disguised


# ------------------------------------------------------------------------------------------------------------ tools


def over(upper: Tensor, lower: Tensor) -> Tensor:
    """Premultiplied RGBA `upper` before `lower` (Porter and Duff 1984)."""
    return upper + (1 - upper[:, 3:]) * lower


def hue_rotation(angle: Tensor) -> Tensor:
    """(B,) radians → (B, 3, 3): rotation of RGB about the grey axis (Rodrigues' formula)."""
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=angle.device) / math.sqrt(3)
    return cos * torch.eye(3, device=angle.device) + sin * cross + (1 - cos) / 3


def line_drawing(picture: Tensor) -> Tensor:
    """(B, 3, H, W) on white → (B, 4, H, W): dark premultiplied lines where brightness has edges."""
    grey = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    dx = (grey[:, :, 1:-1, 2:] - grey[:, :, 1:-1, :-2]).abs().amax(1, keepdim=True)
    dy = (grey[:, :, 2:, 1:-1] - grey[:, :, :-2, 1:-1]).abs().amax(1, keepdim=True)
    ink = ((dx + dy) * 1.6 - 0.15).clamp(0, 1)
    return torch.cat([torch.zeros_like(picture), ink], 1)


def colourfulness(sprites: Tensor) -> Tensor:
    """(B, 1, 1, 1): the mean distance between the strongest and the weakest primary where the sprite is."""
    rgb, alpha = sprites[:, :3], sprites[:, 3:]
    chroma = (rgb.amax(1) - rgb.amin(1)).sum((1, 2)) / alpha.sum((1, 2, 3)).clamp_min(1.0)
    return chroma.view(-1, 1, 1, 1)


def _is_grey(sprites: Tensor) -> Tensor:
    return colourfulness(sprites) < 0.12


def _beyond_middle(sprites: Tensor, chance: Chance) -> Tensor:
    """(B, 1, H, W): how far each pixel lies from the sprite's middle in some direction, in its own deviations."""
    along, _ = chance.axes(chance.uniform(0, 2 * math.pi))
    weight = sprites[:, 3:] / sprites[:, 3:].sum((2, 3), keepdim=True).clamp_min(1e-3)
    middle = (along * weight).sum((2, 3), keepdim=True)
    deviation = ((along - middle).square() * weight).sum((2, 3), keepdim=True).sqrt()
    return (along - middle) / deviation.clamp_min(1e-3)


def _scattered(sprites: Tensor, chance: Chance, scale: tuple[float, float], reach: float) -> Tensor:
    """(B, 4, S, S) sprites small, turned anyhow, at most `reach` from the middle → placed (B, 4, H, W)."""
    size, angle = chance.uniform(*scale), chance.uniform(0, 2 * math.pi)
    x, y = chance.axes()
    x, y = x - chance.uniform(-reach, reach), y - chance.uniform(-reach, reach)
    turned = torch.cat([x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()], 1) / size
    return F.grid_sample(F.avg_pool2d(sprites, 2), turned.permute(0, 2, 3, 1), align_corners=False)


def _stroke(chance: Chance) -> Tensor:
    """(B, 4, H, W): one bent stroke, any colour, width and place."""
    along, across = chance.axes(chance.uniform(0, math.pi))
    along, across = along - chance.uniform(-0.9, 0.9), across - chance.uniform(-0.9, 0.9)
    bend = across + chance.uniform(-0.8, 0.8) * along.square()
    width, length = chance.uniform(0.02, 0.09), chance.uniform(0.15, 0.6)
    ink = step(width - bend.abs(), -0.03, 0.0) * step(length - along.abs(), -0.03, 0.0)
    return torch.cat([chance.uniform(0, 1, 3, 1, 1) * ink, ink], 1)
