"""The judge of the world of many artists: what does a picture show, what else is in it, and who drew it?

It never guides anything, so it learns from all artists, test artists too. It shares nothing with the pocket CLIP but
the pictures: plain 3 × 3 convolutions, no text, no adversarial training, augmentations of its own. How far to trust it
says its accuracy on an artist that it has never seen (`leave_one_out`): print that figure beside every number it gives.
`python -m training.world_judge` trains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from world.collection import Collection

__all__ = ["SIZE", "Verdict", "WorldJudge", "average_precision", "leave_one_out", "resized"]

SIZE = 64
"""Side in px of the judge's input."""
WIDTHS = ((3, 40, 2), (40, 80, 2), (80, 80, 1), (80, 160, 2), (160, 160, 1), (160, 320, 2), (320, 320, 1))
"""Inputs, outputs and stride of each layer."""
FEATURES = 256


@dataclass(frozen=True)
class Verdict:
    """Logits: concept (B, concepts), one of them right; presence (B, concepts), each by itself; artist (B, artists)."""

    concept: Tensor
    presence: Tensor
    artist: Tensor


class WorldJudge(nn.Module):
    """(B, 3, 64, 64) in [0, 1] → Verdict, classes in the order of `load_concepts()` and of the collection's artists."""

    def __init__(self, concepts: int, artists: int):
        super().__init__()
        self.layers = nn.Sequential(*[_layer(*width) for width in WIDTHS])
        self.features = nn.Sequential(nn.Linear(2 * WIDTHS[-1][1], FEATURES), nn.BatchNorm1d(FEATURES), nn.SiLU())
        self.concept = nn.Linear(FEATURES, concepts)
        self.presence = nn.Linear(FEATURES, concepts)
        self.artist = nn.Linear(FEATURES, artists)
        nn.init.constant_(self.presence.bias, -6.0)  # a picture shows two or three of thousands of things

    def forward(self, pictures: Tensor) -> Verdict:
        maps = self.layers((pictures * 2 - 1).contiguous(memory_format=torch.channels_last))
        features = self.features(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1))
        return Verdict(self.concept(features), self.presence(features), self.artist(features))

    @torch.no_grad()
    def ranks(self, pictures: Tensor, right: Tensor, among: Tensor | None = None) -> Tensor:
        """(B,) place, 1 is first, of the right concept among all, or among the concepts at the places `among`."""
        ranks = []
        for batch, concepts in zip(pictures.split(256), right.split(256), strict=True):
            logits = self(batch).concept.float()
            own = logits.gather(1, concepts[:, None])
            ranks.append(((logits if among is None else logits[:, among]) > own).sum(1) + 1)
        return torch.cat(ranks)

    @torch.no_grad()
    def presences(self, pictures: Tensor) -> Tensor:
        """(B, concepts) probability that each concept is in the picture."""
        return torch.cat([self(batch).presence.float().sigmoid() for batch in pictures.split(256)])


def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.SiLU())


def resized(pictures: list[np.ndarray]) -> Tensor:
    """(H, W, 3) uint8 pictures of any size → (B, 3, SIZE, SIZE) in [0, 1]."""
    small = [Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.LANCZOS) for picture in pictures]
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in small])).permute(0, 3, 1, 2).float() / 255


def on_white(sprites: Tensor, share: float = 0.86) -> Tensor:
    """(B, 4, S, S) uint8 premultiplied → (B, 3, S, S) in [0, 1], drawn at `share` of the side on white paper."""
    side = sprites.shape[-1]
    inner = round(side * share / 2) * 2
    small = torch.nn.functional.interpolate(sprites.float() / 255, (inner, inner), mode="area")
    margin = (side - inner) // 2
    placed = torch.nn.functional.pad(small, (margin, margin, margin, margin))
    return placed[:, :3] + 1 - placed[:, 3:]


def leave_one_out(judge: WorldJudge, collection: Collection, artist: str, names: int | None = None) -> dict[str, float]:
    """How a judge that has not seen `artist` names that artist's pictures on white: {"count", "r1", "r5"}.

    names: only pictures of the first so many concepts, and the right name among these; None for all.
    """
    places = collection.artist_places(artist)
    if names is not None:
        places = places[collection.concept[places] < names]
    among = None if names is None else torch.arange(min(names, len(collection.concepts)))
    ranks = judge.ranks(on_white(collection.sprites[places]), collection.concept[places], among)
    return {"count": len(places), "r1": _share(ranks <= 1), "r5": _share(ranks <= 5)}


def average_precision(scores: Tensor, present: Tensor) -> float:
    """Mean over the pictures of the average precision of (B, concepts) scores for (B, concepts) bool."""
    order = scores.argsort(dim=1, descending=True)
    hits = present.gather(1, order).float()
    precision = hits.cumsum(1) / torch.arange(1, hits.shape[1] + 1)
    return ((precision * hits).sum(1) / hits.sum(1).clamp_min(1)).mean().item()


def _share(condition: Tensor) -> float:
    return condition.float().mean().item()
