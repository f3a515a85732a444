"""Ranger, the optimiser the released mappers were trained with.

RAdam (Liu et al., arXiv 1908.03265, alg. 2) with gradient centralisation (Yong et al., arXiv 2004.01461, eq. 1) and
lookahead (Zhang et al., arXiv 1907.08610, alg. 1), as the released program sets them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

__all__ = ["Ranger"]

MIN_LENGTH = 5
"""Of the average of squared gradients, in steps, from which on it is used."""


class Ranger(torch.optim.Optimizer):
    """lr: the released mappers have 0.5, as their weights have the multiplier 0.01.

    betas, eps: as in Adam. lookahead_steps, lookahead_alpha: after every so many steps, weights go back to this share
    of the way from where they were before them.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.5,
        betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-5,
        lookahead_steps: int = 6,
        lookahead_alpha: float = 0.5,
    ):
        defaults = {"lr": lr, "betas": betas, "eps": eps}
        super().__init__(parameters, defaults | {"k": lookahead_steps, "alpha": lookahead_alpha})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)
        return loss

    def _move(self, parameter: Tensor, group: dict) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(parameter)
            state["mean_square"] = torch.zeros_like(parameter)
            state["slow"] = parameter.clone()
        state["step"] += 1
        beta1, beta2 = group["betas"]
        gradient = centralized(parameter.grad)
        mean = state["mean"].lerp_(gradient, 1 - beta1)
        mean_square = state["mean_square"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)

        step_size = group["lr"] / (1 - beta1 ** state["step"])
        rectification = rectification_factor(state["step"], beta2)
        if rectification is None:
            parameter.add_(mean, alpha=-step_size)
        else:
            parameter.addcdiv_(mean, mean_square.sqrt().add_(group["eps"]), value=-step_size * rectification)

        if state["step"] % group["k"] == 0:
            parameter.copy_(state["slow"].lerp_(parameter, group["alpha"]))


def centralized(gradient: Tensor) -> Tensor:
    """Without its mean over all dimensions but the first, if there are others."""
    if gradient.dim() < 2:
        return gradient
    return gradient - gradient.mean(dim=tuple(range(1, gradient.dim())), keepdim=True)


def rectification_factor(step: int, beta2: float) -> float | None:
    """r_t of RAdam times √(1 - β₂ᵗ), which corrects the bias of the mean square; None while its average is short."""
    longest = 2 / (1 - beta2) - 1
    power = beta2**step
    length = longest - 2 * step * power / (1 - power)
    if length <= MIN_LENGTH:
        return None
    rectified = (length - 4) / (longest - 4) * (length - 2) / (longest - 2) * longest / length
    return math.sqrt((1 - power) * rectified)
