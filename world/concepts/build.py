"""Makes the list of concepts from the gallery's index and the packages of words: `python -m world.concepts`.

First the subjects that have an emoji and a Noto picture (their order is that of the pocket CLIP), then further emoji of
Unicode, gendered ones under their common name, then nouns of WordNet that some package of art has a picture of.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from world.artists.gallery import Picture
from world.concepts.matching import Matcher, bare, variations
from world.concepts.vocabulary import Concept
from world.concepts.wordnet import CONCRETE, Sense, WordNet
from world.subjects import Subject

__all__ = ["compound_concepts", "drawn_only", "emoji_concepts", "further_concepts", "with_extras", "with_synonyms"]

_SKIPPED = re.compile(
    r"skin tone|^flag: |^keycap|thirty$|o'clock$|(medium|small|large) square|medium-small|^Japanese .*button$"
    r"|^regional indicator|^(England|Scotland|Wales)$|^family: |: (man|woman|person), |hair$"
)
_GENDER = re.compile(r"^(?:man|woman|men|women|person|people)\b(?: in (?:the )?| with | )?")
COLOURS = re.compile(r"\b(red|orange|yellow|green|blue|purple|brown|black|white|grey|gray|pink)\b")
KIND_OF_GROUP = {"animal": "animal", "food": "food", "drink": "food", "plant": "plant"}
"""Beginning of an emoji's kind → the kind of WordNet that its name must have there; all others are artifacts."""
MISLEADING = frozenset(
    {"seahorse", "pirate", "peacock", "carousel", "alien", "ghost", "candle", "drum", "dragon", "frog"}
)
"""Concepts whose first noun in WordNet is another thing: no synonyms from there."""
UNWANTED = frozenset({
    "attachment", "authority", "character", "coma", "commodity", "con", "copy", "cutting", "effect", "efferent",
    "element", "frame", "grid", "layer", "liar", "loading", "manager", "master", "network", "page", "part", "power",
    "ras", "round", "slave", "sperm", "spik", "square", "stripper", "suicide", "system", "terminal", "thong", "user",
    "video", "vip",
})  # fmt: skip
"""Nouns that would be concepts but do no good: words of user interfaces, and insults."""
LEAST_LETTERS = 3
COMPOUNDING = frozenset({"game-icons", "openclipart"})
"""Artists who give things their full names."""


# ---------------------------------------------------------------------------------------------- emoji


def emoji_concepts(subjects: list[Subject], emojibase: Path, drawn: list[Picture]) -> list[Concept]:
    """The subjects in their order, then what else has an emoji that some artist drew."""
    english = _rows(emojibase / "en")
    korean = {bare(row["emoji"]): row for row in _rows(emojibase / "ko")}
    kinds = json.loads((emojibase / "meta" / "groups.json").read_text(encoding="utf-8"))["subgroups"]
    concepts = {
        subject.en: Concept(
            subject.en, subject.aliases, subject.ko, subject.aliases_ko, subject.kind, subject.colour_named,
            emoji=(subject.character,),
        )
        for subject in subjects
    }  # fmt: skip
    owner = {bare(subject.character): subject.en for subject in subjects}
    has_picture = {bare(picture.emoji) for picture in drawn if picture.emoji}
    labels = {row["label"] for row in english}
    for row in english:
        character = bare(row["emoji"])
        if character in owner or _SKIPPED.search(row["label"]) or "group" not in row or character not in has_picture:
            continue
        name = _common_name(row["label"], labels)
        if name not in concepts:
            ko = korean.get(character, {}).get("label", "") if name == row["label"] else ""
            kind = kinds[str(row["subgroup"])]
            concepts[name] = Concept(name, (), ko, (), kind, bool(COLOURS.search(name)))
        concepts[name] = replace(concepts[name], emoji=(*concepts[name].emoji, row["emoji"]))
        owner[character] = name
    return _with_spellings(list(concepts.values()), emojibase, drawn)


def _common_name(label: str, labels: set[str]) -> str:
    """ "woman astronaut" and "man astronaut" → "astronaut"; "man running facing right" → "person running"."""
    plain = label.removesuffix(" facing right")
    rest = _GENDER.sub("", plain.split(":")[0] if ":" in plain else plain)
    for name in (f"person {rest}", f"people {rest}", f"person with {rest}", f"person in {rest}", rest):
        if name in labels and rest:
            return name
    return plain


