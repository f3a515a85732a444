"""The networks of `transformers` that look at pictures, importable beside a CPU build of torch as in `_diffusers`."""

from __future__ import annotations

from engines.diffusion import _diffusers  # noqa: F401

# isort: split
from transformers import (
    AutoModelForDepthEstimation,
    BlipForConditionalGeneration,
    BlipProcessor,
    CLIPImageProcessor,
    DPTImageProcessor,
)

__all__ = [
    "AutoModelForDepthEstimation",
    "BlipForConditionalGeneration",
    "BlipProcessor",
    "CLIPImageProcessor",
    "DPTImageProcessor",
]
