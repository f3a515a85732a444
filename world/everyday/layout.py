"""Where the things of an everyday scene stand, so that its caption is true."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from world.everyday.grammar import Scene, Thing

__all__ = ["Placed", "lay_out"]


@dataclass(frozen=True)
class Placed:
    """One picture: its place in the collection, its middle in [0, 1] (y down), its side as a share of the scene's.

    turn: in radians. Things are painted in the order of the list.
    """

    picture: int
    x: float
    y: float
    side: float
    turn: float = 0.0


_PAIRS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float], bool]] = {
    "holding": ((0.4, 0.52, 0.78), (0.72, 0.6, 0.36), False),
    "playing": ((0.42, 0.46, 0.78), (0.6, 0.68, 0.5), False),
    "riding": ((0.5, 0.36, 0.5), (0.5, 0.66, 0.66), False),
    "wearing": ((0.5, 0.6, 0.74), (0.5, 0.2, 0.4), False),
    "on": ((0.5, 0.27, 0.46), (0.5, 0.7, 0.56), True),
    "under": ((0.5, 0.72, 0.44), (0.5, 0.36, 0.68), True),
    "inside": ((0.5, 0.34, 0.46), (0.5, 0.62, 0.68), False),
    "beside": ((0.27, 0.56, 0.5), (0.73, 0.56, 0.5), True),
    "in front of": ((0.5, 0.7, 0.46), (0.5, 0.4, 0.8), True),
    "above": ((0.5, 0.24, 0.42), (0.5, 0.74, 0.46), True),
    "with": ((0.3, 0.55, 0.52), (0.7, 0.55, 0.52), True),
}
"""Relation → (x, y, side) of the first and of the second thing, and whether the first stands before the second."""
_MIRRORED = frozenset({"beside", "with", "holding", "playing"})
_SCALE = {"big": 1.2, "small": 0.7, "": 1.0}


def lay_out(scene: Scene, rng: random.Random) -> list[Placed]:
    if scene.relation:
        return _pair(scene, rng)
    things = [(thing, picture) for thing in scene.things for picture in thing.pictures]
    if len(things) == 1:
        thing, picture = things[0]
        side = min(0.95, rng.uniform(0.55, 0.85) * _SCALE[thing.size])
        room = (1 - side) / 2
        return [Placed(picture, 0.5 + rng.uniform(-room, room), 0.5 + rng.uniform(-room, room), side, _turn(rng))]
    return _row(things, rng)


def _pair(scene: Scene, rng: random.Random) -> list[Placed]:
    first, second = scene.things
    one, two, first_last = _PAIRS[scene.relation]
    is_mirrored = scene.relation in _MIRRORED and rng.random() < 0.5
    placed = []
    for thing, (x, y, side) in ((first, one), (second, two)):
        x = 1 - x if is_mirrored else x
        side *= rng.uniform(0.9, 1.1) * _SCALE[thing.size]
        placed.append(
            Placed(thing.pictures[0], x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.03, 0.03), side, _turn(rng))
        )
    return placed[::-1] if first_last else placed


def _row(things: list[tuple[Thing, int]], rng: random.Random) -> list[Placed]:
    """Side by side, in a triangle or around the middle."""
    count = len(things)
    turn = rng.choice((0.0, math.pi / 2, rng.uniform(0, 2 * math.pi)))
    reach = {2: 0.25, 3: 0.28, 4: 0.29}[count]
    side = {2: 0.5, 3: 0.42, 4: 0.4}[count]
    placed = []
    for number, (thing, picture) in enumerate(things):
        angle = turn + 2 * math.pi * number / count
        x, y = 0.5 + reach * math.cos(angle), 0.5 + reach * math.sin(angle)
        placed.append(Placed(picture, x, y, side * rng.uniform(0.9, 1.1) * _SCALE[thing.size], _turn(rng)))
    return placed


def _turn(rng: random.Random) -> float:
    return rng.gauss(0, 0.1) if rng.random() < 0.5 else 0.0
