"""The learning rate of optimisations in a latent space."""

from __future__ import annotations

import math

__all__ = ["learning_rate"]

RAMP_UP, RAMP_DOWN = 0.05, 0.25  # shares of a run in which the rate rises and falls


def learning_rate(step: int, num_steps: int, lr: float) -> float:
    """The rate of step 0, 1, …, num_steps - 1: a linear rise in the first twentieth, a cosine fall in the last quarter.

    The first step has rate 0 and moves nothing. As in the projection of StyleGAN2 (arXiv 1912.04958, app. D).
    """
    t = step / num_steps
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1, (1 - t) / RAMP_DOWN))
    return lr * fall * min(1, t / RAMP_UP)
