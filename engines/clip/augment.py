"""Random views of a picture for CLIP: perspective, then a resized crop, composed into one resampling.

CLIPDraw looks at several randomly warped copies of the drawing (arXiv 2106.14843; torchvision's RandomPerspective with
distortion 0.5, then RandomResizedCrop with area 0.7–0.9). Both warps are homographies, so their product is drawn with a
single `grid_sample`. The picture is premultiplied RGBA: what lies outside is transparent and takes whatever background
it is composited on. A canvas that is not square sits in the middle of a square, undistorted.

Coordinates: x right, y down, the (padded) square is [-1, 1]².
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["apply_views", "identity_views", "random_views"]


def random_views(
    count: int, generator: torch.Generator, *, distortion: float = 0.5, scale: tuple[float, float] = (0.7, 0.9)
) -> Tensor:
    """(count, 3, 3) homographies from view to picture coordinates, drawn on the CPU.

    distortion: each corner moves inwards by up to this share of half the side. scale: area share of the crop; its
    aspect ratio is log-uniform in 3/4–4/3. A share above 1 shows the picture smaller, with its surroundings.
    """
    return _perspectives(count, distortion, generator) @ _crops(count, scale, generator)


def identity_views(count: int = 1) -> Tensor:
    """The whole picture, unwarped."""
    return torch.eye(3).expand(count, 3, 3)


def apply_views(picture: Tensor, views: Tensor, size: int) -> Tensor:
    """Premultiplied picture (4, H, W), views (N, 3, 3) → (N, 4, size, size). Differentiable in the picture."""
    height, width = picture.shape[-2:]
    centres = (torch.arange(size, dtype=picture.dtype, device=picture.device) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    homogeneous = torch.stack([x, y, torch.ones_like(x)], dim=-1).view(-1, 3)
    mapped = homogeneous @ views.to(picture).transpose(1, 2)
    grid = mapped[..., :2] / mapped[..., 2:]
    side = max(height, width)
    grid = grid * grid.new_tensor([side / width, side / height])
    pictures = picture.expand(len(views), -1, -1, -1)
    return F.grid_sample(pictures, grid.view(len(views), size, size, 2), align_corners=False)


def _perspectives(count: int, distortion: float, generator: torch.Generator) -> Tensor:
    """The square's corners move inwards; returned is the inverse map, from the quadrilateral back to the square."""
    corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]], dtype=torch.float64)
    inward = torch.rand(count, 4, 2, generator=generator, dtype=torch.float64) * distortion
    return homography(corners * (1 - inward), corners.expand(count, 4, 2)).float()


def homography(source: Tensor, target: Tensor) -> Tensor:
    """(N, 4, 2) point pairs → (N, 3, 3) H with target ~ H source and H[2, 2] = 1 (direct linear transform)."""
    x, y = source.unbind(-1)
    u, v = target.unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rows_u = torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], dim=-1)
    rows_v = torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], dim=-1)
    solution = torch.linalg.solve(torch.cat([rows_u, rows_v], dim=1), torch.cat([u, v], dim=1))
    return torch.cat([solution, torch.ones_like(solution[:, :1])], dim=1).view(-1, 3, 3)


def _crops(count: int, scale: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Axis-parallel rectangles inside the square, or around it when larger, as maps from the view onto them."""
    area = torch.rand(count, generator=generator) * (scale[1] - scale[0]) + scale[0]
    ratio = torch.exp((torch.rand(count, generator=generator) * 2 - 1) * math.log(4 / 3))
    largest = area.sqrt().clamp_min(1)
    half_width = (area * ratio).sqrt().minimum(largest)
    half_height = (area / ratio).sqrt().minimum(largest)
    place = torch.rand(2, count, generator=generator) * 2 - 1
    crops = torch.zeros(count, 3, 3)
    crops[:, 0, 0], crops[:, 1, 1], crops[:, 2, 2] = half_width, half_height, 1
    crops[:, 0, 2], crops[:, 1, 2] = place[0] * (1 - half_width), place[1] * (1 - half_height)
    return crops
