"""The subjects of the pocket world: things with an emoji, and their names in English and Korean.

Names come from the Python package `emoji` (Unicode CLDR short names), keywords from `world.keywords`. Left
out are pictures that differ only in what a small drawing cannot show: skin tones, gendered and family variants (joined
sequences), country flags, clock faces, keycaps, squares of several sizes, boxed Japanese characters; and those the font
does not have.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from engines.clip.encoder import NAMES_FILE

_TOO_ALIKE = re.compile(
    r"skin tone|flag: |^keycap|thirty$|o'clock$|(medium|small|large) square|medium-small"
    r"|^Japanese .*button$|^(England|Scotland|Wales)$"
)
_COLOURS = re.compile(r"\b(red|orange|yellow|green|blue|purple|brown|black|white|grey|pink)\b")


@dataclass(frozen=True)
class Subject:
    """character: the emoji. en, ko: its name. aliases, aliases_ko: other names. colour_named: the name says a colour.

    keywords, keywords_ko: words that point to it, though perhaps to a few others too. kind: what sort of thing it is,
    a subgroup of Unicode's emoji such as "animal-mammal" or "food-fruit".
    """

    character: str
    en: str
    ko: str
    aliases: tuple[str, ...]
    colour_named: bool
    aliases_ko: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    keywords_ko: tuple[str, ...] = ()
    kind: str = ""


def find_subjects(has_glyph) -> list[Subject]:
    """All subjects whose glyph exists, `has_glyph(character) -> bool`, ordered by English name; without keywords."""
    import emoji

    emoji.config.load_language("ko")
    subjects = []
    for character, data in emoji.EMOJI_DATA.items():
        en, ko = _plain(data["en"]), _plain(data.get("ko", ""))
        if data["status"] != emoji.STATUS["fully_qualified"] or not ko or "\u200d" in character:
            continue
        if "\U0001f1e6" <= character[0] <= "\U0001f1ff" or _TOO_ALIKE.search(en) or not has_glyph(character):
            continue
        aliases = tuple(sorted({_plain(alias) for alias in data.get("alias", [])} - {en, ""}))
        subjects.append(Subject(character, en, ko, aliases, bool(_COLOURS.search(en))))
    return sorted(subjects, key=lambda subject: subject.en.lower())


def save_subjects(subjects: list[Subject]) -> None:
    """One subject a line."""
    rows = [json.dumps(asdict(subject), ensure_ascii=False, separators=(",", ":")) for subject in subjects]
    NAMES_FILE.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")


def load_subjects() -> list[Subject]:
    rows = json.loads(NAMES_FILE.read_text(encoding="utf-8"))
    return [Subject(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for row in rows]


def _plain(name: str) -> str:
    return name.strip(":").replace("_", " ").replace("’", "'").strip() if name else ""
