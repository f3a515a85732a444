"""Style features: what a VGG-16 sees at points of a picture, stacked through its layers (hypercolumns).

    encoder = models.style_features()                              # published VGG-16, or the narrow pocket one
    style = style_statistics(encoder, picture, generator=generator)       # once per style picture
    maps = encoder.maps(drawing)                                           # at every step
    columns = hypercolumns(maps, drawing_positions(height, width, 1024, generator))
    loss = relaxed_emd(columns, style) + moment_loss(columns, style) + palette_loss(columns, style)

Layers, lookups and positions are those of StyleCLIPDraw (arXiv 2202.12362), after STROTSS (Kolkin et al., CVPR 2019).
Positions are (row, column) in pixels of the picture.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from engines.errors import EngineError
from engines.images import as_tensor
from engines.style.losses import Samples

__all__ = [
    "Mapping",
    "StyleEncoder",
    "drawing_positions",
    "hypercolumns",
    "long_edge_size",
    "position_strides",
    "style_positions",
    "style_statistics",
    "truncated_hypercolumns",
]

Mapping = Literal["corrected", "paper"]

BLOCKS = (2, 2, 3, 3, 3)
"""Convolutions between two poolings of VGG-16 (Simonyan and Zisserman, arXiv 1409.1556, configuration D)."""
TAPS = (1, 3, 6, 8, 11, 13, 15, 22, 29)
"""relu1_1, 1_2, 2_1, 2_2, 3_1, 3_2, 3_3, 4_3, 5_3 in torchvision's numbering of `vgg16().features`."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet pixels in [0, 1], as torchvision's VGG-16 was trained."""
MIN_SIDE = 16
"""Of a picture in px: the last layer then still has a row."""
GRID = 16384
"""About so many positions a drawing offers."""


class StyleEncoder:
    """One frozen VGG-16 of any width on one device."""

    def __init__(self, name: str, features: nn.Sequential, sha256: str, device: torch.device | str = "cpu"):
        self.name, self.sha256, self.device = name, sha256, torch.device(device)
        features = features[: TAPS[-1] + 1].eval().requires_grad_(False)
        self.features = features.to(self.device, memory_format=torch.channels_last)
        self._mean = torch.tensor(MEAN, device=self.device).view(1, 3, 1, 1)
        self._std = torch.tensor(STD, device=self.device).view(1, 3, 1, 1)

    @classmethod
    def load(cls, weights: Path, *, name: str, sha256: str, device: torch.device | str = "cpu") -> StyleEncoder:
        """From a safetensors or (tensors-only) torch file with torchvision's names; its shapes tell the widths.

        Raises `EngineError` when the file does not hold these weights.
        """
        try:
            tensors = _read(weights)
            features = vgg_features([tensors[f"features.{index}.weight"].shape[0] for index in _first_of_blocks()])
            wanted = {f"features.{key}": tensor.shape for key, tensor in features.state_dict().items()}
            features.load_state_dict({key.removeprefix("features."): tensors[key].float() for key in wanted})
        except Exception as error:  # safetensors and torch raise what they like on a file that is not theirs
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
            raise EngineError(
                "The file {name} does not hold the weights of {name_2}: {reason}",
                name=weights.name,
                name_2=name,
                reason=reason,
            ) from None
        return cls(name, features, sha256, device)

    def maps(self, pictures: Tensor, mapping: Mapping = "corrected") -> list[Tensor]:
        """(B, 3, H, W) in [0, 1], sides of 16 px or more → the mapped picture and nine feature maps (B, C, h, w).

        mapping: "corrected" subtracts ImageNet's mean and divides by its deviation; "paper" maps x to (x + 1) / 2
        before, as the released code does, which halves the contrast. Differentiable.
        """
        if mapping == "paper":
            pictures = (pictures + 1) / 2
        x = ((pictures - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        maps = [x]
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in TAPS:
                maps.append(x)
        return maps


def vgg_features(widths: list[int]) -> nn.Sequential:
    """VGG-16's convolutional part with the given number of channels in each of the five blocks."""
    layers: list[nn.Module] = []
    channels = 3
    for width, count in zip(widths, BLOCKS, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _first_of_blocks() -> list[int]:
    """Where in `features` each block's first convolution stands: 0, 5, 10, 17, 24."""
    return [sum(2 * count + 1 for count in BLOCKS[:block]) for block in range(len(BLOCKS))]


def _read(weights: Path) -> dict[str, Tensor]:
    if weights.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(weights)
    return torch.load(weights, weights_only=True, map_location="cpu")


# ---------------------------------------------------------------------------------------------- lookups


def hypercolumns(maps: list[Tensor], positions: Tensor) -> Tensor:
    """All layers of one picture at (n, 2) positions → (n, d), d the sum of the channels. Differentiable in the maps.

    Between two layers of which the second is lower the positions are halved; what lies between four pixels is read
    bilinearly, and beyond the last row or column the last one counts.
    """
    positions = positions.to(maps[0].device, torch.float32)
    columns = []
    for layer, fmap in enumerate(maps):
        if layer and fmap.shape[2] < maps[layer - 1].shape[2]:
            positions = positions / 2
        first = positions.floor()
        down, right = (positions - first).T
        corners = torch.stack([_flat_index(fmap, first + first.new_tensor(step)) for step in _CORNERS])
        weights = torch.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right])
        rows = _pixels(fmap).index_select(0, corners.flatten()).view(4, len(positions), -1)
        columns.append((rows * weights[..., None]).sum(0))
    return torch.cat(columns, dim=1)


