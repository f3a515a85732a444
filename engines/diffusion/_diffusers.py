"""`diffusers` and the part of `transformers` that it needs, importable beside a CPU build of torch.

transformers imports torchvision, as open_clip does: `engines.clip._open_clip` says what is to be done before.
"""

from __future__ import annotations

from engines.clip import _open_clip  # noqa: F401

# isort: split
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    PriorTransformer,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionModelWithProjection,
)
from transformers.utils.logging import disable_progress_bar

disable_progress_bar()  # a bar for every file of weights, read or written

__all__ = [
    "AutoencoderKL",
    "AutoencoderKLOutput",
    "CLIPTextConfig",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPTokenizer",
    "CLIPVisionModelWithProjection",
    "ConfigMixin",
    "ControlNetModel",
    "DDIMScheduler",
    "DecoderOutput",
    "DiagonalGaussianDistribution",
    "PriorTransformer",
    "UNet2DConditionModel",
    "UNet2DConditionOutput",
    "UNet2DModel",
    "VQModel",
    "register_to_config",
]
