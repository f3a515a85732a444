"""Style losses between two sets of samples (hypercolumns, or plain colours): one function each, close to its formula.

Rows are samples, columns are channels: x (n, d) of the drawing, y (m, d) of the style. Either may be a `Samples`, which
remembers unit rows, mean, covariance and Gram matrix: those of a style are then computed once and not at every step.
Every loss is a scalar, 0 for equal distributions, differentiable in both, and safe at zero rows.

Relaxed EMD, moments, palette and self-similarity are those of STROTSS (Kolkin et al., "Style Transfer by Relaxed
Optimal Transport and Self-Similarity", CVPR 2019, eqs. 2-9) as StyleCLIPDraw uses them (arXiv 2202.12362).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

__all__ = [
    "Samples",
    "covariance_loss",
    "gram_loss",
    "mean_loss",
    "moment_loss",
    "palette_loss",
    "relaxed_emd",
    "self_similarity_loss",
]

SHORTEST = 1e-8
"""A row no longer than this has no direction: its cosine distance to everything is 1."""
SQUARED_RANGE = 1e-5, 1e5
"""Squared distances are held within, as in the reference: the root has no infinite slope at 0."""
COLORS = 3
"""The first columns are the picture itself."""


@dataclass(frozen=True, eq=False)
class Samples:
    """columns: (m, d). What losses need of them is computed on first use and kept, with its gradient."""

    columns: Tensor

    @cached_property
    def unit(self) -> Tensor:
        """(m, d) rows of unit length, zero rows as they are."""
        length = self.columns.norm(dim=1, keepdim=True)
        return self.columns / torch.where(length > SHORTEST, length, 1.0)

    @cached_property
    def mean(self) -> Tensor:
        """(d,)"""
        return self.columns.mean(0)

    @cached_property
    def covariance(self) -> Tensor:
        """(d, d), divided by m - 1; zero for a single sample."""
        centred = self.columns - self.mean
        return centred.T @ centred / max(len(centred) - 1, 1)

    @cached_property
    def gram(self) -> Tensor:
        """(d, d), divided by m."""
        return self.columns.T @ self.columns / len(self.columns)

    @cached_property
    def colors(self) -> Samples:
        """The first three columns alone."""
        return Samples(self.columns[:, :COLORS])


def relaxed_emd(x: Tensor | Samples, y: Tensor | Samples) -> Tensor:
    """Relaxed earth mover's distance under the cosine distance, in [0, 2]: max(meanᵢ minⱼ Cᵢⱼ, meanⱼ minᵢ Cᵢⱼ).

    C = 1 - x·y / (|x| |y|). The larger of the two sums in which every sample goes to its nearest (eqs. 2-6).
    """
    x, y = _samples(x), _samples(y)
    similarity = x.unit.detach() @ y.unit.detach().T
    return _relaxed(-similarity, lambda i, j: _cosine_distance(x, y, i, j))


def palette_loss(x: Tensor | Samples, y: Tensor | Samples) -> Tensor:
    """Relaxed EMD of colours, the first three columns, under cosine distance + √(clamp(|x - y|²) / 3).

    The reference turns the colours by a 3 × 3 matrix first; it is orthonormal and changes nothing but rounding.
    """
    x, y = _samples(x).colors, _samples(y).colors
    distance = torch.cdist(x.columns.detach(), y.columns.detach(), compute_mode="donot_use_mm_for_euclid_dist")
    cost = _root(distance.square(), COLORS) - x.unit.detach() @ y.unit.detach().T

    def exact(i: Tensor, j: Tensor) -> Tensor:
        squared = (x.columns.index_select(0, i) - y.columns.index_select(0, j)).square().sum(1)
        return _cosine_distance(x, y, i, j) + _root(squared, COLORS)

    return _relaxed(cost, exact)


def moment_loss(x: Tensor | Samples, y: Tensor | Samples) -> Tensor:
    """`mean_loss` + `covariance_loss` (eq. 7)."""
    x, y = _samples(x), _samples(y)
    return mean_loss(x, y) + covariance_loss(x, y)


def mean_loss(x: Tensor | Samples, y: Tensor | Samples) -> Tensor:
    """Mean over the channels of |μx - μy|."""
    return (_samples(x).mean - _samples(y).mean).abs().mean()


def covariance_loss(x: Tensor | Samples, y: Tensor | Samples) -> Tensor:
    """Mean over the pairs of channels of |Cov x - Cov y|."""
    return (_samples(x).covariance - _samples(y).covariance).abs().mean()


def self_similarity_loss(x: Tensor | Samples, z: Tensor | Samples) -> Tensor:
    """Mean over i, j of |C(xᵢ, xⱼ) - C(zᵢ, zⱼ)|, C the cosine distance: does x keep the arrangement of z? Both (n, d).

    STROTSS' content term (eq. 9) without its normalisation of rows, as in StyleCLIPDraw, where it is commented out.
    """
    x, z = _samples(x), _samples(z)
    return (x.unit @ x.unit.T - z.unit @ z.unit.T).abs().mean()


def gram_loss(x: Tensor | Samples, y: Tensor | Samples) -> Tensor:
    """Mean over the pairs of channels of (xᵀx / n - yᵀy / m)².

    Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 4 without its factor ¼.
    """
    return (_samples(x).gram - _samples(y).gram).square().mean()


def _samples(x: Tensor | Samples) -> Samples:
    return x if isinstance(x, Samples) else Samples(x)


def _relaxed(cost: Tensor, exact) -> Tensor:
    """`cost` (n, m) only says who goes where; `exact(i, j)` gives the costs of these pairs, with gradients.

    A minimum has the gradient of its pair alone, so this spares the backward pass over all n · m of them.
    """
    rows, columns = (torch.arange(count, device=cost.device) for count in cost.shape)
    there = exact(rows, cost.argmin(1)).mean()
    back = exact(cost.argmin(0), columns).mean()
    return torch.maximum(there, back)


def _cosine_distance(x: Samples, y: Samples, i: Tensor, j: Tensor) -> Tensor:
    return 1 - (x.unit.index_select(0, i) * y.unit.index_select(0, j)).sum(1)


def _root(squared: Tensor, channels: int) -> Tensor:
    return (squared.clamp(*SQUARED_RANGE) / channels).sqrt()
