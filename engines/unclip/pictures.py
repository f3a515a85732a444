"""Pictures as tensors: from pixels and back, in other sizes, and side by side."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["as_sheet", "resized", "squared", "to_pixels", "to_tensor"]


def resized(pictures: Tensor, size: int) -> Tensor:
    """(N, C, H, W) in [-1, 1] → (N, C, size, size), bicubic, squashed to a square."""
    return F.interpolate(pictures, (size, size), mode="bicubic", align_corners=False, antialias=True).clamp(-1, 1)


def to_tensor(picture: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 → (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1


def to_pixels(pictures: Tensor) -> np.ndarray:
    """(N, 3, H, W), nominally in [-1, 1] → (N, H, W, 3) uint8."""
    return ((pictures.float() + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def as_sheet(pictures: Tensor, columns: int) -> np.ndarray:
    """(N, 3, S, S), nominally in [-1, 1] → (rows · S, columns · S, 3) uint8, row by row, the rest white."""
    cells = to_pixels(pictures)
    rows = -(-len(cells) // columns)
    rest = np.full((rows * columns - len(cells), *cells.shape[1:]), 255, np.uint8)
    grid = np.concatenate([cells, rest]).reshape(rows, columns, *cells.shape[1:])
    return np.concatenate([np.concatenate(list(row), 1) for row in grid])


def squared(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 → (S, S, 3), padded with white, as a `ClipEncoder` does."""
    side = max(picture.shape[:2])
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - picture.shape[0]) // 2, (side - picture.shape[1]) // 2
    square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return square