def _rows(folder: Path) -> list[dict]:
    return json.loads((folder / "data.json").read_text(encoding="utf-8"))


def _with_spellings(concepts: list[Concept], emojibase: Path, drawn: list[Picture]) -> list[Concept]:
    """Adds what packages and Unicode call the same character; a spelling of two concepts is nobody's."""
    codes = json.loads((emojibase / "en" / "shortcodes" / "emojibase.json").read_text(encoding="utf-8"))
    found: dict[str, set[str]] = {}
    for code, shortcodes in codes.items():
        character = "".join(chr(int(part, 16)) for part in code.split("-"))
        listed = [shortcodes] if isinstance(shortcodes, str) else shortcodes
        found.setdefault(bare(character), set()).update(word.replace("_", " ") for word in listed)
    for picture in drawn:
        if picture.emoji:
            found.setdefault(bare(picture.emoji), set()).update(name.lower() for name in picture.names)
    spelled = []
    for concept in concepts:
        own = set().union(*(found.get(bare(character), set()) for character in concept.emoji))
        own |= {
            unicodedata.name(bare(character), "").lower() for character in concept.emoji if len(bare(character)) == 1
        }
        spelled.append(own - {concept.en.lower(), *concept.synonyms, ""})
    taken = Counter(name for own in spelled for name in own)
    names = {name.lower() for concept in concepts for name in (concept.en, *concept.synonyms)}
    return [
        replace(concept, spellings=tuple(sorted(name for name in own if taken[name] == 1 and name not in names)))
        for concept, own in zip(concepts, spelled, strict=True)
    ]


# ---------------------------------------------------------------------------------------------- nouns


def with_synonyms(concepts: list[Concept], wordnet: WordNet) -> tuple[list[Concept], dict[int, int]]:
    """Concepts with WordNet's words for them and its gloss; and synset → place of the concept."""
    taken = {name.lower() for concept in concepts for name in (concept.en, *concept.synonyms)}
    richer, owners = [], {}
    for place, concept in enumerate(concepts):
        sense = _sense_of(concept, wordnet)
        if sense is not None and sense.number not in owners:
            owners[sense.number] = place
            new = [word for word in _names(sense, wordnet) if word.lower() not in taken]
            taken.update(word.lower() for word in new)
            concept = replace(concept, synonyms=(*concept.synonyms, *new), gloss=sense.gloss)
        richer.append(concept)
    return richer, owners


def _sense_of(concept: Concept, wordnet: WordNet) -> Sense | None:
    expected = next((kind for start, kind in KIND_OF_GROUP.items() if concept.kind.startswith(start)), "artifact")
    allowed = {"artifact": {"artifact", "object", "phenomenon", "person", "body"}}.get(expected, {expected})
    if concept.en in MISLEADING or concept.kind.endswith(
        ("symbol", "alphanum", "sign", "keycap", "punctuation", "math")
    ):
        return None
    return next((sense for sense in wordnet.senses(concept.en.lower()) if sense.kind in allowed), None)


def _names(sense: Sense, wordnet: WordNet) -> list[str]:
    """Words that mean this before anything else; no proper names, no Latin ones."""
    words = [word for word in sense.lemmas if word == word.lower() and len(word) >= LEAST_LETTERS]
    return [word for word in words if wordnet.senses(word)[0].number == sense.number]


def further_concepts(
    concepts: list[Concept], owners: dict[int, int], drawn: list[Picture], wordnet: WordNet
) -> list[Concept]:
    """`concepts`, and behind them the nouns that unmatched pictures are named by, in alphabetical order."""
    matcher, owners = Matcher(concepts), dict(owners)
    concepts = list(concepts)
    new: dict[int, Concept] = {}
    for picture in drawn:
        if matcher.find(picture) is not None and matcher.find(picture).exact:
            continue
        for sense, name in _nouns(picture, wordnet):
            if sense.number in owners and sense == wordnet.senses(name)[0]:
                known = concepts[owners[sense.number]]
                if name not in (known.en, *known.synonyms, *known.spellings):
                    concepts[owners[sense.number]] = replace(known, spellings=(*known.spellings, name))
            elif sense.number in owners:
                continue
            elif sense.number not in new:
                synonyms = (
                    ()
                    if name in MISLEADING
                    else tuple(word for word in _names(sense, wordnet) if word != name and matcher.name(word) is None)
                )
                new[sense.number] = Concept(
                    name, synonyms, kind=sense.kind, colour_named=bool(COLOURS.search(name)), gloss=sense.gloss
                )
            elif name not in (new[sense.number].en, *new[sense.number].synonyms):
                known = new[sense.number]
                new[sense.number] = replace(known, spellings=(*known.spellings, name))
            break
    return concepts + sorted(_without_twins(list(new.values())), key=lambda concept: concept.en)


