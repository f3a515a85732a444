"""Pixels as latents: in a small model's folder this stands where a large one keeps its VAE.

At 64 px an autoencoder costs more than the denoiser and blurs edges, so that patches of pixels are simply laid into
channels (pixel-unshuffle): 64 × 64 × 3 becomes 16 × 16 × 48, and nothing is lost. It has no weights.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.diffusion._diffusers import (
    AutoencoderKLOutput,
    ConfigMixin,
    DecoderOutput,
    DiagonalGaussianDistribution,
    register_to_config,
)
from engines.errors import EngineError

__all__ = ["PixelAutoencoder"]


class PixelAutoencoder(nn.Module, ConfigMixin):
    """The surface of diffusers' AutoencoderKL that sampling, inversion and pipelines use, without loss.

    in_channels: of a picture. block_out_channels: as many as the factor has powers of two, plus one, which is how
    pipelines learn by how much a latent is smaller than its picture (8 px for four blocks; the numbers mean nothing).
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        latent_channels: int = 48,
        block_out_channels: tuple[int, ...] = (48, 48, 48),
        scaling_factor: float = 1.0,
        sample_size: int = 64,
    ):
        super().__init__()
        self.factor = 2 ** (len(block_out_channels) - 1)
        if latent_channels != in_channels * self.factor**2:
            raise EngineError(
                "A pixel autoencoder of factor {factor} needs {in_channels} latent channels, not "
                "{latent_channels}; correct vae/config.json.",
                factor=self.factor,
                in_channels=in_channels * self.factor**2,
                latent_channels=latent_channels,
            )
        self.register_buffer("_like", torch.zeros(()), persistent=False)  # knows the type and the device

    @property
    def dtype(self) -> torch.dtype:
        return self._like.dtype

    @property
    def device(self) -> torch.device:
        return self._like.device

    def encode(self, x: Tensor, return_dict: bool = True) -> AutoencoderKLOutput | tuple:
        """(B, 3, H, W) in [-1, 1], sides divisible by the factor → `.latent_dist`, a certainty of (B, 48, H/4, W/4)."""
        if x.shape[-2] % self.factor or x.shape[-1] % self.factor:
            raise EngineError(
                "A picture of {shape} × {shape_2} px does not divide into patches of {factor} px; resize it "
                "to a multiple of {factor}.",
                shape=x.shape[-1],
                shape_2=x.shape[-2],
                factor=self.factor,
            )
        mean = F.pixel_unshuffle(x, self.factor)
        certain = DiagonalGaussianDistribution(torch.cat([mean, torch.zeros_like(mean)], 1), deterministic=True)
        return AutoencoderKLOutput(latent_dist=certain) if return_dict else (certain,)

    def decode(self, z: Tensor, return_dict: bool = True, generator=None) -> DecoderOutput | tuple:
        """(B, 48, h, w) → `.sample`, (B, 3, 4h, 4w). `generator` is taken, as pipelines give one, and not needed."""
        picture = F.pixel_shuffle(z, self.factor)
        return DecoderOutput(sample=picture) if return_dict else (picture,)

    def save_pretrained(self, folder: str | Path, **_) -> None:
        """Writes config.json."""
        self.save_config(folder)

    @classmethod
    def from_pretrained(cls, folder: str | Path, **_) -> PixelAutoencoder:
        """Reads config.json."""
        return cls.from_config(cls.load_config(folder))
