"""What a drawing may follow beside CLIP: a picture of the prompt by a text-to-image model.

Several are painted, and the one that CLIP likes best is kept; strokes then come near to it and to what CLIP wants at
once (after VectorFusion, Jain et al., arXiv 2211.11319, §4.1, whose strokes first become such a picture).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.diffusion import DiffusionModel, Sampler, plain_guidance
from engines.images import resized

__all__ = ["best_painting", "distance"]

NUM_STEPS, GUIDANCE_SCALE = 12, 2.0
"""At which the pocket model paints best."""


@torch.no_grad()
def best_painting(model: DiffusionModel, prompts: list[str], seed: int, likings: Callable[[Tensor], Tensor]) -> Tensor:
    """(3, S, S) in [0, 1]: of one picture of each prompt the one that is liked best. S: the model's size.

    likings: (N, 3, S, S) → (N,)
    """
    sampler = Sampler(model, NUM_STEPS)
    guidance = plain_guidance(model.encode([""]), model.encode(prompts), GUIDANCE_SCALE)
    *_, last = sampler.steps(sampler.noise(torch.Generator().manual_seed(seed), len(prompts)), lambda _: guidance)
    pictures = model.pictures(last.latents)
    return pictures[likings(pictures).argmax()]


def distance(drawing: Tensor, painting: Tensor) -> Tensor:
    """Mean squared difference of the middle square of a drawing, (3, H, W), from a (3, S, S) painting; ()."""
    height, width = drawing.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = drawing[None, :, top : top + side, left : left + side]
    return F.mse_loss(resized(square, painting.shape[-1])[0], painting)
