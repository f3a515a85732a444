"""The upsampler: from a small picture to a larger one, by diffusion beside the small one enlarged.

    upsampler = Upsampler.load("karlo-v1-alpha")         # with super_res_first/, …_last/ and …_scheduler/
    for step in upsampler.sample(small, 256, generator=generator):
        step.x0                                          # (N, 3, 256, 256) in [-1, 1]

unCLIP (Ramesh et al., arXiv 2204.06125), §2.1 and appendix C: no text, convolutions alone, and in training the small
picture is corrupted a little, so that what a decoder does wrong is mended and not enlarged. Noise beside the blur:
"conditioning augmentation" (Ho et al., arXiv 2106.15282, §4.2). Networks are diffusers' UNet2DModel of 6 channels.

N pictures of 3 channels in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.unclip.diffusion import Diffusion, Step, spaced_timesteps
from engines.unclip.folders import load_network, read_json

if TYPE_CHECKING:
    from engines.unclip._diffusers import UNet2DModel

__all__ = ["FAST_27", "KARLO_7", "Upsampler", "corrupt", "enlarge", "gaussian_blur"]

FIRST, LAST, SCHEDULER = "super_res_first", "super_res_last", "super_res_scheduler"
"""Folders, as in published models."""
BLUR_TAPS, BLUR_SIGMA = 3, 0.6
"""Of the 64 → 256 px upsampler."""
KARLO_7 = spaced_timesteps(7)
FAST_27 = [997, *spaced_timesteps(10, 10, 3, 2, 2)[1:]]
"""The 27 DDIM steps of the 64 → 256 px upsampler, few where there is most noise; at 999 there is nothing else."""


class Upsampler:
    """A network in evaluation mode, another one for the last step if there is one, and their noise."""

    def __init__(self, network: UNet2DModel, scheduler: dict[str, Any], last: UNet2DModel | None = None):
        self.network, self.last, self.scheduler = network.eval(), (last or network).eval(), scheduler
        self.diffusion = Diffusion.of(scheduler)

    @classmethod
    def load(cls, folder: Path | str) -> Upsampler:
        """A published folder, float32 on the CPU. Nothing in it is run.

        Raises `EngineError` when something in it is missing, damaged or not for this.
        """
        from engines.unclip._diffusers import UNet2DModel

        folder = Path(folder)
        first, last = (load_network(UNet2DModel, folder / name) for name in (FIRST, LAST))
        return cls(first, read_json(folder / SCHEDULER / "scheduler_config.json"), last)

    def sample(
        self, small: Tensor, size: int, timesteps: Sequence[int] = KARLO_7, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """(N, 3, h, w) → steps of (N, 3, size, size). timesteps: descending; the last one is for the last network."""
        large = enlarge(small, size)

        def predict(sample: Tensor, timestep: int) -> Tensor:
            network = self.last if timestep == timesteps[-1] else self.network
            return network(torch.cat([sample, large], 1), timestep).sample

        noise = torch.randn(large.shape, generator=generator, device=generator.device).to(large)
        yield from self.diffusion.ddpm(predict, noise, timesteps, generator=generator)


def enlarge(pictures: Tensor, size: int) -> Tensor:
    """(N, C, h, w) → (N, C, size, size), bicubic, in [-1, 1]."""
    return F.interpolate(pictures, size, mode="bicubic", align_corners=False, antialias=True).clamp(-1, 1)


def corrupt(
    small: Tensor, diffusion: Diffusion, timesteps: Tensor, generator: torch.Generator, *, sigma: float = BLUR_SIGMA
) -> Tensor:
    """Small pictures as an upsampler is trained on them: blurred, then noised as at timesteps, (N,) whole numbers."""
    noise = torch.randn(small.shape, generator=generator, device=generator.device).to(small)
    return diffusion.noised(gaussian_blur(small, sigma), noise, timesteps)


def gaussian_blur(pictures: Tensor, sigma: float = BLUR_SIGMA, taps: int = BLUR_TAPS) -> Tensor:
    """(N, C, H, W) → the same shape; mirrored at the borders. sigma: in pixels. taps: odd."""
    place = torch.arange(taps, dtype=pictures.dtype, device=pictures.device) - taps // 2
    kernel = (-0.5 * (place / sigma).square()).softmax(0)
    channels = pictures.shape[1]
    padded = F.pad(pictures, (taps // 2,) * 4, mode="reflect")
    across = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(across, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
