"""A text-to-image diffusion model: a folder in the layout of Stable Diffusion 1.x, pocket and full alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from engines.diffusion.folders import load_network, load_part

if TYPE_CHECKING:
    from engines.diffusion._diffusers import (
        AutoencoderKL,
        CLIPTextModel,
        CLIPTokenizer,
        DDIMScheduler,
        DiagonalGaussianDistribution,
        UNet2DConditionModel,
    )
    from engines.diffusion.pixels import PixelAutoencoder

__all__ = ["PARTS", "DiffusionModel", "tokens"]

PARTS = ("tokenizer", "text_encoder", "unet", "scheduler", "vae")
"""The sub-folders."""


@dataclass(frozen=True)
class DiffusionModel:
    """The parts of the model, by the names of their folders; networks in eval mode. name: what people call it."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel
    scheduler: DDIMScheduler
    vae: PixelAutoencoder | AutoencoderKL
    name: str = ""

    @classmethod
    def load(
        cls,
        folder: Path | str,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        name: str = "",
    ) -> Self:
        """Networks on the device, in the dtype; a scheduler of any class as the DDIM of the same schedule.

        Raises `EngineError` when a part is missing or cannot be read.
        """
        from engines.diffusion import _diffusers  # takes seconds

        folder = Path(folder)
        tools = {"tokenizer": _diffusers.CLIPTokenizer, "scheduler": _diffusers.DDIMScheduler}
        networks = {
            "text_encoder": _diffusers.CLIPTextModel.from_pretrained,
            "unet": _load_unet,
            "vae": _load_vae,
        }
        parts = {part: load_part(kind.from_pretrained, folder / part, part) for part, kind in tools.items()}
        for part, load in networks.items():
            parts[part] = load_network(load, folder / part, part, device, dtype)
        return cls(**parts, name=name or folder.name)

    @property
    def device(self) -> torch.device:
        return self.unet.device

    @property
    def factor(self) -> int:
        """By how much a latent is smaller than its picture, in each direction."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def size(self) -> int:
        """Side of the pictures it was trained on, in px."""
        return self.unet.config.sample_size * self.factor

    def encode(self, prompts: list[str]) -> Tensor:
        """→ (prompts, tokens, width), what the U-Net attends to; what is too long is cut off."""
        ids = tokens(self.tokenizer, prompts).to(self.text_encoder.device)
        return self.text_encoder(ids).last_hidden_state

    @torch.no_grad()
    def latents(self, pictures: Tensor) -> DiagonalGaussianDistribution:
        """(N, 3, H, W) in [0, 1], sides divisible by the factor → the VAE's posterior, not yet scaled."""
        return self.vae.encode((pictures * 2 - 1).to(self.vae.device, self.vae.dtype)).latent_dist

    @torch.no_grad()
    def pictures(self, latents: Tensor) -> Tensor:
        """(N, C, h, w) → (N, 3, H, W) in [0, 1], float32."""
        decoded = self.vae.decode((latents / self.vae.config.scaling_factor).to(self.vae.dtype)).sample
        return (decoded.float() / 2 + 0.5).clamp(0, 1)


def _load_unet(folder: Path, **options) -> UNet2DConditionModel:
    """Of the class that its config.json names."""
    from engines.diffusion.drafting import unet_class

    return unet_class(folder).from_pretrained(folder, **options)


def _load_vae(folder: Path, **options) -> PixelAutoencoder | AutoencoderKL:
    """Of the class that its config.json names."""
    from engines.diffusion._diffusers import AutoencoderKL
    from engines.diffusion.pixels import PixelAutoencoder

    kinds = {kind.__name__: kind for kind in (PixelAutoencoder, AutoencoderKL)}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return kinds[config["_class_name"]].from_pretrained(folder, **options)


def tokens(tokenizer: CLIPTokenizer, prompts: list[str]) -> Tensor:
    """(prompts, tokenizer.model_max_length) ids, cut off or padded to that length."""
    return tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
