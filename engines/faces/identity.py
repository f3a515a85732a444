"""Whose face it is: ArcFace features (Deng et al., arXiv 1801.07698), as StyleCLIP keeps identities (arXiv 2103.17249).

    identity = load_identity("model_ir_se50.pth")
    reference = identity(picture)                              # once
    loss = identity_loss(identity(edited), reference)          # at every step

They mean something only for faces that are aligned as those of FFHQ (`engines.faces.alignment`, or made by a generator
of such faces).
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.checkpoints import (
    OwnFile,
    claimed_shape,
    fill,
    open_checkpoint,
    save_own,
    without_data_parallel,
)
from engines.faces._ir_se import WIDTHS, ir_se_body, ir_se_input, read_widths

__all__ = ["IdentityNetwork", "face_crop", "identity_loss", "load_identity", "save_identity"]

KIND = "an ArcFace IR-SE50"
FORMAT = "atelier-identity"
ALIGNED, CROPPED = 256, 112
"""Sides in px of an aligned face, and of what the network sees."""
ROWS, COLUMNS = slice(35, 223), slice(32, 220)
"""Of an aligned face, what ArcFace was trained on: from the forehead to the chin."""


class IdentityNetwork(nn.Module):
    """IR-SE50 with an output of `features` numbers. `widths`: channels of its four stages."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS, features: int = 512):
        super().__init__()
        side = CROPPED // 16
        self.input_layer = ir_se_input(widths)
        self.body = ir_se_body(widths)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(widths[-1]),
            nn.Identity(),  # the place of a dropout in training, which the numbers in the names count
            nn.Flatten(),
            nn.Linear(widths[-1] * side * side, features),
            nn.BatchNorm1d(features),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Aligned faces (N, 3, H, W), RGB in [-1, 1], of any size → (N, features) of length 1. Differentiable."""
        return F.normalize(self.output_layer(self.body(self.input_layer(face_crop(pictures)))))


def face_crop(pictures: Tensor) -> Tensor:
    """The inner part of aligned faces (N, 3, H, W) of any size, averaged to (N, 3, 112, 112). Differentiable."""
    if pictures.shape[2:] != (ALIGNED, ALIGNED):
        pictures = F.adaptive_avg_pool2d(pictures, ALIGNED)
    return F.adaptive_avg_pool2d(pictures[:, :, ROWS, COLUMNS], CROPPED)


def identity_loss(features: Tensor, reference: Tensor) -> Tensor:
    """1 - cosine, averaged over faces: two of (N, features), of length 1 → scalar in [0, 2].

    Gradients flow to `features` only.
    """
    return (1 - (features * reference.detach()).sum(1)).mean()


def load_identity(path: Path | str) -> IdentityNetwork:
    """The published `model_ir_se50.pth`, or one with other widths: float32, on the CPU, in evaluation mode.

    Nothing in the file is run. Raises `EngineError` when it cannot be read, is damaged, or holds another network.
    """
    with open_checkpoint(path, KIND, FORMAT) as content:
        records = content.tensors if isinstance(content, OwnFile) else without_data_parallel(content)
        with torch.device("meta"):
            network = IdentityNetwork(read_widths(records), claimed_shape(records, "output_layer.3.weight")[0])
        fill(network, records, KIND)
    return network


def save_identity(network: IdentityNetwork, path: Path | str) -> None:
    """Write a network as fp16 safetensors, atomically; `load_identity` reads it back."""
    save_own(network, path, FORMAT, {}, half=True)
