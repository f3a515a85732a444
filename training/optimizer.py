"""The optimizer of networks that have a thousand different things to remember: Muon for their matrices.

Adam's steps follow what many things have in common and leave for late what is one thing's own. Muon's steps (Jordan
2024, arXiv 2502.16982) are made orthogonal, so that every direction of a matrix moves alike (arXiv 2509.26030).
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["MatrixOptimizer"]

MATRIX_SHARE = 20.0
"""Muon's rate, of Adam's."""
BETAS, MOMENTUM = (0.9, 0.99), 0.95
OUTER = ("conv_in", "conv_out")
"""Layers of a U-Net that face the pixels: not hidden, and better left to Adam."""


class MatrixOptimizer:
    """Muon for the weights of all linear and convolutional layers but OUTER, Adam for everything else.

    networks: each with the share of the rate at which it learns. Used as an optimizer of torch; its groups' "share", by
    which `training.loop.descend` multiplies the rate, is the network's, for matrices times MATRIX_SHARE.
    """

    def __init__(self, *networks: tuple[nn.Module, float]):
        matrices, others = [], []
        self.views: list[tuple[nn.Parameter, nn.Parameter]] = []
        for network, share in networks:
            weights = _matrices(network)
            known = {id(weight) for weight in weights}
            rest = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
            views = [nn.Parameter(weight.detach().flatten(1)) for weight in weights]
            self.views += zip(weights, views, strict=True)
            matrices.append({"params": views, "share": MATRIX_SHARE * share})
            others.append({"params": rest, "share": share})
        self.muon = torch.optim.Muon(matrices, weight_decay=0.0, momentum=MOMENTUM)
        self.adam = torch.optim.AdamW(others, weight_decay=0.0, betas=BETAS, fused=True)

    @property
    def param_groups(self) -> list[dict]:
        return self.muon.param_groups + self.adam.param_groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.adam.zero_grad(set_to_none)
        for weight, view in self.views:
            weight.grad = view.grad = None

    def step(self) -> None:
        for weight, view in self.views:
            view.grad = None if weight.grad is None else weight.grad.flatten(1)
        self.muon.step()
        self.adam.step()

    def state_dict(self) -> dict:
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])


def _matrices(network: nn.Module) -> list[nn.Parameter]:
    """Muon takes two dimensions only, so that it is given views, (out, in · height · width) of a convolution."""
    return [
        module.weight
        for name, module in network.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d)) and name.rpartition(".")[2] not in OUTER
    ]