def _nouns(picture: Picture, wordnet: WordNet) -> Iterator[tuple[Sense, str]]:
    """(sense, name) of what a picture may be called, the likeliest first; only things that can be drawn."""
    for name in picture.names:
        for words in variations(name):
            sense = next((sense for sense in wordnet.senses(words)[:2] if sense.kind in CONCRETE), None)
            if sense and words not in UNWANTED and len(words) >= LEAST_LETTERS and wordnet.is_mostly_noun(words):
                yield sense, words


def compound_concepts(concepts: list[Concept], drawn: list[Picture], wordnet: WordNet) -> list[Concept]:
    """`concepts`, and behind them things of two words whose last word is a concept: "pirate coat", "war axe"."""
    matcher = Matcher(concepts)
    new: dict[str, Concept] = {}
    for picture in drawn:
        match = matcher.find(picture)
        if picture.artist not in COMPOUNDING or (match and match.exact):
            continue
        for words in variations(picture.names[0]):
            first, _, last = words.partition(" ")
            head = matcher.name(last)
            if head is None or not (_is_thing(concepts[head]) and len(first) > 3 and wordnet.is_word(first)):
                continue
            new.setdefault(words, Concept(words, kind=concepts[head].kind, colour_named=bool(COLOURS.search(words))))
            break
    return concepts + [new[name] for name in sorted(new)]


def _is_thing(concept: Concept) -> bool:
    return concept.kind in CONCRETE or not concept.kind.endswith(
        ("symbol", "alphanum", "sign", "keycap", "punctuation", "math", "arrow", "geometric", "face-costume")
    )


def _without_twins(concepts: list[Concept]) -> list[Concept]:
    """A name, synonym or not, belongs to the first concept that has it."""
    names = {concept.en for concept in concepts}
    taken: set[str] = set()
    kept = []
    for concept in concepts:
        synonyms = tuple(word for word in concept.synonyms if word not in names and word not in taken)
        taken.update(synonyms)
        kept.append(replace(concept, synonyms=synonyms))
    return kept


# ---------------------------------------------------------------------------------------------- written by hand


def with_extras(concepts: list[Concept], file: Path) -> list[Concept]:
    """Adds what `extras.tsv` says: English name, further English names, Korean names, and what packages call it.

    Names stand between " | ". A name that is no concept yet becomes one, at the end of the list.
    """
    rows = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    known = {concept.en for concept in concepts}
    concepts = concepts + [Concept(row[0], kind="artifact") for row in rows if row[0] not in known]
    taken = {concept.en.lower() for concept in concepts}
    extras = {en: tuple(map(_split, cells)) for en, *cells in rows}
    named = []
    for concept in concepts:
        further, korean, spellings = extras.get(concept.en, ((), (), ()))
        names = dict.fromkeys(name for name in (concept.ko, *korean, *concept.synonyms_ko) if name)
        synonyms = dict.fromkeys((*concept.synonyms, *(name for name in further if name.lower() not in taken)))
        ko, *synonyms_ko = names or ("",)
        spellings = tuple(dict.fromkeys((*concept.spellings, *spellings)))
        named.append(
            replace(concept, synonyms=tuple(synonyms), ko=ko, synonyms_ko=tuple(synonyms_ko), spellings=spellings)
        )
    return named


def _split(cell: str) -> tuple[str, ...]:
    return tuple(name for name in cell.split(" | ") if name)


def drawn_only(concepts: list[Concept], drawn: list[Picture], kept: int) -> list[Concept]:
    """The first `kept` concepts, and those of the others that some picture shows."""
    matcher = Matcher(concepts)
    shown = {match.concept for picture in drawn if (match := matcher.find(picture)) and match.exact}
    return [concept for place, concept in enumerate(concepts) if place < kept or place in shown]
