"""The independent judge: which of all pocket names does a picture show? `python -m training.judge` trains it.

It never guides a drawing and shares nothing with the pocket CLIP but the emoji: another architecture (a plain
convolutional classifier, no text), another seed, no adversarial training and its own augmentations, so that a drawing
cannot please it by the tricks that please CLIP.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from evaluation.weights import load_weights

__all__ = ["SIZE", "WEIGHTS", "Judge"]

WEIGHTS = Path(__file__).with_name("judge.safetensors")
SIZE = 64


class Judge(nn.Module):
    """(B, 3, 64, 64) in [0, 1] → (B, names) logits, in the order of `load_subjects()`."""

    def __init__(self, names: int):
        super().__init__()
        widths = [(3, 32, 2), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1)]
        self.layers = nn.Sequential(*[_layer(*width) for width in widths])
        self.head = nn.Linear(512, names)

    def forward(self, pictures: Tensor) -> Tensor:
        maps = self.layers(pictures * 2 - 1)
        return self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1))

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> Judge:
        weights = load_weights(path)
        judge = cls(len(weights["head.bias"]))
        judge.load_state_dict(weights)
        return judge.eval().requires_grad_(False)

    def ranks(self, pictures: list[np.ndarray], names: list[int]) -> list[int]:
        """Place (1 = first) of the right name for each (H, W, 3) uint8 picture."""
        resized = [Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.LANCZOS) for picture in pictures]
        batch = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).float() / 255
        logits = self(batch)
        own = logits.gather(1, torch.tensor(names)[:, None])
        return ((logits > own).sum(1) + 1).tolist()


def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 5 if inputs == 3 else 3, stride, 2 if inputs == 3 else 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.SiLU())
