"""Painted portraits to learn from again and again; some may be painted anew at every draw."""

from __future__ import annotations

import torch
from torch import Tensor

from world.painter import paint
from world.portraits import Portraits, sample_portraits

__all__ = ["PortraitPool"]


class PortraitPool:
    """count portraits of size × size px, kept as bytes."""

    def __init__(self, count: int, size: int, generator: torch.Generator):
        self.size = size
        self.people = sample_portraits(count, generator)
        self.pictures = _painted(self.people, size)

    def draw(self, count: int, fresh: int, generator: torch.Generator) -> tuple[Portraits, Tensor]:
        """`count` of them, (count, 3, size, size) in [0, 1]; `fresh` of these take the place of others."""
        replaced = torch.randperm(len(self.people), generator=generator)[:fresh]
        rows = torch.randint(len(self.people), (count - fresh,), generator=generator)
        people = sample_portraits(fresh, generator)
        self.pictures[replaced] = _painted(people, self.size)
        for known, new in ((self.people.choices, people.choices), (self.people.measures, people.measures)):
            for name in known:
                known[name][replaced] = new[name]
        rows = torch.cat([replaced, rows])
        return self.people[rows], self.pictures[rows].float() / 255


def _painted(people: Portraits, size: int) -> Tensor:
    if not len(people):
        return torch.zeros(0, 3, size, size, dtype=torch.uint8)
    return (paint(people, size) * 255).round().byte()
