"""Diffusion models in the folder layout of Stable Diffusion: what they are made of, how they are loaded and sampled.

For models of other layouts there is the bare process (`process`), and a step of it at a time (`walk`).

Importing this is cheap: diffusers is imported by what needs it, when it is used.
"""

from engines.diffusion.model import DiffusionModel
from engines.diffusion.pocket import PocketDiffusion
from engines.diffusion.sampling import Control, Guidance, Sampler, SampleStep, plain_guidance, sample

__all__ = [
    "Control",
    "DiffusionModel",
    "Guidance",
    "PixelAutoencoder",
    "PocketDiffusion",
    "SampleStep",
    "Sampler",
    "plain_guidance",
    "sample",
]


def __getattr__(name: str):
    """`PixelAutoencoder` is a class of diffusers' kind, and so is imported when it is asked for."""
    if name == "PixelAutoencoder":
        from engines.diffusion.pixels import PixelAutoencoder

        return PixelAutoencoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
