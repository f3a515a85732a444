"""The pocket text-to-image model: a folder in the layout of Stable Diffusion, with a `PixelAutoencoder` as its VAE."""

from __future__ import annotations

from pathlib import Path

from engines.diffusion.model import PARTS, DiffusionModel, tokens

__all__ = ["PARTS", "PocketDiffusion", "tokens"]


class PocketDiffusion(DiffusionModel):
    """What its training writes."""

    def save(self, folder: Path | str) -> None:
        """Networks in the precision they have."""
        for name in PARTS:
            getattr(self, name).save_pretrained(Path(folder) / name)
