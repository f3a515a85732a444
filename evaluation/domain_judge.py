"""The independent judge of domains: how is a portrait painted? `python -m training.domain_judge` trains it.

It tells portraits as the painter paints them from portraits in any of STYLES. It never guides an adaptation and shares
nothing with the pocket CLIP but the filters: a plain convolutional network, no text, no adversarial training.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evaluation.weights import load_weights
from world.painter import paint
from world.portraits import sample_portraits
from world.styles import STYLES, render

__all__ = ["MANNERS", "PAINTED", "PLAIN", "SIZE", "WEIGHTS", "DomainJudge", "accuracy"]

WEIGHTS = Path(__file__).with_name("domain_judge.safetensors")
PLAIN = "plain"
MANNERS = (*(style.en for style in STYLES), PLAIN)
"""The classes in the order of the logits."""
SIZE, PAINTED = 64, 128
"""Side in px of the judge's input, and of portraits as a generator makes them."""
WIDTHS = ((3, 16, 1), (16, 32, 2), (32, 64, 2), (64, 64, 1), (64, 128, 2))
"""Inputs, outputs and stride of each layer."""


class DomainJudge(nn.Module):
    """(B, 3, H, W) in [0, 1] of any size → (B, manners) logits, in the order of MANNERS."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*[_layer(*width) for width in WIDTHS])
        self.head = nn.Linear(2 * WIDTHS[-1][1], len(MANNERS))

    def forward(self, pictures: Tensor) -> Tensor:
        small = F.interpolate(pictures, (SIZE, SIZE), mode="area")
        maps = self.layers((small * 2 - 1).contiguous(memory_format=torch.channels_last)).float()
        deviation, average = torch.std_mean(maps, dim=(2, 3))
        return self.head(torch.cat([average, deviation], dim=1))

    @torch.no_grad()
    def read(self, pictures: Tensor) -> Tensor:
        """(B,) the places in MANNERS that it sees."""
        return self(pictures).argmax(1)

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> DomainJudge:
        judge = cls()
        judge.load_state_dict(load_weights(path))
        return judge.eval().requires_grad_(False)


def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


@torch.no_grad()
def accuracy(judge: DomainJudge, count: int = 40, seed: int = 987_654_321) -> dict[str, float]:
    """Share named rightly of portraits never trained on, for each manner; the same `count` people in all of them."""
    generator = torch.Generator().manual_seed(seed)
    plain = paint(sample_portraits(count, generator), PAINTED)
    right = {}
    for place, manner in enumerate(MANNERS):
        pictures = plain if manner == PLAIN else render(plain, STYLES[place], generator)
        right[manner] = (judge.read(pictures) == place).float().mean().item()
    return right
