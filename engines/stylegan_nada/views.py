"""Latent codes to train on, and the views of a picture that CLIP sees."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.clip.encoder import ClipEncoder
from engines.clip.losses import clip_input
from engines.stylegan2 import Generator

__all__ = ["image_embeds", "mixed_codes", "with_views"]

NEAREST_VIEW = 0.5  # share of the picture's side in the smallest of the views


@torch.no_grad()
def mixed_codes(generator: Generator, count: int, mixing: float, random: torch.Generator) -> Tensor:
    """(count, num_ws, w_dim) of random latents at psi 1; a share of them is another latent's from a random row on.

    mixing: that share, in [0, 1]. Drawn once, the row is the same for the frozen and the trained copy.
    """
    z = torch.randn(2, count, generator.z_dim, generator=random)
    one, other = (generator.mapping(latents.to(generator.mapping.w_avg.device)) for latents in z)
    is_mixed = torch.rand(count, generator=random) < mixing
    start = torch.randint(1, generator.num_ws, (count,), generator=random)
    start = torch.where(is_mixed, start, generator.num_ws).to(one.device)
    rows = torch.arange(generator.num_ws, device=one.device)
    return torch.where((rows < start[:, None])[..., None], one, other)


def with_views(pictures: Tensor, views: Tensor) -> Tensor:
    """(N, 3, S, S) and (N, V, 3) → (N · (1 + V), 3, S, S): each picture, and after it V square crops, enlarged.

    views: in [0, 1]; the size, from `NEAREST_VIEW` to the whole, and the place across and down.
    """
    size = NEAREST_VIEW + (1 - NEAREST_VIEW) * views[..., :1]
    grids = views.new_zeros(*views.shape[:2], 2, 3)
    grids[..., [0, 1], [0, 1]] = size
    grids[..., 2] = (2 * views[..., 1:] - 1) * (1 - size)
    whole = torch.eye(2, 3, device=views.device).expand(len(pictures), 1, -1, -1)
    grids = torch.cat([whole, grids], dim=1)
    repeated = pictures.repeat_interleave(grids.shape[1], dim=0)
    places = F.affine_grid(grids.flatten(0, 1), list(repeated.shape), align_corners=False)
    return F.grid_sample(repeated, places, padding_mode="border", align_corners=False)


def image_embeds(encoder: ClipEncoder, pictures: Tensor) -> Tensor:
    """(N, 3, H, W), nominally in [-1, 1] → (N, d)"""
    return encoder.encode_image(clip_input(pictures, encoder.image_size))
