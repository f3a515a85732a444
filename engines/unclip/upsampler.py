"""The upsampler: from a small picture to a larger one, by diffusion beside the small one enlarged.

    upsampler = Upsampler.load("karlo-v1-alpha")         # with super_res_first/, …_last/ and …_scheduler/
    for step in upsampler.sample(small, 256, generator=generator):
        step.x0                                          # (N, 3, 256, 256) in [-1, 1]

unCLIP (Ramesh et al., arXiv 2204.06125), §2.1 and appendix C: no text, convolutions alone, and in training the small
picture is corrupted a little, so that what a decoder does wrong is mended and not enlarged. Noise beside the blur:
"conditioning augmentation" (Ho et al., arXiv 2106.15282, §4.2). Networks are diffusers' UNet2DModel of 6 channels, or
of 6 for every pixel of a patch, which makes a small one quick.

N pictures of 3 channels in [-1, 1].
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.diffusion.folders import load_complete_network, read_json
from engines.diffusion.process import Diffusion, Predict, Step, spaced_timesteps
from engines.files import write_text
from engines.images import resized

if TYPE_CHECKING:
    from engines.diffusion._diffusers import UNet2DModel

__all__ = ["FAST_27", "KARLO_7", "Upsampler", "corrupt", "gaussian_blur"]

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

    @property
    def patch(self) -> int:
        """Side of the squares of pixels that lie in the channels of one place: 1 in Karlo's, 4 in the pocket's."""
        return math.isqrt(self.network.config.in_channels // 6)

    @property
    def size(self) -> int:
        """Side in px of the pictures that it was made for: 256 in Karlo's."""
        return self.network.config.sample_size * self.patch

    @classmethod
    def load(cls, folder: Path | str) -> Upsampler:
        """A published or own folder, float32 on the CPU. Nothing in it is run.

        Raises `EngineError` when something in it is missing, damaged or not for this.
        """
        from engines.diffusion._diffusers import UNet2DModel

        folder = Path(folder)
        first = load_complete_network(UNet2DModel, folder / FIRST)
        last = load_complete_network(UNet2DModel, folder / LAST) if (folder / LAST).is_dir() else None
        return cls(first, read_json(folder / SCHEDULER / "scheduler_config.json"), last)

    def save(self, folder: Path | str, *, half: bool = False) -> None:
        """Write the folder that `load` reads. half: as fp16."""
        folder = Path(folder)
        for name, network in {FIRST: self.network, LAST: self.last}.items():
            if name == FIRST or network is not self.network:
                network = deepcopy(network).half() if half else network
                network.save_pretrained(folder / name, safe_serialization=True)
        (folder / SCHEDULER).mkdir(parents=True, exist_ok=True)
        write_text(folder / SCHEDULER / "scheduler_config.json", json.dumps(self.scheduler, indent=2) + "\n")

    def to(self, device: torch.device | str) -> Upsampler:
        self.network.to(device), self.last.to(device)
        return self

    def predict(self, sample: Tensor, timestep: int | Tensor, large: Tensor) -> Tensor:
        """What the network says of (N, 3, H, W) beside small pictures enlarged, of the same shape; differentiable."""
        return self._ask(self.network, sample, timestep, large)

    def beside(self, large: Tensor, timesteps: Sequence[int] = KARLO_7) -> Predict:
        """What `Diffusion` asks at every step; the last of the timesteps is for the last network."""

        def predict(sample: Tensor, timestep: int) -> Tensor:
            network = self.last if timestep == timesteps[-1] else self.network
            return self._ask(network, sample, timestep, large)

        return predict

    def _ask(self, network: UNet2DModel, sample: Tensor, timestep: int | Tensor, large: Tensor) -> Tensor:
        both = F.pixel_unshuffle(torch.cat([sample, large], 1), self.patch)
        return F.pixel_shuffle(network(both, timestep).sample, self.patch)

    def sample(
        self, small: Tensor, size: int, timesteps: Sequence[int] = KARLO_7, *, generator: torch.Generator
    ) -> Iterator[Step]:
        """(N, 3, h, w) → steps of (N, 3, size, size). timesteps: descending; the last one is for the last network."""
        large = resized(small, size, low=-1)
        noise = torch.randn(large.shape, generator=generator, device=generator.device).to(large)
        yield from self.diffusion.ddpm(self.beside(large, timesteps), noise, timesteps, generator=generator)


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
