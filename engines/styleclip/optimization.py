"""The terms of latent optimisation, what CLIP is shown, and the learning rate.

    loss = clip_distance(E(clip_input(G(w))), E(text)) + l2_lambda * l2_loss(w, w0)
           + id_lambda * identity_loss(R(G(w)), R(G(w0)))

StyleCLIP (Patashnik et al., arXiv 2103.17249), §4, eqs. 1 and 2, for one picture. R and the term of identity are those
of `engines.faces`. Published weights are 0.008 for L2 and 0.005 for identity. Pictures are as a generator makes them:
nominally in [-1, 1], not clamped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.errors import EngineError
from engines.images import resized

__all__ = [
    "clip_distance",
    "clip_input",
    "l2_loss",
    "learning_rate",
    "reference_clip_input",
]

RAMP_UP, RAMP_DOWN = 0.05, 0.25
"""Shares of a run in which the learning rate rises and falls."""
REFERENCE_SIZE = 224
"""Pixels of the side of what the reference shows CLIP."""


# ---------------------------------------------------------------------------------------------- losses


def clip_distance(image_embeddings: Tensor, text_embedding: Tensor) -> Tensor:
    """Mean over the pictures of 1 - cosine, in [0, 2]: (N, d) and (1, d) or (N, d), of any length → scalar (eq. 1)."""
    return (1 - F.cosine_similarity(image_embeddings, text_embedding, dim=1)).mean()


def l2_loss(code: Tensor | Mapping[str, Tensor], start: Tensor | Mapping[str, Tensor]) -> Tensor:
    """The sum of squares of the movement, neither its mean nor its root, over W+ or over all style vectors (eq. 1).

    It grows with the number of rows; `engines.styleclip.mapper.latent_loss` is a mean.
    """
    if isinstance(code, Tensor):
        return (code - start).square().sum()
    return torch.stack([(style - start[name]).square().sum() for name, style in code.items()]).sum()


# ---------------------------------------------------------------------------------------------- pictures


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


# ---------------------------------------------------------------------------------------------- schedule


def learning_rate(step: int, num_steps: int, lr: float) -> float:
    """Of step 0, 1, …, num_steps - 1: a linear rise in the first twentieth, a cosine fall in the last quarter.

    The first step has 0 and moves nothing. As in the projection of StyleGAN2 (arXiv 1912.04958, app. D).
    """
    t = step / num_steps
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1, (1 - t) / RAMP_DOWN))
    return lr * fall * min(1, t / RAMP_UP)
