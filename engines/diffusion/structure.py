"""What is kept of a picture when it is painted anew: its depth, or its edges, and the ControlNet that looks at them.

ControlNet: Zhang et al., arXiv 2302.05543. Depth leaves a style room to change shapes, edges do not (DreamStyler, arXiv
2309.06933, appendix); but edges need no network. Depth: Depth Anything V2, arXiv 2406.09414, or DPT, arXiv 2103.13413.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.diffusion._diffusers import ControlNetModel
from engines.diffusion.folders import load_network, load_part
from engines.diffusion.sampling import Control

__all__ = ["Structure", "depth_estimator", "edges", "load_controlnet"]


@dataclass(frozen=True)
class Structure:
    """see: (1, 3, H, W) in [0, 1] → the same shape and range, what the network looks at."""

    network: ControlNetModel
    see: Callable[[Tensor], Tensor]

    def control(self, picture: Tensor) -> Control:
        """For a `Sampler`: (1, 3, H, W) in [0, 1]."""
        return Control(self.network, self.see(picture.to(self.network.device)))


def load_controlnet(
    folder: Path | str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> ControlNetModel:
    """From a folder as diffusers writes it. Raises `EngineError` when it is missing or cannot be read."""
    return load_network(ControlNetModel.from_pretrained, folder, "ControlNet", device, dtype)


@torch.no_grad()
def edges(picture: Tensor) -> Tensor:
    """How fast the brightness changes (Sobel), bright where fastest, three equal channels."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=picture.device).view(1, 3, 1, 1)
    gray = F.pad((picture * weights).sum(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=picture.device).view(1, 1, 3, 3) / 4
    slopes = F.conv2d(gray, torch.cat([across, across.transpose(2, 3)]))
    return slopes.square().sum(1, keepdim=True).sqrt().clamp(0, 1).expand(-1, 3, -1, -1)


def depth_estimator(folder: Path | str, device: torch.device | str = "cpu") -> Callable[[Tensor], Tensor]:
    """A DPT or Depth Anything in a folder as transformers writes it → `Structure.see`: bright where near, range filled.

    Raises `EngineError` when it is missing or cannot be read.
    """
    from engines.diffusion._transformers import AutoModelForDepthEstimation, DPTImageProcessor

    processor = load_part(DPTImageProcessor.from_pretrained, folder, "depth estimator")
    network = load_network(AutoModelForDepthEstimation.from_pretrained, folder, "depth estimator", device)

    @torch.no_grad()
    def see(picture: Tensor) -> Tensor:
        pixels = processor(picture[0].cpu(), do_rescale=False, return_tensors="pt").pixel_values.to(device)
        inverse = network(pixels).predicted_depth[:, None].float()
        inverse = F.interpolate(inverse, picture.shape[2:], mode="bicubic", align_corners=False)
        low, high = inverse.aminmax()
        return ((inverse - low) / (high - low).clamp(min=1e-12)).clamp(0, 1).expand(-1, 3, -1, -1)

    return see
