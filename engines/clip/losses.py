"""How CLIP compares the pictures of a generator with a text, and the picture that it is shown for that.

Pictures are as a generator makes them: nominally in [-1, 1], not clamped.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.errors import EngineError
from engines.images import resized

__all__ = ["REFERENCE_SIZE", "clip_distance", "clip_input", "reference_clip_input"]

REFERENCE_SIZE = 224  # px of the side of what the released StyleCLIP shows CLIP


def clip_distance(image_embeddings: Tensor, text_embedding: Tensor) -> Tensor:
    """Mean over the pictures of 1 - cosine, in [0, 2]: (N, d) and (1, d) or (N, d), of any length → scalar."""
    return (1 - F.cosine_similarity(image_embeddings, text_embedding, dim=1)).mean()


def clip_input(pictures: Tensor, size: int = 224) -> Tensor:
    """(N, 3, H, W) in [-1, 1] → (N, 3, size, size) in [0, 1], clamped and antialiased.

    What `ClipEncoder.encode_image` expects; it applies CLIP's mean and deviation.
    """
    return resized((pictures.clamp(-1, 1) + 1) / 2, size)


def reference_clip_input(pictures: Tensor) -> Tensor:
    """(N, 3, S, S) in [-1, 1] → (N, 3, 224, 224), still in [-1, 1], as the released program shows CLIP its pictures.

    Neither clamped nor normalised for CLIP, which its author calls a mistake, but published weights were found with it;
    encode with `normalize=False`. Each pixel is repeated 7 × 7 times, then squares of S / 32 are averaged. That is a
    mean weighted by overlaps, row by row and column by column, and needs no picture of seven times the side.
    Raises `EngineError` when the side is no multiple of 32.
    """
    side = pictures.shape[-1]
    if pictures.shape[-2] != side or side % 32:
        raise EngineError(
            "The reference's view of a picture needs a square with a side that is a multiple of 32 (got "
            "{side} × {shape}); choose the other preprocessing.",
            side=side,
            shape=pictures.shape[-2],
        )
    square = side // 32
    starts = torch.arange(REFERENCE_SIZE, device=pictures.device)[:, None] * square
    repeated = torch.arange(side, device=pictures.device) * 7
    overlap = torch.minimum(starts + square, repeated + 7) - torch.maximum(starts, repeated)
    weights = overlap.clamp_min(0).to(pictures.dtype) / square
    return weights @ pictures @ weights.T
