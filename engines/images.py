"""Pictures: from people, read with limits and never trusted; as 8-bit arrays, and as tensors.

Arrays are (H, W, 3) uint8 RGB. Tensors are (3, H, W) in [0, 1], but where another range is told: generators make
pictures that are nominally in [-1, 1].
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from engines.errors import EngineError

__all__ = [
    "MAX_PIXELS",
    "as_pixels",
    "as_sheet",
    "as_tensor",
    "load_picture",
    "middle_square",
    "padded_square",
    "resized",
]

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
        raise EngineError("There is no picture at '{name}'; choose another file.", name=name) from None
    except Image.DecompressionBombError:  # Pillow raises it too, for the largest ones
        raise EngineError("The picture {name} is too large; use one of at most 32 million pixels.", name=name) from None
    except Exception:  # Pillow's decoders raise almost anything on damaged files
        raise EngineError(
            "The file {name} is not a readable PNG, JPEG or WebP picture; choose another one.", name=name
        ) from None
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))


# ---------------------------------------------------------------------------------------------- squares


def padded_square(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 → (S, S, 3), S the longer side, with white on both sides of the shorter one."""
    height, width = picture.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full((side, side, 3), 255, np.uint8)
    square[top : top + height, left : left + width] = picture
    return square


def middle_square(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 → (S, S, 3), S the shorter side, as CLIP's own preprocessing crops."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


# ---------------------------------------------------------------------------------------------- tensors


def as_tensor(pixels: np.ndarray) -> Tensor:
    """(…, H, W, 3) uint8 → (…, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).movedim(-1, -3).float() / 255


def as_pixels(pictures: Tensor) -> np.ndarray:
    """(…, 3, H, W), nominally in [0, 1] → (…, H, W, 3) uint8, rounded."""
    return (pictures.float() * 255).round().clamp(0, 255).byte().movedim(-3, -1).cpu().numpy()


def as_sheet(pictures: Tensor, columns: int) -> np.ndarray:
    """(N, 3, S, S), nominally in [0, 1] → (rows · S, columns · S, 3) uint8, row by row, the rest white."""
    cells = as_pixels(pictures)
    count, side = cells.shape[:2]
    rows = -(-count // columns)
    grid = np.full((rows * columns, side, side, 3), 255, np.uint8)
    grid[:count] = cells
    return grid.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)


def resized(pictures: Tensor, size: int, low: float = 0.0) -> Tensor:
    """(N, C, H, W) in [low, 1] → (N, C, size, size), bicubic with antialiasing, squashed to a square."""
    square = F.interpolate(pictures, (size, size), mode="bicubic", align_corners=False, antialias=True)
    return square.clamp(low, 1)  # bicubic overshoots