def truncated_hypercolumns(maps: list[Tensor], positions: Tensor) -> Tensor:
    """As `hypercolumns`, but as the reference reads a style picture: halved positions are cut to whole numbers.

    The cut position is what the next layer halves. positions: (n, 2) → (n, d).
    """
    positions = positions.to(maps[0].device, torch.long)
    columns = []
    for layer, fmap in enumerate(maps):
        if layer and fmap.shape[2] < maps[layer - 1].shape[2]:
            positions = (positions // 2).minimum(positions.new_tensor(fmap.shape[2:]) - 1)
        columns.append(_pixels(fmap).index_select(0, _flat_index(fmap, positions)))
    return torch.cat(columns, dim=1)


_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def _pixels(fmap: Tensor) -> Tensor:
    """(1, C, h, w) → (h · w, C); a view where the map is stored channels last."""
    return fmap[0].permute(1, 2, 0).reshape(-1, fmap.shape[1])


def _flat_index(fmap: Tensor, positions: Tensor) -> Tensor:
    height, width = fmap.shape[2:]
    row, column = positions.long().T
    return row.clamp(0, height - 1) * width + column.clamp(0, width - 1)


# ---------------------------------------------------------------------------------------------- positions


def drawing_positions(height: int, width: int, count: int, generator: torch.Generator) -> Tensor:
    """Up to `count` positions of a drawing, drawn anew for each step → (n, 2) float32.

    A grid of about 16384 pixels (`position_strides`) at a random offset, whose rows and columns are shuffled apart.
    There are fewer than `count` only where the drawing has fewer pixels.
    """
    lines = []
    for size, stride in zip((height, width), position_strides(height, width), strict=True):
        offset = int(torch.randint(stride, (), generator=generator))
        lines.append(torch.arange(offset, size, stride))
    grid = torch.cartesian_prod(*lines)
    shuffled = [grid[torch.randperm(len(grid), generator=generator)[:count], axis] for axis in (0, 1)]
    return torch.stack(shuffled, dim=1).float()


def position_strides(height: int, width: int) -> tuple[int, int]:
    """Between two rows and between two columns of the grid of positions."""
    root = math.sqrt(height * width // GRID)
    return max(math.floor(root), 1), max(math.ceil(root), 1)


def style_positions(mask: Tensor, draws: int, samples: int, generator: torch.Generator) -> Tensor:
    """`draws` independent draws of up to `samples` different pixels of a style picture → (draws · n, 2) long.

    mask: (h, w), how likely each pixel is drawn, in any unit; 0 is never drawn. `EngineError` where all are 0.
    """
    weights = mask.flatten().clamp_min(0)
    available = int((weights > 0).sum())
    if not available:
        raise EngineError("The marked region of the style picture is empty; mark a larger part, or none for all of it.")
    count = min(samples, available)
    flat = torch.cat([torch.multinomial(weights, count, generator=generator) for _ in range(draws)])
    return torch.stack([flat // mask.shape[1], flat % mask.shape[1]], dim=1)


# ---------------------------------------------------------------------------------------------- style pictures


@torch.no_grad()
def style_statistics(
    encoder: StyleEncoder,
    picture: np.ndarray,
    *,
    generator: torch.Generator,
    mask: np.ndarray | None = None,
    draws: int = 5,
    samples: int = 1000,
    mapping: Mapping = "corrected",
    long_edge: int = 224,
) -> Samples:
    """Hypercolumns of a style picture, (H, W, 3) uint8 RGB, as the losses want them: up to draws · samples rows.

    The picture is resized so that its longer side is `long_edge` px. mask: (h, w) in [0, 1] of any size, stretched over
    the picture; samples come only from where it is not 0. generator: on the CPU.
    Raises `EngineError` for a mask that marks nothing.
    """
    size = long_edge_size(picture.shape[1], picture.shape[0], long_edge)
    resized = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    pixels = as_tensor(resized)[None].to(encoder.device)
    region = torch.ones(size[1], size[0])
    if mask is not None:
        region = F.interpolate(torch.as_tensor(mask, dtype=torch.float32)[None, None], size[::-1], mode="area")[0, 0]
    positions = style_positions(region, draws, samples, generator)
    return Samples(truncated_hypercolumns(encoder.maps(pixels, mapping), positions))


def long_edge_size(width: int, height: int, long_edge: int) -> tuple[int, int]:
    """(width, height) with the longer side `long_edge`, the other cut to a whole number, 16 or more."""
    longest = max(width, height)
    return max(width * long_edge // longest, MIN_SIDE), max(height * long_edge // longest, MIN_SIDE)
