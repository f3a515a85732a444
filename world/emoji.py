"""Pictures of the pocket world: emoji composed into varied scenes, on any device, from a seed.

Sprites are rendered once from the Noto Color Emoji font (Debian package fonts-noto-color-emoji); every picture is
composed anew: scale, rotation, mirror-free placement, background, colour and texture are drawn from a generator.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from world.guises import COLOUR_GUISES, SHARES, colourfulness, disguise
from world.styles import luminance
from world.subjects import Subject

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
FONT_SIZE = 109
"""The one bitmap size in the font."""
SPRITE = 64


def open_font() -> ImageFont.FreeTypeFont:
    if not FONT.exists():
        raise SystemExit("The emoji font is missing; install it with: apt-get install fonts-noto-color-emoji")
    return ImageFont.truetype(str(FONT), FONT_SIZE)


def draw_sprite(character: str, font: ImageFont.FreeTypeFont, side: int = SPRITE) -> Image.Image | None:
    """The glyph, centred on a transparent square of so many px; None when the font has no single picture of it."""
    canvas = Image.new("RGBA", (320, 160))
    ImageDraw.Draw(canvas).text((16, 8), character, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None or box[2] - box[0] > 150:  # nothing, or a sequence drawn as several glyphs
        return None
    glyph = canvas.crop(box)
    longer = max(glyph.size)
    square = Image.new("RGBA", (longer, longer))
    square.paste(glyph, ((longer - glyph.width) // 2, (longer - glyph.height) // 2))
    return square.resize((side, side), Image.Resampling.LANCZOS)


def sprite_atlas(subjects: list[Subject], side: int = SPRITE) -> Tensor:
    """(subjects, 4, side, side) float in [0, 1], premultiplied RGBA."""
    font = open_font()
    pictures = np.stack([np.asarray(draw_sprite(subject.character, font, side)) for subject in subjects])
    rgba = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], dim=1)


class Composer:
    """Turns sprite numbers into training pictures, on the device of the atlas.

    atlas: (subjects, 4, SPRITE, SPRITE) premultiplied. recolourable: (subjects,) bool, false where the name says a
    colour. size: side of the pictures in px.
    """

    def __init__(self, atlas: Tensor, recolourable: Tensor, size: int = 64):
        self.atlas, self.recolourable, self.size = atlas, recolourable, size

    def __call__(
        self, index: Tensor, generator: torch.Generator, *, guises: bool | str = True, sprites: Tensor | None = None
    ) -> Tensor:
        """(B,) sprite numbers → (B, 3, size, size) in [0, 1].

        guises: True disguises about half as `SHARES` says, but never takes the colour of what is named by it; False
        none; a name of `GUISES` all, whatever their names say.
        sprites: (B, 4, S, S) to be composed instead of those in the atlas.
        """
        uniform = uniform_of(len(index), generator, self.atlas.device)
        placed = self._place(self.atlas[index] if sprites is None else sprites, uniform)
        if guises:
            worn = [guises] * len(index) if isinstance(guises, str) else self._guises(index, uniform(0, 1))
            placed = disguise(placed, worn, self.atlas, generator)
        picture = placed[:, :3] + (1 - placed[:, 3:]) * backgrounds(len(index), self.size, generator, self.atlas.device)
        return develop(picture, uniform, generator)

    def twins(
        self,
        index: Tensor,
        generator: torch.Generator,
        *,
        guises: tuple[str, ...] = COLOUR_GUISES,
        sprites: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The same compositions plain and in one of `guises`, (B, 3, size, size) each: all else is equal.

        A twin always differs: what is grey by nature is drawn in lines instead of grey.
        """
        uniform = uniform_of(len(index), generator, self.atlas.device)
        placed = self._place(self.atlas[index] if sprites is None else sprites, uniform)
        lot = torch.randint(len(guises), (len(index),), generator=generator)
        is_grey = (colourfulness(placed) < 0.12).flatten().tolist()
        worn = [
            "lines" if guises[i] == "grey" and plain else guises[i]
            for i, plain in zip(lot.tolist(), is_grey, strict=True)
        ]
        disguised = disguise(placed, worn, self.atlas, generator)
        ground = backgrounds(len(index), self.size, generator, self.atlas.device)
        state = generator.get_state()
        pictures = []
        for layer in (placed, disguised):
            generator.set_state(state)
            pictures.append(develop(layer[:, :3] + (1 - layer[:, 3:]) * ground, uniform, generator))
        return pictures[0], pictures[1]

    def _guises(self, index: Tensor, lot: Tensor) -> list[str]:
        names, ends = list(SHARES), torch.tensor(list(SHARES.values())).cumsum(0)
        chosen = [*names, ""]
        worn = [chosen[i] for i in torch.searchsorted(ends, lot.cpu(), right=True).tolist()]
        free = self.recolourable[index].tolist()
        return ["" if guise in COLOUR_GUISES and not may else guise for guise, may in zip(worn, free, strict=True)]

    def _place(self, sprites: Tensor, uniform) -> Tensor:
        """Scale 0.5–1.0, rotation ±25°, anywhere that keeps most of it inside."""
        scale = uniform(0.5, 1.0)
        angle = uniform(-25, 25) * (math.pi / 180) * (uniform(0, 1) < 0.7)
        room = (1.04 - scale).clamp_min(0.04)
        dx, dy = uniform(-1, 1) * room, uniform(-1, 1) * room
        cos, sin = angle.cos() / scale, angle.sin() / scale
        theta = torch.stack(
            [torch.stack([cos, sin, -dx * cos - dy * sin], 1), torch.stack([-sin, cos, dx * sin - dy * cos], 1)], 1
        )
        grid = F.affine_grid(theta, (len(sprites), 4, self.size, self.size), align_corners=False)
        return F.grid_sample(sprites, grid, align_corners=False)


