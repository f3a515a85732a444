"""What a network that predicts clean samples is asked in training: as in `training.diffusion`, for any schedule.

Timesteps are drawn as flow times, t = sigmoid(N(0, 1)), by t = √(1 − ᾱ) / (√ᾱ + √(1 − ᾱ)), and the loss is
‖x̂ − x‖² / max(t, 0.1)²: flow matching with prediction of x (arXiv 2403.03206, 2511.13720).
"""

from __future__ import annotations

import torch
from torch import Tensor

from engines.unclip.diffusion import Diffusion
from training.diffusion import EVENLY, nearest

__all__ = ["Flow"]

SMALLEST_TIME = 0.1


class Flow:
    def __init__(self, diffusion: Diffusion):
        self.diffusion = diffusion
        signal, noise = diffusion.alphas_cumprod.sqrt(), (1 - diffusion.alphas_cumprod).sqrt()
        self.times = (noise / (signal + noise)).float()

    def timesteps(self, count: int, generator: torch.Generator) -> Tensor:
        """(count,) int64; a share of EVENLY is drawn evenly, so that both ends are learned, too."""
        by_flow = nearest(self.times, torch.randn(count, generator=generator).sigmoid())
        evenly = torch.randint(len(self.times), (count,), generator=generator)
        return torch.where(torch.rand(count, generator=generator) < EVENLY, evenly, by_flow)

    def noised(self, clean: Tensor, timesteps: Tensor, generator: torch.Generator) -> Tensor:
        """(N, …) samples, each with the noise of its timestep."""
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        return self.diffusion.noised(clean, noise, timesteps)

    def loss(self, predicted: Tensor, clean: Tensor, timesteps: Tensor) -> Tensor:
        """Mean over (N, C, H, W) samples."""
        weight = self.times[timesteps].clamp_min(SMALLEST_TIME).square().to(clean.device)
        return ((predicted.float() - clean).square().mean((1, 2, 3)) / weight).mean()
