"""The CLIP of a published unCLIP, from the folders beside its decoder. Embeddings are of no particular length."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from engines.diffusion.folders import load_network, load_part, read_json
from engines.images import as_tensor, padded_square, resized
from engines.unclip.embeddings import unit
from engines.unclip.text import TextCondition
from engines.unclip.typographic import zero_shot

if TYPE_CHECKING:
    from engines.diffusion._diffusers import CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

__all__ = ["PublishedClipReader"]

LOGIT_SCALE = 100.0
"""To which OpenAI's CLIPs have learned to go; these folders leave it out."""


class PublishedClipReader:
    """Towers with their projections, in evaluation mode; mean, std: of pixels in [0, 1], three each."""

    def __init__(
        self,
        tokenizer: CLIPTokenizer,
        text_encoder: CLIPTextModelWithProjection,
        image_encoder: CLIPVisionModelWithProjection,
        mean: list[float],
        std: list[float],
    ):
        self.tokenizer, self.text_encoder, self.image_encoder = tokenizer, text_encoder, image_encoder
        self.mean, self.std = (torch.tensor(x, device=image_encoder.device).view(1, 3, 1, 1) for x in (mean, std))

    @classmethod
    def load(cls, folder: Path | str, eye: Path | str, device: torch.device | str = "cpu") -> PublishedClipReader:
        """folder: with tokenizer/ and text_encoder/. eye: with image_encoder/ and feature_extractor/ (or, as
        Kandinsky calls it, image_processor/), perhaps the same.

        Raises `EngineError` when something is missing or cannot be read.
        """
        from engines.diffusion._diffusers import (  # takes seconds
            CLIPTextModelWithProjection,
            CLIPTokenizer,
            CLIPVisionModelWithProjection,
        )

        folder, eye = Path(folder), Path(eye)
        tokenizer = load_part(CLIPTokenizer.from_pretrained, folder / "tokenizer", "tokenizer")
        text, image = CLIPTextModelWithProjection.from_pretrained, CLIPVisionModelWithProjection.from_pretrained
        text_encoder = load_network(text, folder / "text_encoder", "text_encoder", device)
        image_encoder = load_network(image, eye / "image_encoder", "image_encoder", device)
        statistics = "image_processor" if (eye / "image_processor").is_dir() else "feature_extractor"
        pixels = read_json(eye / statistics / "preprocessor_config.json")
        return cls(tokenizer, text_encoder, image_encoder, pixels["image_mean"], pixels["image_std"])

    @torch.no_grad()
    def texts(self, texts: list[str]) -> TextCondition:
        """The states are those after the last normalisation, not projected."""
        read = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        said = self.text_encoder(read.input_ids.to(self.text_encoder.device))
        return TextCondition(
            said.text_embeds, said.last_hidden_state, read.attention_mask.bool().to(self.text_encoder.device)
        )

    @torch.no_grad()
    def picture(self, picture: np.ndarray) -> Tensor:
        """Padded with white to a square; what was published squashes it or cuts it off."""
        pixels = as_tensor(padded_square(picture))[None].to(self.image_encoder.device)
        pixels = resized(pixels, self.image_encoder.config.image_size)
        return self.image_encoder((pixels - self.mean) / self.std).image_embeds

    @torch.no_grad()
    def nobody(self) -> Tensor:
        """(1, d): the embedding of a picture of the mean colour, which Kandinsky takes for that of any."""
        size = self.image_encoder.config.image_size
        return self.image_encoder(torch.zeros(1, 3, size, size, device=self.image_encoder.device)).image_embeds

    def likeness(self, z_images: Tensor, labels: list[str]) -> Tensor:
        return zero_shot(unit(z_images), unit(self.texts(labels).embedding), LOGIT_SCALE)
