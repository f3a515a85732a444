"""The truth meter of portraits: reads all of ATTRIBUTES. `python -m training.portrait_attributes` trains it.

It measures what edits did to a face; nothing is ever optimised for it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.files import ASSETS
from evaluation.weights import load_weights
from world.painter import paint
from world.portraits import ATTRIBUTES, sample_portraits

__all__ = ["SIZE", "WEIGHTS", "AttributeMeter", "accuracy", "load_meter"]

WEIGHTS = ASSETS / "faces" / "attributes.safetensors"
SIZE = 64
WIDTHS = (32, 48, 96, 128)


class AttributeMeter(nn.Module):
    """(B, 3, H, W) in [0, 1] of any size → attribute name → logits, (B, choices)."""

    def __init__(self):
        super().__init__()
        channels, layers = 3, []
        for width in WIDTHS:
            layers += [_layer(channels, width), _layer(width, width), nn.MaxPool2d(2)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(channels * 16, 192), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(192, len(choices)) for choices in ATTRIBUTES.values())

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        seen = self.hidden(self.features(F.interpolate(pictures, (SIZE, SIZE), mode="area") * 2 - 1))
        return {name: head(seen) for name, head in zip(ATTRIBUTES, self.heads, strict=True)}

    @torch.no_grad()
    def read(self, pictures: Tensor) -> dict[str, Tensor]:
        """Attribute name → (B,) the places in ATTRIBUTES that it sees."""
        return {name: logits.argmax(1) for name, logits in self(pictures).items()}


def load_meter() -> AttributeMeter:
    meter = AttributeMeter()
    meter.load_state_dict(load_weights(WEIGHTS))
    return meter.eval().requires_grad_(False)


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


@torch.no_grad()
def accuracy(meter: AttributeMeter, count: int = 1000, seed: int = 987_654_321) -> dict[str, float]:
    """Share read rightly of portraits never trained on, where it can be seen."""
    people = sample_portraits(count, torch.Generator().manual_seed(seed))
    found = meter.cpu().read(paint(people, 128))
    right = {}
    for name in ATTRIBUTES:
        shown = people.visible(name)
        right[name] = (found[name][shown] == people.choices[name][shown]).float().mean().item()
    return right
