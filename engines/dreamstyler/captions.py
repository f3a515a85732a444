"""A first caption of a picture, for the user to correct."""

from __future__ import annotations

import numpy as np

from engines.diffusion.captioner import names_in
from engines.zoo import Models

__all__ = ["caption_of"]


def caption_of(models: Models, picture: np.ndarray) -> str:
    """(H, W, 3) uint8 → "a cat and a house", by the family's captioner, or by its CLIP where it has none."""
    captioner = models.captioner()
    return names_in(models.clip(), picture) if captioner is None else captioner(picture)
