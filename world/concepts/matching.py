"""Which concept does a picture show? By its Unicode characters, else by what its package calls it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from world.artists.gallery import Picture
from world.concepts.vocabulary import Concept

__all__ = ["Match", "Matcher", "bare", "variations"]

_FILLER = re.compile(r"\((?:b and w|black and white)\)|\b(?:clip ?art|icon|symbol|svg|cliparts)\b")
_NUMBER = re.compile(r"\s+(?:[0-9]+|one|two|three|four|five|six|seven|fill|alternate|zodiac|facing right)$")
_GROUP = re.compile(r"^(family|kiss|couple with heart)(?: (?:man|woman|boy|girl|person)\b)+")
_MODIFIERS = frozenset({
    "a", "an", "the", "simple", "small", "little", "big", "large", "old", "new", "cartoon", "my", "nice", "cute",
    "plain", "basic", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
    "grey", "gray", "golden", "silver", "beautiful", "funny", "happy", "sad", "open", "closed", "single",
    "stylized", "classic", "realistic", "man", "woman", "person", "male", "female",
})  # fmt: skip
HEAD_ARTISTS = frozenset({"game-icons"})
"""Artists whose names end in what is drawn ("war axe"); of others a keyword has to confirm it."""


@dataclass(frozen=True)
class Match:
    """concept: place in the list. exact: the package's name is a name of it; else only the last word is."""

    concept: int
    exact: bool


def bare(characters: str) -> str:
    """Without variation selectors, which packages put or leave out as they like."""
    return characters.replace("\ufe0f", "")


def variations(name: str) -> Iterator[str]:
    """The name as it is, then with less and less around the noun."""
    words = re.sub(r"[\s_-]+", " ", _FILLER.sub(" ", name.lower())).strip(" .,!")
    yield words
    if group := _GROUP.match(words):
        yield group[1]
    while shorter := _NUMBER.sub("", words):
        if shorter == words:
            break
        words = shorter
        yield words
    before_comma = re.split(r"[,(:]| - | with | on | in | of ", words)[0].strip()
    if before_comma and before_comma != words:
        yield before_comma
        words = before_comma
    while words.split(" ")[0] in _MODIFIERS and " " in words:
        words = words.split(" ", 1)[1]
        yield words
    for plural, singular in (("ies", "y"), ("es", ""), ("s", "")):
        if words.endswith(plural) and len(words) > 3:
            yield words.removesuffix(plural) + singular


class Matcher:
    """Finds the concept of a picture among `concepts`."""

    def __init__(self, concepts: Iterable[Concept]):
        self._by_emoji: dict[str, int] = {}
        self._by_name: dict[str, int] = {}
        concepts = list(concepts)
        for place, concept in enumerate(concepts):
            self._by_emoji.update(dict.fromkeys(map(bare, concept.emoji), place))
        for names in (
            lambda concept: (concept.en,),
            lambda concept: concept.synonyms,
            lambda concept: concept.spellings,
        ):
            for place, concept in enumerate(concepts):
                for name in names(concept):
                    self._by_name.setdefault(name.lower().replace("-", " "), place)
        self._heads = {concept.en.lower(): place for place, concept in enumerate(concepts)}
        self._squashed = {name.replace(" ", ""): place for name, place in reversed(self._by_name.items())}

    def name(self, name: str) -> int | None:
        """Place of the concept that has exactly this name."""
        return self._by_name.get(name.lower().replace("-", " "))

    def find(self, picture: Picture) -> Match | None:
        if (place := self._by_emoji.get(bare(picture.emoji))) is not None:
            return Match(place, True)
        for name in picture.names:
            for words in variations(name):
                place = self._by_name.get(words)
                if place is None and " " not in words and len(words) > 5:
                    place = self._squashed.get(words)
                if place is not None:
                    return Match(place, True)
        for name in picture.names:
            *_, last = [variation.split(" ")[-1] for variation in variations(name)][:1] or [""]
            if (picture.artist in HEAD_ARTISTS or last in picture.tags) and last in self._heads:
                return Match(self._heads[last], False)
        return None