def make_composer(subjects: list[Subject]) -> Composer:
    """A composer of their Noto sprites."""
    return Composer(sprite_atlas(subjects), torch.tensor([not subject.colour_named for subject in subjects]))


def uniform_of(count: int, generator: torch.Generator, device: torch.device | str = "cpu"):
    """draw(low, high, *shape) → (count, *shape) on `device`, from a generator on the CPU."""

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return (torch.rand(count, *shape, generator=generator) * (high - low) + low).to(device)

    return draw


def backgrounds(count: int, size: int, generator: torch.Generator, device: torch.device | str = "cpu") -> Tensor:
    """(count, 3, size, size): white (two in five), plain, gradient, cloudy or striped."""
    uniform = uniform_of(count, generator, device)
    first, second = uniform(0, 1, 3, 1, 1), uniform(0, 1, 3, 1, 1)
    ramp = torch.linspace(-1, 1, size, device=device)
    angle = uniform(0, 2 * math.pi, 1, 1)
    along = angle.cos() * ramp[None, None, :] + angle.sin() * ramp[None, :, None]
    clouds = F.interpolate(uniform(0, 1, 1, 5, 5), size, mode="bicubic", align_corners=False)[:, 0].clamp(0, 1)
    stripes = torch.sigmoid(8 * torch.sin(along * uniform(4, 16, 1, 1)))
    lot = uniform(0, 1)[:, None, None]
    blend = torch.where(
        lot < 0.55, 0.0, torch.where(lot < 0.7, (along + 1.4) / 2.8, torch.where(lot < 0.9, clouds, stripes))
    )
    plain = torch.where((lot < 0.4)[:, None], 1.0, first)
    return plain + (second - plain) * blend[:, None]


def develop(picture: Tensor, uniform, generator: torch.Generator) -> Tensor:
    """Exposure, contrast, saturation; one in six blurred, one in six grainy."""
    grey = luminance(picture)
    picture = grey + (picture - grey) * uniform(0.6, 1.4, 1, 1, 1)
    mean = picture.mean(dim=(1, 2, 3), keepdim=True)
    picture = (picture - mean) * uniform(0.7, 1.2, 1, 1, 1) + mean + uniform(-0.1, 0.1, 1, 1, 1)
    blurred = F.avg_pool2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, 1)
    lot = uniform(0, 1)
    picture = torch.where(_mask(lot < 0.17), blurred, picture)
    grain = (torch.randn(picture.shape, generator=generator) * 0.06).to(picture.device)
    return torch.where(_mask(lot > 0.83), picture + grain, picture).clamp(0, 1)


def _mask(condition: Tensor) -> Tensor:
    return condition[:, None, None, None]
