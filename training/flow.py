"""Flow matching with prediction of the clean sample (arXiv 2403.03206, 2511.13720), on any schedule of noise.

A network sees x_t = √ᾱ x + √(1 − ᾱ) n and the timestep, and answers with x itself (prediction type "sample").
Timesteps are drawn as flow times, t = sigmoid(N(location, scale²)), by t = √(1 − ᾱ) / (√ᾱ + √(1 − ᾱ)), and the loss
is ‖x̂ − x‖² / max(t, 0.1)².
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["PLAIN", "WORDS", "Flow", "nearest"]

SMALLEST_TIME = 0.1
WORDS = {"location": 1.0, "scale": 1.3}
"""For pictures of 64 px made from words: until t = 0.6 the noise leaves it plain what they show, so that no words are
needed to paint on, and at t = 0.85 nobody can tell any more. What words mean is learned between and beyond."""

PLAIN = {"location": 5.0, "scale": 1.5, "evenly": 0.0}
"""For the same, where there is nothing else to be learned than what things look like."""


class Flow:
    """alphas_cumprod: ᾱ of each timestep, the share of the signal's variance, (T,) falling, on the CPU.

    location, scale: of the normal numbers whose sigmoids are the flow times.
    evenly: share of timesteps that are drawn evenly: of the first and the last ones, where inversion and sampling
        begin, flow times hardly bring any.
    """

    def __init__(self, alphas_cumprod: Tensor, *, location: float = 0.0, scale: float = 1.0, evenly: float = 0.1):
        self.alphas_cumprod, self.location, self.scale, self.evenly = alphas_cumprod, location, scale, evenly
        signal, noise = alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt()
        self.times = (noise / (signal + noise)).float()

    def timesteps(self, count: int, generator: torch.Generator) -> Tensor:
        """(count,) int64."""
        numbers = self.location + self.scale * torch.randn(count, generator=generator)
        by_flow = nearest(self.times, numbers.sigmoid())
        anywhere = torch.randint(len(self.times), (count,), generator=generator)
        return torch.where(torch.rand(count, generator=generator) < self.evenly, anywhere, by_flow)

    def noised(self, clean: Tensor, timesteps: Tensor, generator: torch.Generator) -> Tensor:
        """(N, C, H, W) samples, each with the noise of its timestep."""
        level = self.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        return level.sqrt().to(clean) * clean + (1 - level).sqrt().to(clean) * noise

    def loss(self, predicted: Tensor, clean: Tensor, timesteps: Tensor) -> Tensor:
        """Mean over (N, C, H, W) samples."""
        weight = self.times[timesteps].clamp_min(SMALLEST_TIME).square().to(clean.device)
        return ((predicted.float() - clean).square().mean((1, 2, 3)) / weight).mean()


def nearest(table: Tensor, values: Tensor) -> Tensor:
    """Place of the entry of a rising `table` that is nearest to each value, int64."""
    return torch.searchsorted((table[1:] + table[:-1]) / 2, values)
