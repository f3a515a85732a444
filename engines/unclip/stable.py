"""The decoder of Stable unCLIP: Stable Diffusion 2.1 that was taught to look at an embedding, too.

It paints latents of an autoencoder, for pictures of 768 px, and reads words with a text encoder of its own. To an
engine it is as a `Decoder` is, but that an embedding is noised to a level before it is given, and the level is said
beside it: the more noise, the freer the picture. What stands for any picture is zero.
Latent diffusion: Rombach et al., arXiv 2112.10752; noised conditions: Ho et al., arXiv 2106.15282, §4.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engines.diffusion.folders import load_complete_network, load_part, read_json
from engines.diffusion.process import Diffusion, Predict, current
from engines.errors import EngineError
from engines.images import resized
from engines.unclip.decoder import LatentDecoder, guidance_weights, guided
from engines.unclip.embeddings import destandardize, standardize
from engines.unclip.text import TextCondition

if TYPE_CHECKING:
    from engines.diffusion._diffusers import AutoencoderKL, CLIPTextModel, CLIPTokenizer, UNet2DConditionModel

__all__ = ["StableDecoder", "level_embedding"]

NETWORK, AUTOENCODER, SCHEDULER = "unet", "vae", "scheduler"
TOKENIZER, TEXT_ENCODER = "tokenizer", "text_encoder"
NORMALIZER, NOISING = "image_normalizer", "image_noising_scheduler"
"""Folders, as in the published models."""
KIND = "a Stable unCLIP whose parts know the same embeddings"
LONGEST_WAVE = 10_000
"""Over 2π, of the sines and cosines that say a level."""


class StableDecoder(LatentDecoder):
    """mean, std: of embeddings, (1, d) each, by which they are noised. Its pictures have 768 px."""

    def __init__(
        self,
        network: UNet2DConditionModel,
        autoencoder: AutoencoderKL,
        tokenizer: CLIPTokenizer,
        text_encoder: CLIPTextModel,
        mean: Tensor,
        std: Tensor,
        *,
        scheduler: dict[str, Any],
        noising: dict[str, Any],
    ):
        super().__init__(network, autoencoder, scheduler)
        self.tokenizer, self.text_encoder = tokenizer, text_encoder.eval()
        self.mean, self.std, self.noising = mean, std, Diffusion.of(noising)

    @property
    def length(self) -> float:
        """The usual one of an embedding: the root of its mean square."""
        return (self.mean.square() + self.std.square()).sum().sqrt().item()

    @classmethod
    def load(cls, folder: Path | str, device: torch.device | str = "cpu") -> StableDecoder:
        """The published folder, float32, on the device. Nothing in it is run.

        Raises `EngineError` when something in it is missing, damaged or not for this.
        """
        from engines.diffusion._diffusers import AutoencoderKL, CLIPTextModel, CLIPTokenizer, UNet2DConditionModel

        # isort: split
        from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer

        folder = Path(folder)
        statistics = load_complete_network(StableUnCLIPImageNormalizer, folder / NORMALIZER)
        network = load_complete_network(UNet2DConditionModel, folder / NETWORK)
        if network.config.projection_class_embeddings_input_dim != 2 * statistics.mean.shape[1]:
            raise EngineError("'{file}' is not the folder of {KIND}; choose another one.", file=folder.name, KIND=KIND)
        return cls(
            network.to(device),
            load_complete_network(AutoencoderKL, folder / AUTOENCODER).to(device),
            load_part(CLIPTokenizer.from_pretrained, folder / TOKENIZER, TOKENIZER),
            load_complete_network(CLIPTextModel, folder / TEXT_ENCODER).to(device),
            statistics.mean.data.to(device),
            statistics.std.data.to(device),
            scheduler=read_json(folder / SCHEDULER / "scheduler_config.json"),
            noising=read_json(folder / NOISING / "scheduler_config.json"),
        )

    @torch.no_grad()
    def samples(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] → latents (N, C, h, w), the likeliest ones."""
        latents = self.autoencoder.encode(resized(pictures, self.size, low=-1)).latent_dist.mode()
        return latents * self.autoencoder.config.scaling_factor

    @torch.no_grad()
    def pictures(self, samples: Tensor) -> Tensor:
        """Latents (N, C, h, w) → (N, 3, H, W), nominally in [-1, 1]."""
        return self.autoencoder.decode(samples / self.autoencoder.config.scaling_factor).sample

    @torch.no_grad()
    def texts(self, texts: list[str]) -> TextCondition:
        """As the U-Net attends to them, padding included. Their embedding is in no space of pictures."""
        options = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
        read = self.tokenizer(texts, **options).input_ids.to(self.text_encoder.device)
        said = self.text_encoder(read)
        return TextCondition(said.pooler_output, said.last_hidden_state, torch.ones_like(read, dtype=torch.bool))

    def noised(self, z_image: Tensor, level: int, noise: Tensor) -> Tensor:
        """(N, d) CLIP embeddings of pictures → (N, 2d) as the U-Net takes them: noised, and the level beside them.

        level: from 0, 0.6 % of noise, to 999, nothing else. noise: standard normal, (N, d), or (1, d) for all.
        """
        levels = torch.full((len(z_image),), level)
        noisy = self.noising.noised(standardize(z_image, self.mean, self.std), noise, levels)
        said = level_embedding(level, z_image.shape[1]).to(z_image).expand(len(z_image), -1)
        return torch.cat([destandardize(noisy, self.mean, self.std), said], 1)

    def conditioned(
        self,
        z_image: Tensor | Callable[[], Tensor],
        text: TextCondition,
        null: TextCondition,
        *,
        image_scale: float | Callable[[], float] = 10.0,
        text_scale: float | Callable[[], float] = 10.0,
    ) -> Predict:
        """As `Decoder.conditioned`, with what `noised` gave and what `texts` read; 10 is the published default."""

        def predict(sample: Tensor, timestep: int) -> Tensor:
            count = len(sample)
            z = current(z_image).expand(count, -1)
            branches = (z, text), (z, null), (torch.zeros_like(z), null)

            def ask(batch: Tensor, pictures: tuple[Tensor, ...], texts: tuple[TextCondition, ...]) -> Tensor:
                tokens = torch.cat([words.expanded(count).tokens for words in texts])
                seen = torch.cat(pictures)
                return self.network(batch, timestep, encoder_hidden_states=tokens, class_labels=seen).sample

            return guided(sample, branches, guidance_weights(current(image_scale), current(text_scale)), ask)

        return predict


def level_embedding(level: int, width: int) -> Tensor:
    """(width,): cosines and then sines of a level, as those of a timestep (Vaswani et al., arXiv 1706.03762, §3.5)."""
    half = width // 2
    angles = level * LONGEST_WAVE ** (-torch.arange(half, dtype=torch.float64) / half)
    return torch.cat([angles.cos(), angles.sin()]).float()
