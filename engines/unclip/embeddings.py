"""Arithmetic on CLIP embeddings: interpolation, text differences, mixtures, and the choice between candidates.

    z = interpolate(z_first, z_second, 0.5)                        # between two pictures
    z = text_diff(z_image, z_text, z_text_base, 0.35)              # from "a house" towards "a snowy house"
    z = mix(torch.cat([z_cat, z_sea, z_fog]), [1.0, 0.7, -0.3])

unCLIP (Ramesh et al., arXiv 2204.06125), §3. Embeddings of pictures need not be of unit length, those of published
decoders are not: what is turned here keeps its length. Nothing divides by zero: what has no direction has the
direction zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engines.errors import EngineError

__all__ = ["candidate_scores", "destandardize", "interpolate", "mix", "slerp", "standardize", "text_diff", "unit"]

SMALLEST_SINE = 1e-6
"""Below it the angle between two vectors is lost in rounding, and a straight line is the same."""
SHORTEST = 1e-6
"""Unit vectors that mean the same differ by as much from rounding; a shorter sum or difference has no direction."""


def slerp(a: Tensor, b: Tensor, theta: float) -> Tensor:
    """The vectors between a and b at the share θ of their angle, of the shape of a and b broadcast (Shoemake 1985).

    (d,) is one vector; (N, …) are N, each as if it were flattened, so that mixed noise x_T keeps its length. θ = 0
    gives a and θ = 1 gives b; parallel vectors are mixed along a straight line.
    """
    a, b = torch.broadcast_tensors(a, b)
    first, second = (x.double().reshape(len(x) if x.dim() > 1 else 1, -1) for x in (a, b))
    cosine = (unit(first) * unit(second)).sum(-1, keepdim=True).clamp(-1, 1)
    omega = cosine.acos()
    sine = omega.sin()
    is_straight = sine < SMALLEST_SINE
    sine = sine.masked_fill(is_straight, 1)
    weight_a = torch.where(is_straight, 1 - theta, ((1 - theta) * omega).sin() / sine)
    weight_b = torch.where(is_straight, theta, (theta * omega).sin() / sine)
    return (weight_a * first + weight_b * second).reshape(a.shape).to(torch.promote_types(a.dtype, b.dtype))


def interpolate(a: Tensor, b: Tensor, theta: float) -> Tensor:
    """Between the embeddings of two pictures, (N, d) or (d,): `slerp` of directions, lengths in proportion (§3.2)."""
    length = (1 - theta) * a.norm(dim=-1, keepdim=True) + theta * b.norm(dim=-1, keepdim=True)
    return slerp(unit(a), unit(b), theta) * length


def text_diff(z_image: Tensor, z_text: Tensor, z_text_base: Tensor, theta: float) -> Tensor:
    """z_image turned towards what z_text says beyond z_text_base, at its own length (§3.3).

    slerp(unit(z_image), z_d, θ) · |z_image| with z_d = unit(unit(z_text) - unit(z_text_base)); all (N, d) or (d,).
    theta: 0 leaves the picture as it is; the paper goes to between 0.25 and 0.5. Texts that mean the same to CLIP leave
    it as it is, too.
    """
    difference = unit(unit(z_text) - unit(z_text_base), SHORTEST)
    turned = slerp(unit(z_image), difference, theta) * z_image.norm(dim=-1, keepdim=True)
    return torch.where(difference.any(-1, keepdim=True), turned, z_image)


def mix(embeddings: Tensor, weights: Sequence[float]) -> Tensor:
    """(N, d) embeddings and N weights, negative ones to lead away → (1, d).

    The direction is that of the weighted sum of unit vectors, the length the mean, weighted by |w|, of theirs.
    Raises `EngineError` when nothing is left of the sum.
    """
    w = torch.tensor(weights, dtype=embeddings.dtype, device=embeddings.device)[:, None]
    length = (w.abs() * embeddings.norm(dim=-1, keepdim=True)).sum(0, keepdim=True) / w.abs().sum().clamp_min(SHORTEST)
    direction = unit((w * unit(embeddings)).sum(0, keepdim=True), SHORTEST)
    if not direction.any():
        raise EngineError("The weights of the mixture cancel each other out; raise the weight of one picture or text.")
    return direction * length


def candidate_scores(candidates: Tensor, z_text: Tensor) -> Tensor:
    """(N, k, d) embeddings that a prior drew for N texts, (N, d) → their cosines with the texts, (N, k).

    The picture is made from the candidate with the highest (§2.2).
    """
    return (unit(candidates) * unit(z_text)[:, None]).sum(-1)


# ---------------------------------------------------------------------------------------------- scale of a prior


def standardize(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """CLIP embeddings (N, d) → what a diffusion prior learns: mean 0 and variance 1 in each dimension, as noise."""
    return (z - mean) / std


def destandardize(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """The inverse of `standardize`."""
    return z * std + mean


# ---------------------------------------------------------------------------------------------- vectors


def unit(x: Tensor, shortest: float = 0.0) -> Tensor:
    """Rows of unit length, zero where they are no longer than `shortest`; half precision as float32."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    length = x.norm(dim=-1, keepdim=True)
    return torch.where(length > shortest, x / length, 0)
