"""The decoder of Kandinsky 2.2: from an embedding to latents of an autoencoder (MoVQ), and from these to a picture.

It reads no words; what stands for any picture is the embedding of a grey one. To an engine it is as a `Decoder` is.
Kandinsky: Razzhigaev et al., arXiv 2310.03502; MoVQ: Zheng et al., arXiv 2209.09002.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engines.diffusion.folders import load_complete_network, read_json
from engines.diffusion.process import Predict, current
from engines.images import resized
from engines.unclip.decoder import LatentDecoder, guided
from engines.unclip.text import TextCondition

if TYPE_CHECKING:
    from engines.diffusion._diffusers import UNet2DConditionModel, VQModel

__all__ = ["KandinskyDecoder"]

NETWORK, AUTOENCODER, SCHEDULER = "unet", "movq", "scheduler"
"""Folders, as in the published model."""


class KandinskyDecoder(LatentDecoder):
    """z_nobody: (1, d), stands for any picture. Its pictures have 512 px."""

    def __init__(
        self, network: UNet2DConditionModel, autoencoder: VQModel, scheduler: dict[str, Any], z_nobody: Tensor
    ):
        super().__init__(network, autoencoder, scheduler)
        self.z_nobody = z_nobody

    @classmethod
    def load(cls, folder: Path | str, z_nobody: Tensor) -> KandinskyDecoder:
        """The published folder, float32, on the device of z_nobody. Nothing in it is run.

        Raises `EngineError` when something in it is missing, damaged or not for this.
        """
        from engines.diffusion._diffusers import UNet2DConditionModel, VQModel

        folder, device = Path(folder), z_nobody.device
        network = load_complete_network(UNet2DConditionModel, folder / NETWORK).to(device)
        autoencoder = load_complete_network(VQModel, folder / AUTOENCODER).to(device)
        return cls(network, autoencoder, read_json(folder / SCHEDULER / "scheduler_config.json"), z_nobody)

    @torch.no_grad()
    def samples(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] → latents (N, C, h, w)."""
        return self.autoencoder.encode(resized(pictures, self.size, low=-1)).latents

    @torch.no_grad()
    def pictures(self, samples: Tensor) -> Tensor:
        """Latents (N, C, h, w) → (N, 3, H, W), nominally in [-1, 1]."""
        return self.autoencoder.decode(samples, force_not_quantize=True).sample

    def conditioned(
        self,
        z_image: Tensor | Callable[[], Tensor],
        text: TextCondition,
        null: TextCondition,
        *,
        image_scale: float | Callable[[], float] = 4.0,
        text_scale: float | Callable[[], float] = 4.0,
    ) -> Predict:
        """As `Decoder.conditioned`; words and their scale change nothing. 4 is the published default."""

        def predict(sample: Tensor, timestep: int) -> Tensor:
            def ask(batch: Tensor, pictures: tuple[Tensor, ...]) -> Tensor:
                seen = {"image_embeds": torch.cat(pictures)}
                return self.network(batch, timestep, encoder_hidden_states=None, added_cond_kwargs=seen).sample

            scale = current(image_scale)
            branches = [(z.expand(len(sample), -1),) for z in (current(z_image), self.z_nobody)]
            return guided(sample, branches, (scale, 1 - scale), ask)

        return predict
