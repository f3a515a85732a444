"""Ranger, the optimiser with which the released mappers were trained.

RAdam (Liu et al., arXiv 1908.03265) with gradient centralisation (Yong et al., arXiv 2004.01461, eq. 1) and lookahead
(Zhang et al., arXiv 1907.08610, alg. 1), with the settings of the released program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Ranger", "centralized", "present_names"]

EARLIER_NAMES = {"mean": "exp_avg", "mean_square": "exp_avg_sq"}


class Ranger(torch.optim.RAdam):
    """lr: 0.5 for the released mappers, whose weights are scaled by 0.01. betas, eps: as in Adam.

    lookahead_steps, lookahead_alpha: after every so many steps the weights go back to this share of the way from where
    they were before these steps.
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
        super().__init__(parameters, lr=lr, betas=betas, eps=eps)
        self.lookahead_steps, self.lookahead_alpha = lookahead_steps, lookahead_alpha

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            moving = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
            begins = {p: p.clone() for p in moving if not self.state[p]}
            for parameter in moving:
                parameter.grad = centralized(parameter.grad)
            super().step()
            for parameter in moving:
                self._look_ahead(parameter, self.state[parameter], begins)
        return loss

    def _look_ahead(self, parameter: Tensor, state: dict[str, Any], begins: dict[Tensor, Tensor]) -> None:
        if parameter in begins:
            state["slow"] = begins[parameter]
        if state["step"] % self.lookahead_steps == 0:
            parameter.copy_(state["slow"].lerp_(parameter, self.lookahead_alpha))


def centralized(gradient: Tensor) -> Tensor:
    """The gradient without its mean over all dimensions but the first, if there are others."""
    if gradient.dim() < 2:
        return gradient
    return gradient - gradient.mean(dim=tuple(range(1, gradient.dim())), keepdim=True)


def present_names(memory: dict[str, Any]) -> dict[str, Any]:
    """The state of one parameter under the names of today, from a run saved by an earlier version."""
    renamed = {EARLIER_NAMES.get(name, name): value for name, value in memory.items()}
    return {**renamed, "step": torch.as_tensor(renamed["step"], dtype=torch.float32)} if renamed else {}
