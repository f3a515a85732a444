"""What may happen in an everyday scene, and a scene by chance."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from world.collection import Collection
from world.concepts.vocabulary import Concept
from world.everyday.settings import SETTINGS

__all__ = ["RELATIONS", "Grammar", "Scene", "Thing"]

RELATIONS = (
    "holding",
    "riding",
    "playing",
    "wearing",
    "on",
    "under",
    "inside",
    "beside",
    "in front of",
    "above",
    "with",
)
"""Of the first thing to the second."""
SIZES = ("big", "small")

_AGENTS = ("animal-", "person", "cat-face", "monkey-face", "face-costume", "family")
_ALIVE = frozenset({"animal", "person"})
_HOLDABLE = (
    "food-", "drink", "plant-flower", "tool", "sport", "book-paper", "writing", "office", "money", "household", "light",
    "phone", "game", "science", "medical", "mail", "lock",
)  # fmt: skip
ROLES = Path(__file__).with_name("roles.tsv")
"""Relation → concepts that may be the second thing in it."""


@dataclass(frozen=True)
class Thing:
    """concept: its place. pictures: places in the collection, one for each of `count`. colour, size: "" for none."""

    concept: int
    pictures: tuple[int, ...]
    colour: str = ""
    size: str = ""

    @property
    def count(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class Scene:
    """things: one to three. relation: of the first to the second, or "". setting: a name of SETTINGS, or "".

    style: English words for how all of it is drawn, or "".
    """

    things: tuple[Thing, ...]
    relation: str = ""
    setting: str = ""
    style: str = ""


class Grammar:
    """Imagines scenes from the pictures at `places` of a collection."""

    def __init__(self, collection: Collection, places: torch.Tensor):
        self.collection = collection
        self._pictures: dict[int, list[int]] = {}
        for place in places.tolist():
            self._pictures.setdefault(int(collection.concept[place]), []).append(place)
        concepts = {place: collection.concepts[place] for place in self._pictures}
        drawable = {place: concept for place, concept in concepts.items() if _is_thing(concept)}
        roles = _read_roles()
        self._things = list(drawable)
        self._fame = [len({collection.rows[i].artist for i in self._pictures[place]}) for place in self._things]
        self._agents = [place for place, concept in drawable.items() if _is_agent(concept)]
        self._objects = {
            "holding": [place for place, concept in drawable.items() if concept.kind.startswith(_HOLDABLE)],
            "playing": [place for place, concept in concepts.items() if concept.kind == "musical-instrument"],
            "riding": _named(concepts, roles["riding"]),
            "wearing": _named(concepts, roles["wearing"]),
            "inside": _named(concepts, roles["inside"]),
            "under": _named(concepts, roles["under"]),
            "on": _named(concepts, roles["on"]),
        }

    def __call__(self, rng: random.Random) -> Scene:
        """A third single things, a fifth several of a kind, two fifths two in a relation, the others three things."""
        lot = rng.random()
        artist = self._artist(rng)
        if lot < 0.33:
            scene = Scene((self._thing(*self._choose(1, rng), rng, artist),))
        elif lot < 0.48:
            scene = Scene((self._several(*self._choose(1, rng), rng, artist),))
        elif lot < 0.9:
            scene = self._related(rng, artist)
        else:
            chosen = dict.fromkeys(self._choose(3, rng))
            scene = Scene(tuple(self._thing(place, rng, artist, plain=True) for place in chosen))
        scene = replace(scene, style=self._style(scene, rng))
        return replace(scene, setting=rng.choice(list(SETTINGS)) if rng.random() < 0.45 else "")

    def _related(self, rng: random.Random, artist: str) -> Scene:
        relation = rng.choice([name for name in RELATIONS if self._objects.get(name, True)])
        roles = self._objects.get(relation)
        second = rng.choice(roles) if roles else self._choose(1, rng)[0]
        needs_agent = relation in ("holding", "riding", "playing", "wearing")
        is_agent = self._agents and (needs_agent or rng.random() < 0.5)
        first = rng.choice(self._agents) if is_agent else self._choose(1, rng)[0]
        while first == second:
            first = rng.choice(self._things)
        return Scene((self._thing(first, rng, artist), self._thing(second, rng, artist, plain=True)), relation)

    def _choose(self, count: int, rng: random.Random) -> list[int]:
        """Concepts by chance; the more artists drew one, the oftener."""
        return rng.choices(self._things, self._fame, k=count)

    def _thing(self, concept: int, rng: random.Random, artist: str, *, plain: bool = False) -> Thing:
        picture = self._picture(concept, rng, artist)
        row = self.collection.rows[picture]
        size = rng.choice(SIZES) if not plain and rng.random() < 0.15 else ""
        return Thing(concept, (picture,), row.colour, size)

    def _several(self, concept: int, rng: random.Random, artist: str) -> Thing:
        picture = self._picture(concept, rng, artist)
        return Thing(concept, (picture,) * rng.choice((2, 2, 3, 3, 4)), self.collection.rows[picture].colour)

    def _picture(self, concept: int, rng: random.Random, artist: str) -> int:
        """One by `artist` if there is one; a name that says a colour is never drawn in another."""
        pictures = self._pictures[concept]
        rows = self.collection.rows
        own = [place for place in pictures if rows[place].artist == artist]
        if self.collection.concepts[concept].colour_named:
            pictures = [place for place in own or pictures if not rows[place].colour] or pictures
            return rng.choice(pictures)
        return rng.choice(own or pictures)

    def _artist(self, rng: random.Random) -> str:
        return rng.choice(self.collection.artists)

    def _style(self, scene: Scene, rng: random.Random) -> str:
        """A style word in three of ten scenes whose things all share it."""
        rows = [self.collection.rows[picture] for thing in scene.things for picture in thing.pictures]
        shared = set(rows[0].style).intersection(*(row.style for row in rows))
        return rng.choice(sorted(shared)) if shared and rng.random() < 0.3 else ""


def _read_roles() -> dict[str, frozenset[str]]:
    rows = (line.split("\t") for line in ROLES.read_text(encoding="utf-8").splitlines())
    return {relation: frozenset(names.split(" | ")) for relation, names in rows}


def _named(concepts: dict[int, Concept], names: frozenset[str]) -> list[int]:
    return [place for place, concept in concepts.items() if concept.en in names]


def _is_agent(concept: Concept) -> bool:
    return concept.kind in _ALIVE or concept.kind.startswith(_AGENTS)


def _is_thing(concept: Concept) -> bool:
    """Whether it can stand in a scene: no symbol, no sign, no place that is a scene by itself."""
    if concept.kind in ("artifact", "animal", "food", "plant", "person", "object"):
        return True
    return concept.kind.startswith((*_AGENTS, *_HOLDABLE, "plant-", "transport-", "clothing", "musical", "dishware",
        "computer", "light-video", "other-object", "award", "event", "arts", "sound", "music", "place-building",
    )) and not concept.kind.endswith("sign")  # fmt: skip
