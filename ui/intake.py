"""What comes in from outside is checked here, once: pictures, drawings and text.

The header is read before the pixels: a file of some kilobytes may claim to be gigapixels large. The two Pillow limits
are process-wide because Gradio opens uploads of its own accord.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import tempfile
import unicodedata
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from engines.errors import EngineError
from engines.images import on_white
from engines.svg_file import MAX_BYTES, check_svg_file

__all__ = [
    "MAX_OWN_UPLOAD",
    "MAX_PIXELS",
    "MAX_UPLOAD",
    "drawing",
    "from_data_url",
    "hex_color",
    "lend",
    "line_of_text",
    "picture",
    "size_of",
]

MAX_PIXELS = 32_000_000
MAX_UPLOAD, MAX_OWN_UPLOAD = "16mb", "1gb"
"""Of a page that others can reach, and of one's own: checkpoints of generators are large."""
_LONG_EDGE = 1024
_FORMATS = ("PNG", "JPEG", "WEBP")
_MAX_SVG_BYTES = MAX_BYTES

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


def picture(path: str | Path) -> Path:
    """A clean copy of an uploaded picture: PNG, RGB, upright, first frame, at most 1024 px on its long edge.

    `EngineError` when the file is no PNG, JPEG or WebP or has more than 32 million pixels.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:  # for when Pillow's own limit is a later one
                raise Image.DecompressionBombError
            image.draft("RGB", (_LONG_EDGE, _LONG_EDGE))
            image = ImageOps.exif_transpose(image)
            clean = on_white(image)
            clean.thumbnail((_LONG_EDGE, _LONG_EDGE))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise EngineError("This picture has too many pixels; use one with at most 32 million pixels.") from None
    except (OSError, ValueError, SyntaxError):
        raise EngineError("This file cannot be read as a picture; use a PNG, JPEG or WebP file.") from None
    packed = io.BytesIO()
    clean.save(packed, "PNG")
    return _keep(packed.getvalue(), "picture", ".png")


def size_of(path: str | Path) -> tuple[int, int]:
    """Width and height of a picture as it is seen, upright; from its header."""
    with Image.open(path, formats=_FORMATS) as image:
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (image.height, image.width) if turned else (image.width, image.height)


def from_data_url(url: Any) -> Path:
    """What a script of the page made ("data:image/png;base64,...") as a file, unread; `picture` looks into it."""
    try:
        content = base64.b64decode(url.partition("base64,")[2], validate=True)
    except (AttributeError, TypeError, ValueError):
        content = b""
    return _keep(content, "painted", ".png")


def drawing(path: str | Path) -> Path:
    """An uploaded SVG, checked for size and kind; engines.vector reads it. `EngineError` when it is none."""
    path = Path(path)
    if path.stat().st_size > _MAX_SVG_BYTES:
        raise EngineError(
            "This drawing is too large; use an SVG file of at most {limit} MB.",
            limit=_MAX_SVG_BYTES >> 20,
        )
    check_svg_file(path)
    return path


def lend(path: str | Path) -> Path:
    """A copy of one of our own files where Gradio may serve it from."""
    path = Path(path)
    return _keep(path.read_bytes(), path.stem, path.suffix)


def _keep(content: bytes, stem: str, suffix: str) -> Path:
    """`content` as a file in the temporary folder; the same content is kept once."""
    path = Path(tempfile.gettempdir()) / f"{stem}-{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
    if not path.exists():
        path.write_bytes(content)
    return path


def line_of_text(text: str) -> str:
    """Text without control characters (line breaks become spaces) and without space at its ends."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text).strip()


def hex_color(color: str) -> str:
    """ "#rrggbb" of what a colour picker sends: "#rrggbb", "#rgb" or "rgba(12.3, 45, 67, 1)"."""
    if numbers := re.findall(r"[\d.]+", color) if color.startswith("rgb") else None:
        return "#" + "".join(f"{min(255, round(float(n))):02x}" for n in numbers[:3])
    return color
