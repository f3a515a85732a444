"""What style pictures have in common apart from what they show: how the features of a VGG-16 go together.

CLIP says little of texture; where pictures and not words say what is wanted, it can be compared with theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engines.images import as_tensor, resized
from engines.style import StyleEncoder

__all__ = ["StyleTexture"]

LAYERS = slice(1, 8)
"""Of the maps of a `StyleEncoder`: relu1_1 to relu3_3; what lies deeper is about things."""
SIDE = 256
"""px; larger pictures are looked at in this size."""


class StyleTexture:
    """pictures: (H, W, 3) uint8, square. size: side in px of the pictures that will be compared with them."""

    def __init__(self, encoder: StyleEncoder, pictures: Sequence[np.ndarray], size: int):
        self._encoder, self._side = encoder, min(size, SIDE)
        with torch.no_grad():
            found = [self._grams(as_tensor(picture)[None].to(encoder.device)) for picture in pictures]
        self._wanted = [torch.cat(grams).mean(0) for grams in zip(*found, strict=True)]

    def loss(self, pictures: Tensor) -> Tensor:
        """Mean over pictures and layers of ‖G − G_style‖² / ‖G_style‖², G_style being the style pictures' mean.

        Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 4, made relative so
        that all layers count alike. pictures: (N, 3, H, W), nominally in [-1, 1].
        """
        distances = [
            (own - wanted).square().sum((1, 2)).mean() / wanted.square().sum()
            for own, wanted in zip(self._grams((pictures.clamp(-1, 1) + 1) / 2), self._wanted, strict=True)
        ]
        return torch.stack(distances).mean()

    def _grams(self, pictures: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1] → (N, C, C) of each layer."""
        if pictures.shape[-1] != self._side:
            pictures = resized(pictures, self._side)
        rows = [features.flatten(2) for features in self._encoder.maps(pictures)[LAYERS]]
        return [row @ row.transpose(1, 2) / row.shape[2] for row in rows]
