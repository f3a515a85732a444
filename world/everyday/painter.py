"""Puts the pictures of a collection together into everyday scenes."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import Tensor

from world.collection import Collection
from world.everyday.grammar import Grammar, Scene
from world.everyday.layout import Placed, lay_out
from world.everyday.settings import SETTINGS, Setting, paint_ground, paint_weather
from world.everyday.wording import say

__all__ = ["EverydayWorld"]

FULL_GROUNDS = 0.5
"""Share of settings with whole pictures of their own kind that use one."""
DARK = 0.25
"""Mean brightness under which a thing cannot be seen against a ground that is as dark."""
SCENERY = (0, 1, 1, 2)
"""How many further things stand in the background, by chance."""


class EverydayWorld:
    """Scenes with captions from the pictures at `places` of a collection; size: side of a scene in px."""

    def __init__(self, collection: Collection, places: Tensor, size: int = 64):
        self.collection, self.size = collection, size
        self.grammar = Grammar(collection, places)
        self._by_name: dict[str, list[int]] = {}
        for place in places.tolist():
            name = collection.concepts[int(collection.concept[place])].en
            self._by_name.setdefault(name, []).append(place)

    def __call__(
        self, count: int, generator: torch.Generator, rng: random.Random
    ) -> tuple[Tensor, list[str], list[Scene]]:
        """(count, 3, size, size) pictures in [0, 1], their captions, and what is in them."""
        scenes = [self.grammar(rng) for _ in range(count)]
        pictures = self.paint(scenes, generator, rng)
        return pictures, [say(scene, self.collection.concepts, rng) for scene in scenes], scenes

    def presence(self, scenes: list[Scene]) -> Tensor:
        """(scenes, concepts) bool: what each scene is said to hold."""
        shown = torch.zeros(len(scenes), len(self.collection.concepts), dtype=torch.bool)
        for row, scene in zip(shown, scenes, strict=True):
            row[[thing.concept for thing in scene.things]] = True
        return shown

    def paint(self, scenes: list[Scene], generator: torch.Generator, rng: random.Random) -> Tensor:
        """(scenes, 3, size, size) in [0, 1]."""
        grounds, placed = [], []
        for scene in scenes:
            ground, behind = self._ground(scene, generator, rng)
            grounds.append(ground)
            placed.append([*behind, *lay_out(scene, rng)])
        pictures = torch.stack(grounds)
        for layer in range(max(map(len, placed))):
            rows = [row for row, things in enumerate(placed) if len(things) > layer]
            sprites = _readable(self._placed([placed[row][layer] for row in rows]), pictures[rows])
            pictures[rows] = sprites[:, :3] + pictures[rows] * (1 - sprites[:, 3:])
        return pictures

    def _ground(self, scene: Scene, generator: torch.Generator, rng: random.Random) -> tuple[Tensor, list[Placed]]:
        """The setting, or plain paper, white in two of three; and further things far behind."""
        if not scene.setting:
            colour = torch.ones(3) if rng.random() < 0.67 else torch.rand(3, generator=generator)
            return colour[:, None, None].expand(3, self.size, self.size).clone(), []
        setting = SETTINGS[scene.setting]
        ground = paint_ground(setting, self.size, rng)
        whole = [place for name in setting.grounds for place in self._by_name.get(name, ())]
        if whole and rng.random() < FULL_GROUNDS:
            sprite = self._placed([Placed(rng.choice(whole), 0.5, 0.5, 1.0)])[0]
            ground = sprite[:3] + ground * (1 - sprite[3:])
            return ground, []
        ground = paint_weather(ground, setting.weather, generator)
        return ground, self._scenery(setting, scene, rng)

    def _scenery(self, setting: Setting, scene: Scene, rng: random.Random) -> list[Placed]:
        said = {self.collection.concepts[thing.concept].en for thing in scene.things}
        names = [name for name in setting.scenery if name not in said and name in self._by_name]
        behind = []
        for name in rng.sample(names, min(len(names), rng.choice(SCENERY))):
            is_high = "sun" in name or "moon" in name or "cloud" in name or "star" in name or setting.ground is None
            y = rng.uniform(0.12, 0.3) if is_high else setting.horizon - rng.uniform(0.0, 0.12)
            x = rng.choice((rng.uniform(0.08, 0.28), rng.uniform(0.72, 0.92)))
            behind.append(Placed(rng.choice(self._by_name[name]), x, y, rng.uniform(0.2, 0.36)))
        return behind

    def _placed(self, placed: list[Placed]) -> Tensor:
        """(things, 4, size, size) premultiplied, each sprite turned and in its place."""
        sprites = self.collection.sprites[[thing.picture for thing in placed]].float() / 255
        x, y, side, turn = (
            torch.tensor([getattr(thing, name) for thing in placed]) for name in ("x", "y", "side", "turn")
        )
        cos, sin = turn.cos() / side, turn.sin() / side
        dx, dy = 2 * x - 1, 2 * y - 1
        theta = torch.stack(
            [torch.stack([cos, sin, -dx * cos - dy * sin], 1), torch.stack([-sin, cos, dx * sin - dy * cos], 1)], 1
        )
        grid = F.affine_grid(theta, (len(placed), 4, self.size, self.size), align_corners=False)
        return F.grid_sample(sprites, grid, align_corners=False)


def _readable(sprites: Tensor, grounds: Tensor) -> Tensor:
    """(B, 4, S, S) premultiplied sprites; a dark one on a dark ground is inverted: a silhouette at night."""
    alpha = sprites[:, 3:]
    area = alpha.sum((1, 2, 3)).clamp_min(1e-3)
    is_dark = sprites[:, :3].mean(1).sum((1, 2)) / area < DARK
    is_lost = is_dark & ((grounds.mean(1) * alpha[:, 0]).sum((1, 2)) / area < DARK)
    inverted = torch.cat([alpha - sprites[:, :3], alpha], 1)
    return torch.where(is_lost[:, None, None, None], inverted, sprites)
