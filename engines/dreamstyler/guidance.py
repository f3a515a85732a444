"""Style and context guidance: how much a picture follows the style, and how much what it shall show.

DreamStyler (Ahn et al., arXiv 2309.06933), §3.3. With the predictions u for the empty or negative prompt, v for the
full one, v_c for its context alone and v_s for the style alone, the released code adds to u

    null (v - u) + ½ [ style (v - v_c) + context (v_c - u) ] + ½ [ context (v - v_s) + style (v_s - u) ]

which are the two ways to tell style and context apart (appendix, eq. 9 and 10) and ordinary guidance (eq. 11). The
paper prints it without the halves, so that its scales of style and context stand for ones twice as large here.
Collected, it is u + (null + (style + context) / 2) (v - u) + (context - style) / 2 · (v_c - v_s).
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["Weights", "guidance_weights", "guide", "within"]


class Weights(NamedTuple):
    """Of the four predictions; they add up to 1. Equal scales of style and context need no more than two of them.

    Numbers, or maps with one for each place of the latents.
    """

    uncond: float | Tensor
    full: float | Tensor
    context: float | Tensor
    style: float | Tensor


def guidance_weights(style_scale: float, context_scale: float, null_scale: float) -> Weights:
    """The weights that the scales come to."""
    overall = null_scale + (style_scale + context_scale) / 2
    balance = (context_scale - style_scale) / 2
    return Weights(1 - overall, overall, balance, -balance)


def within(weights: Weights, region: Tensor) -> Weights:
    """Maps of weights that keep the style to a region, 1 in it and 0 outside, where the context alone guides."""
    context = weights.context * region + weights.full * (1 - region)
    return Weights(weights.uncond, weights.full * region, context, weights.style * region)


def guide(
    uncond: Tensor,
    full: Tensor,
    context: Tensor,
    style: Tensor,
    *,
    style_scale: float,
    context_scale: float,
    null_scale: float,
) -> Tensor:
    """The guided prediction, of the shape of the four."""
    weights = guidance_weights(style_scale, context_scale, null_scale)
    predictions = (uncond, full, context, style)
    return sum(weight * prediction for weight, prediction in zip(weights, predictions, strict=True))
