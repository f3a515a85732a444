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

from training.worlds.subjects import Subject

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
FONT_SIZE = 109
"""The one bitmap size in the font."""
SPRITE = 64


def open_font() -> ImageFont.FreeTypeFont:
    if not FONT.exists():
        raise SystemExit("The emoji font is missing; install it with: apt-get install fonts-noto-color-emoji")
    return ImageFont.truetype(str(FONT), FONT_SIZE)


def draw_sprite(character: str, font: ImageFont.FreeTypeFont) -> Image.Image | None:
    """The glyph, centred on a transparent SPRITE × SPRITE square; None when the font has no single picture of it."""
    canvas = Image.new("RGBA", (320, 160))
    ImageDraw.Draw(canvas).text((16, 8), character, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None or box[2] - box[0] > 150:  # nothing, or a sequence drawn as several glyphs
        return None
    glyph = canvas.crop(box)
    side = max(glyph.size)
    square = Image.new("RGBA", (side, side))
    square.paste(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
    return square.resize((SPRITE, SPRITE), Image.Resampling.LANCZOS)


def sprite_atlas(subjects: list[Subject]) -> Tensor:
    """(subjects, 4, SPRITE, SPRITE) float in [0, 1], premultiplied RGBA."""
    font = open_font()
    pictures = np.stack([np.asarray(draw_sprite(subject.character, font)) for subject in subjects])
    rgba = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], dim=1)


class Composer:
    """Turns sprite numbers into training pictures.

    atlas: (subjects, 4, SPRITE, SPRITE) premultiplied. recolourable: (subjects,) bool, false where the name says a
    colour. size: side of the pictures in px.
    """

    def __init__(self, atlas: Tensor, recolourable: Tensor, size: int = 64):
        self.atlas, self.recolourable, self.size = atlas, recolourable, size

    def __call__(self, index: Tensor, generator: torch.Generator, *, guises: bool = True) -> Tensor:
        """(B,) sprite numbers → (B, 3, size, size) in [0, 1]. `guises`: also recoloured, grey and line-drawn ones."""
        uniform = _uniform(len(index), generator)
        sprites = self._place(self.atlas[index], uniform)
        if guises:
            sprites = _in_disguise(sprites, self.recolourable[index], uniform)
        picture = sprites[:, :3] + (1 - sprites[:, 3:]) * backgrounds(len(index), self.size, generator)
        return _develop(picture, uniform, generator)

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


def _uniform(count: int, generator: torch.Generator):
    def draw(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator) * (high - low) + low

    return draw


def _in_disguise(sprites: Tensor, recolourable: Tensor, uniform) -> Tensor:
    """One in five turned in hue, one in ten grey, one in twenty a line drawing: colour alone must not decide."""
    rgb, alpha = sprites[:, :3], sprites[:, 3:]
    lot = uniform(0, 1)
    turned = (hue_rotation(uniform(0, 2 * math.pi)) @ rgb.flatten(2)).view_as(rgb).clamp_min(0).minimum(alpha)
    grey = _luminance(rgb).expand_as(rgb)
    lines = line_drawing(rgb + (1 - alpha))
    guise = torch.cat([rgb, alpha], 1)
    guise = torch.where(_mask((lot < 0.2) & recolourable), torch.cat([turned, alpha], 1), guise)
    guise = torch.where(_mask((lot >= 0.2) & (lot < 0.3) & recolourable), torch.cat([grey, alpha], 1), guise)
    return torch.where(_mask((lot >= 0.3) & (lot < 0.35) & recolourable), lines, guise)


def hue_rotation(angle: Tensor) -> Tensor:
    """(B,) radians → (B, 3, 3): rotation of RGB about the grey axis (Rodrigues' formula)."""
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return cos * torch.eye(3) + sin * cross + (1 - cos) / 3


def line_drawing(picture: Tensor) -> Tensor:
    """(B, 3, H, W) on white → (B, 4, H, W): dark premultiplied lines where brightness has edges."""
    grey = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    dx = (grey[:, :, 1:-1, 2:] - grey[:, :, 1:-1, :-2]).abs().amax(1, keepdim=True)
    dy = (grey[:, :, 2:, 1:-1] - grey[:, :, :-2, 1:-1]).abs().amax(1, keepdim=True)
    ink = ((dx + dy) * 1.6 - 0.15).clamp(0, 1)
    return torch.cat([torch.zeros_like(picture), ink], 1)


def backgrounds(count: int, size: int, generator: torch.Generator) -> Tensor:
    """(count, 3, size, size): white (two in five), plain, gradient, cloudy or striped."""
    uniform = _uniform(count, generator)
    first, second = uniform(0, 1, 3, 1, 1), uniform(0, 1, 3, 1, 1)
    ramp = torch.linspace(-1, 1, size)
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


def _develop(picture: Tensor, uniform, generator: torch.Generator) -> Tensor:
    """Exposure, contrast, saturation; one in six blurred, one in six grainy."""
    grey = _luminance(picture)
    picture = grey + (picture - grey) * uniform(0.6, 1.4, 1, 1, 1)
    mean = picture.mean(dim=(1, 2, 3), keepdim=True)
    picture = (picture - mean) * uniform(0.7, 1.2, 1, 1, 1) + mean + uniform(-0.1, 0.1, 1, 1, 1)
    blurred = F.avg_pool2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, 1)
    lot = uniform(0, 1)
    picture = torch.where(_mask(lot < 0.17), blurred, picture)
    grain = torch.randn(picture.shape, generator=generator) * 0.06
    return torch.where(_mask(lot > 0.83), picture + grain, picture).clamp(0, 1)


def _luminance(rgb: Tensor) -> Tensor:
    return (rgb * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _mask(condition: Tensor) -> Tensor:
    return condition[:, None, None, None]
