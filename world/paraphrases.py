"""The subjects in other words: phrases written by hand for each of them, without sight of any test prompt.

`paraphrases.tsv` has a line per subject: its English name, English phrases and Korean phrases, separated by " | ".
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

__all__ = ["load_paraphrases", "thinned"]

FILE = Path(__file__).with_name("paraphrases.tsv")
DROPPED, LEAST = 0.12, 3
"""How often a word is left out, and how many stay in any case."""


@cache
def load_paraphrases() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """English name of a subject → (English phrases, Korean phrases)."""
    rows = (line.split("\t") for line in FILE.read_text(encoding="utf-8").splitlines())
    return {name: (tuple(en.split(" | ")), tuple(ko.split(" | "))) for name, en, ko in rows}


def thinned(phrase: str, rng: random.Random) -> str:
    """`phrase` without some of its words: no single one shall be needed."""
    words = phrase.split()
    kept = [word for word in words if rng.random() >= DROPPED]
    return " ".join(kept if len(kept) >= min(LEAST, len(words)) else words)
