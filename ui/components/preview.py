"""A frame as a data URL: small, quick to make, safe to show.

A drawing travels as SVG, so the page shows it crisply at any size, and painting it costs the server nothing. A picture,
or a drawing with more strokes than a browser paints in passing, travels as JPEG, a small one as PNG.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from engines.engine import Frame

__all__ = ["data_url", "jpeg", "jpeg_url", "picture_url", "png_url"]

_LONG_EDGE = 768
_LOSSLESS_EDGE = 256
_QUALITY = 85
_MOST_STROKES = 1200


def data_url(frame: Frame) -> str:
    """ "data:image/svg+xml;base64,...", "data:image/jpeg;base64,..." or "data:image/png;base64,..." """
    if frame.scene is None or len(frame.scene) > _MOST_STROKES:
        return picture_url(frame.image)
    from engines.vector.svg.writer import format_svg  # here, not above: the page must not wait for torch

    return _url("image/svg+xml", format_svg(frame.scene, background=frame.background).encode())


def jpeg(pixels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 → JPEG of at most 768 px on its long edge."""
    image = Image.fromarray(pixels)
    image.thumbnail((_LONG_EDGE, _LONG_EDGE))
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=_QUALITY)
    return packed.getvalue()


def picture_url(pixels: np.ndarray) -> str:
    """A picture as it is shown: small ones whole, since the page enlarges them and JPEG's squares with them."""
    if max(pixels.shape[:2]) > _LOSSLESS_EDGE:
        return jpeg_url(jpeg(pixels))
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG", compress_level=1)
    return _url("image/png", packed.getvalue())


def jpeg_url(packed: bytes) -> str:
    return _url("image/jpeg", packed)


def png_url(path: Path) -> str:
    return _url("image/png", path.read_bytes())


def _url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
