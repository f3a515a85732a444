"""The learning rate over a training, and how long the average of the weights remembers."""

from __future__ import annotations

import math

__all__ = ["average_decay", "learning_rate", "linear_learning_rate"]


def learning_rate(
    peak: float, progress: float, warm_up: float, *, end: float = 1.0, first: float = 0.0, last: float = 0.0
) -> float:
    """`peak` after a linear warm-up, and all the while falling along half a cosine.

    progress, warm_up, end: in one unit, as shares of the training or as steps; the rate stays after `end` as it is.
    first, last: what is left of the warm-up's factor at the beginning, and of the cosine's at the end, from 0 to 1.
    """
    fall = (1 + math.cos(math.pi * min(progress, end) / end)) / 2
    return peak * min(1.0, progress / warm_up + first) * (last + (1 - last) * fall)


def linear_learning_rate(peak: float, batch: int, batches: int, *, warm_up: int, last: float) -> float:
    """`peak` after a linear warm-up, and all the while falling along a line.

    batch, batches, warm_up: in batches, the first is 0. last: what is left of the peak at the end, from 0 to 1.
    """
    return peak * min(1.0, (batch + 1) / warm_up) * (last + (1 - last) * (batches - batch) / batches)


def average_decay(decay: float, batch: int) -> float:
    """`decay`, for `update_average`, but less at first, so that the average soon forgets how the weights began."""
    return min(decay, batch / (batch + 20))
