"""Instant style: a picture's style without learning, by an adapter that was trained for it.

IP-Adapter (Ye et al., arXiv 2308.06721): every cross-attention also attends to the picture as CLIP sees it. Where only
the first attention blocks on the way up do so, the style is borrowed and not what the picture shows (InstantStyle,
Wang et al., arXiv 2404.02733).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from engines.diffusion.folders import load_network
from engines.errors import EngineError

if TYPE_CHECKING:
    from engines.diffusion.model import DiffusionModel

__all__ = ["ENCODER", "WEIGHTS", "InstantStyle"]

WEIGHTS, ENCODER = "models/ip-adapter_sd15.safetensors", "models/image_encoder"
"""Within the repository that was published."""
_STYLE_BLOCK = "up_blocks.1."
"""Of Stable Diffusion 1.x: the first on the way up that attends."""


class InstantStyle:
    """model: the one given, but that its U-Net, which shares all weights with it, also attends to `embedding`, (1, 1,
    width) of the picture. picture: (H, W, 3) uint8. folder: of the adapter, as published.

    Raises `EngineError` when the adapter is missing, cannot be read, or is for another model.
    """

    def __init__(self, model: DiffusionModel, folder: Path | str, picture: np.ndarray):
        self.embedding = _seen(Path(folder) / ENCODER, picture, model.device)
        unet = model.unet
        shared = {id(tensor): tensor for tensor in chain(unet.parameters(), unet.buffers())}
        self._unet = deepcopy(unet, shared)  # modules of one's own around the same tensors
        try:
            self._unet._load_ip_adapter_weights(_weights(Path(folder) / WEIGHTS), low_cpu_mem_usage=False)
        except (OSError, KeyError, RuntimeError, SafetensorError) as error:
            raise EngineError(
                "The folder {folder} has no adapter that fits {name}; fetch it again, or learn the style.",
                folder=folder,
                name=model.name,
            ) from error
        self._unet.requires_grad_(False)
        self.model = replace(model, unet=self._unet)

    def set_scale(self, scale: float) -> None:
        """How much the picture counts, 0: not at all."""
        for name, processor in self._unet.attn_processors.items():
            if hasattr(processor, "scale"):
                processor.scale = [scale if name.startswith(_STYLE_BLOCK) else 0.0]


def _weights(path: Path) -> dict[str, dict[str, Tensor]]:
    """As diffusers wants them: the two parts of the adapter by name."""
    parts: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in load_file(path).items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    return parts


@torch.no_grad()
def _seen(folder: Path, picture: np.ndarray, device: torch.device) -> Tensor:
    """(1, 1, width) by a CLIP that is not kept: it has gigabytes, and a run needs it once."""
    from engines.diffusion._diffusers import CLIPVisionModelWithProjection
    from engines.diffusion._transformers import CLIPImageProcessor

    encoder = load_network(CLIPVisionModelWithProjection.from_pretrained, folder, "image encoder", device)
    size = encoder.config.image_size
    processor = CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
    pixels = processor(Image.fromarray(picture), return_tensors="pt").pixel_values
    return encoder(pixels.to(device)).image_embeds[:, None]
