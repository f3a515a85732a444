"""The change that each CLIP should see: from a source text to a target text, or to style pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engines.clip.encoder import ClipEncoder
from engines.clip.templates import sentences
from engines.stylegan_nada.losses import PART_TEMPLATES, image_direction, patch_text_directions, text_direction
from engines.stylegan_nada.views import image_embeds

__all__ = ["DomainTarget"]


@dataclass
class DomainTarget:
    """Source and target of a domain in the embedding space of one CLIP.

    style_pictures: (H, W, 3) uint8, square; if given, they define the direction in place of the texts. sources: (n, d),
    embeddings of the source's pictures. Text embeddings are (sentences, d), or (1, d) without templates.
    """

    encoder: ClipEncoder
    source_text: str
    target_text: str
    templates: bool
    style_pictures: list[np.ndarray]
    sources: Tensor

    @cached_property
    def direction(self) -> Tensor:
        if self.style_pictures:
            styles = torch.cat([self.encoder.encode_picture(picture) for picture in self.style_pictures])
            return image_direction(styles, self.sources)
        return text_direction(self.target_texts, self.source_texts)

    @cached_property
    def source_texts(self) -> Tensor:
        return self.encoder.encode_texts(self._sentences(self.source_text))

    @cached_property
    def target_texts(self) -> Tensor:
        return self.encoder.encode_texts(self._sentences(self.target_text))

    @cached_property
    def target(self) -> Tensor:
        return self.encoder.encode_text(self.target_text)

    @cached_property
    def global_text(self) -> Tensor:
        """With an article, as published."""
        return self.encoder.encode_text(f"a {self.target_text}" if self.target_text.isascii() else self.target_text)

    @cached_property
    def part_directions(self) -> Tensor:
        """(parts, d)"""
        target, source = (
            torch.stack([self.encoder.encode_texts(self._sentences(phrase)) for phrase in _parts(text)])
            for text in (self.target_text, self.source_text)
        )
        return patch_text_directions(target, source)

    def image_embeds(self, pictures: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return image_embeds(self.encoder, pictures[0]), image_embeds(self.encoder, pictures[1])

    def _sentences(self, text: str) -> list[str]:
        """Both texts are put into templates, or neither."""
        are_english = (self.source_text + self.target_text).isascii()
        return sentences(text) if self.templates and are_english else [text]


def _parts(text: str) -> list[str]:
    return [part.replace("{}", text).rstrip(".") for part in PART_TEMPLATES]
