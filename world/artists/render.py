"""SVG → pixels, cut to what is drawn."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

__all__ = ["RECIPE", "SIDE", "frame", "render"]

SIDE = 128
"""Side in px of every picture of the gallery."""
DRAWN, LARGE = 256, 1024
"""Width in px that an SVG is rendered at, and that of one whose drawing fills only a corner of its page."""
DPI = 96.0
"""Without it resvg takes sizes in mm and pt for zero."""
MARGIN = 0.03
"""Share of the side that stays empty around a drawing."""
RECIPE = 1
"""Counts changes of how pictures are rendered: those of another number are rendered anew."""
_Image = Image.Image


def render(svg: str) -> np.ndarray | None:
    """(SIDE, SIDE, 4) uint8 straight RGBA; None for what cannot be rendered or shows nothing."""
    picture = _rasterize(svg, DRAWN)
    box = picture.getchannel("A").getbbox() if picture else None
    if box is not None and max(box[2] - box[0], box[3] - box[1]) < DRAWN // 2:
        picture = _rasterize(svg, LARGE)
    return frame(picture) if picture else None


def frame(picture: _Image) -> np.ndarray | None:
    """The drawn part of an RGBA picture, centred on a transparent square; None when nothing is drawn."""
    alpha = picture.getchannel("A")
    box = alpha.point(lambda value: 255 * (value > 8)).getbbox()
    if box is None or min(box[2] - box[0], box[3] - box[1]) < 6:
        return None
    drawn = picture.crop(box)
    is_full = np.asarray(drawn.getchannel("A")).mean() > 250  # a scene with a ground of its own keeps no margin
    side = round(max(drawn.size) * (1 if is_full else 1 + 2 * MARGIN))
    square = Image.new("RGBA", (side, side))
    square.paste(drawn, ((side - drawn.width) // 2, (side - drawn.height) // 2))
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def _rasterize(svg: str, width: int) -> _Image | None:
    import resvg_py

    try:
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, dpi=DPI, skip_system_fonts=True))
        return Image.open(io.BytesIO(png)).convert("RGBA")
    except ValueError:  # not an SVG that resvg reads
        return None
