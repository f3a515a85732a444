"""The pocket text-to-image model: a folder in the layout of Stable Diffusion, with a `PixelAutoencoder` as its VAE."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from engines.diffusion.model import PARTS, DiffusionModel, tokens
from engines.diffusion.sampling import Sampler, plain_guidance

__all__ = ["PARTS", "PocketDiffusion", "tokens"]


class PocketDiffusion(DiffusionModel):
    """What its training writes, and looks at while it goes on."""

    def save(self, folder: Path | str) -> None:
        """Networks in the precision they have."""
        for name in PARTS:
            getattr(self, name).save_pretrained(Path(folder) / name)

    @torch.no_grad()
    def sample(self, prompts: list[str], num_steps: int, guidance_scale: float, generator: torch.Generator) -> Tensor:
        """(prompts, 3, size, size) in [0, 1], by DDIM (arXiv 2010.02502) with classifier-free guidance.

        generator: on the CPU, so that the same seed gives the same noise on every device.
        """
        sampler = Sampler(self, num_steps)
        guidance = plain_guidance(self.encode([""]), self.encode(prompts), guidance_scale)
        *_, last = sampler.steps(sampler.noise(generator, len(prompts)), lambda _: guidance)
        return self.pictures(last.latents)
