"""The colours that a drawing may have: free, grey, one ink, or the nearest of a palette."""

from __future__ import annotations

import torch

from engines.clipdraw.settings import CLIPDrawSettings
from engines.colors import parse_color, parse_palette
from engines.vector import Scene

__all__ = ["in_allowed_colors"]


def in_allowed_colors(scene: Scene, settings: CLIPDrawSettings) -> Scene:
    """The strokes in the colours of the colour mode; gradients pass straight through to their free colours."""
    rgb, alpha = scene.colors[:, :3], scene.colors[:, 3:]
    if settings.color_mode == "grey":
        rgb = rgb.mean(1, keepdim=True).expand(-1, 3)
    elif settings.color_mode == "ink":
        rgb = rgb.new_tensor(parse_color(settings.ink)).expand(len(rgb), 3)
    elif settings.color_mode == "palette":
        palette = rgb.new_tensor(parse_palette(settings.palette))
        nearest = palette[torch.cdist(rgb.detach(), palette).argmin(1)]
        rgb = nearest + (rgb - rgb.detach())
    if not settings.use_alpha:
        alpha = torch.ones_like(alpha)
    return scene.replace(colors=torch.cat([rgb, alpha], dim=1))
