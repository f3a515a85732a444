"""The concepts of the world: things that artists drew, with their names in English and Korean."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

__all__ = ["CONCEPTS", "Concept", "load_concepts", "save_concepts"]

CONCEPTS = Path(__file__).with_name("concepts.json")


@dataclass(frozen=True)
class Concept:
    """en: its name, unique. synonyms: other English names. ko, synonyms_ko: Korean names ("" and () if unknown).

    kind: a subgroup of Unicode's emoji ("animal-mammal") or a kind of WordNet ("artifact"). colour_named: its name
    says a colour. gloss: one line of WordNet, or "". emoji: Unicode characters that show it. spellings: further names
    that packages of art use for it; not for captions.
    """

    en: str
    synonyms: tuple[str, ...] = ()
    ko: str = ""
    synonyms_ko: tuple[str, ...] = ()
    kind: str = ""
    colour_named: bool = False
    gloss: str = ""
    emoji: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()


@cache
def load_concepts() -> tuple[Concept, ...]:
    """All concepts in a fixed order: a judge's classes."""
    rows = json.loads(CONCEPTS.read_text(encoding="utf-8"))
    return tuple(Concept(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for row in rows)


def save_concepts(concepts: list[Concept], file: Path = CONCEPTS) -> None:
    """One concept a line; fields that say nothing are left out."""
    rows = [{name: value for name, value in asdict(concept).items() if value} for concept in concepts]
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
