"""What a drawing may follow beside CLIP: a picture of the prompt by a text-to-image model.

Several are painted, and the one that CLIP likes best is kept; strokes then come near to it and to what CLIP wants at
once (after VectorFusion, Jain et al., arXiv 2211.11319, §4.1, whose strokes first become such a picture).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.diffusion import DiffusionModel, sample
from engines.images import middle_square, resized

__all__ = ["distance", "painted"]

NUM_STEPS, GUIDANCE_SCALE = 12, 2.0
"""At which the pocket model paints best."""
PAPER = 0.2
"""How far from white a painting's white ground is no longer taken for paper."""


def painted(model: DiffusionModel, prompts: list[str], seed: int) -> Tensor:
    """(prompts, 3, S, S) in [0, 1], S the model's size."""
    return sample(model, prompts, NUM_STEPS, GUIDANCE_SCALE, torch.Generator().manual_seed(seed))


def distance(drawing: Tensor, painting: Tensor, background: Tensor) -> Tensor:
    """Mean squared difference of the middle square of a drawing, (3, H, W), from a (3, S, S) painting; ().

    background: (3,), the drawing's own, which stands for the white paper of the painting.
    """
    square = middle_square(drawing.movedim(0, -1)).movedim(-1, 0)
    paper = (1 - (1 - painting).amax(0) / PAPER).clamp_min(0)
    wanted = (painting + paper * (background - 1)[:, None, None]).clamp(0, 1)
    return F.mse_loss(resized(square[None], painting.shape[-1])[0], wanted)
