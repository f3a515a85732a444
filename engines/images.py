"""Pictures of people, read within limits and never trusted; as 8-bit arrays, and as tensors.

Arrays are (H, W, 3) uint8 RGB. Tensors are (3, H, W) in [0, 1] unless another range is named: pictures of generators
are nominally in [-1, 1].
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
from engines.shown import shown

__all__ = [
    "MAX_PIXELS",
    "as_pixels",
    "as_sheet",
    "as_tensor",
    "load_picture",
    "on_white",
    "middle_square",
    "padded_square",
    "resized",
]

MAX_PIXELS = 32_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


def load_picture(path: str | Path, max_side: int = 1024) -> np.ndarray:
    """(H, W, 3) uint8 RGB, upright, transparent parts on white, the longer side at most `max_side`.

    Only the first frame of a moving picture. Raises `EngineError` when the file is missing, is no PNG, JPEG or WebP, is
    damaged, or has over 32 million pixels (known from its header, before it is decoded).
    """
    name = shown(Path(path).name)[1:-1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                picture.draft("RGB", (max_side, max_side))
                picture = on_white(ImageOps.exif_transpose(picture))
    except FileNotFoundError:
        raise EngineError("There is no picture at {name}; choose another file.", name=name) from None
    except Image.DecompressionBombError:  # Pillow raises it too, for the largest ones
        raise EngineError("The picture {name} is too large; use one of at most 32 million pixels.", name=name) from None
    except Exception:  # Pillow's decoders raise almost anything on damaged files
        raise EngineError(
            "The file {name} is not a readable PNG, JPEG or WebP picture; choose another one.", name=name
        ) from None
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def on_white(picture: Image.Image) -> Image.Image:
    """A picture of any mode as RGB: transparent parts on white, more than 8 bits scaled by the range of the mode."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_deep(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _from_deep(picture: Image.Image) -> Image.Image:
    """From grey of 16 or 32 bits, or of floats: by 65535 or by 1 if all numbers are within, else by their own range."""
    numbers = np.nan_to_num(np.asarray(picture, np.float64), posinf=0, neginf=0)
    low, high = 0.0, 1.0 if picture.mode == "F" else 65535.0
    if numbers.min() < low or numbers.max() > high:
        low, high = numbers.min(), numbers.max()
    grey = (numbers - low) / max(high - low, 1e-12) * 255
    return Image.fromarray(grey.round().astype(np.uint8)).convert("RGB")


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
