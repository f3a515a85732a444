"""Pictures from people: read with limits, never trusted."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from engines.base import EngineError

__all__ = ["MAX_PIXELS", "load_picture"]

MAX_PIXELS = 32_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


def load_picture(path: str | Path, max_side: int = 1024) -> np.ndarray:
    """(H, W, 3) uint8 RGB, transparent parts on white, the longer side at most `max_side`; only the first frame.

    Raises `EngineError` when the file is missing, is no PNG, JPEG or WebP, is damaged, or has over 32 million pixels
    (known from its header, before it is decoded).
    """
    name = Path(path).name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                picture.draft("RGB", (max_side, max_side))
                picture = ImageOps.exif_transpose(picture).convert("RGBA")
    except FileNotFoundError:
        raise EngineError(f"There is no picture at '{name}'; choose another file.") from None
    except Image.DecompressionBombError:  # Pillow raises it too, for the largest ones
        raise EngineError(f"The picture {name} is too large; use one of at most 32 million pixels.") from None
    except Exception:  # Pillow's decoders raise almost anything on damaged files
        raise EngineError(f"The file {name} is not a readable PNG, JPEG or WebP picture; choose another one.") from None
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))
