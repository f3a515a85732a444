"""`diffusers`, importable beside a CPU build of torch; seconds, so that it is imported where it is used.

It imports torchvision, as open_clip does: `engines.clip._open_clip` says what is to be done before.
"""

from __future__ import annotations

from engines.clip import _open_clip  # noqa: F401

# isort: split
from diffusers import PriorTransformer, UNet2DConditionModel, UNet2DModel

__all__ = ["PriorTransformer", "UNet2DConditionModel", "UNet2DModel"]
