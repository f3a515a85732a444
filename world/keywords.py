"""Adds keywords, further names and kinds to the subjects: `python -m world.keywords FOLDER`.

FOLDER holds the npm package `emojibase-data` (MIT; its words come from Unicode CLDR, Unicode licence):
`npm pack emojibase-data && tar xzf emojibase-data-*.tgz` makes the folder `package`.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from world.subjects import Subject, load_subjects, save_subjects

SHARED_BY = 6
"""A keyword that more subjects than these have says too little."""
_ENGLISH = re.compile(r"[a-z][a-z' -]*[a-z]", re.IGNORECASE)
_KOREAN = re.compile(r"[가-힣][가-힣 ]*")
_HEADS = ("animal", "cat-face", "face-costume")
"""Kinds whose Korean names end in "face" although people call the whole by the rest: 판다 얼굴, 로봇 얼굴."""
_ABOUT_EMOJI = re.compile(r"\b(emoji|button|sign|symbol|selector)\b|버튼|기호|표시|이모티콘|^모양$")


def add_keywords(subjects: list[Subject], folder: Path) -> list[Subject]:
    """`subjects` with what emojibase-data in `folder` tells; aliases that name another subject are dropped."""
    english, korean = (_rows(subjects, folder / language / "data.json") for language in ("en", "ko"))
    kinds = json.loads((folder / "meta" / "groups.json").read_text(encoding="utf-8"))["subgroups"]
    taken, taken_ko = {s.en.lower() for s in subjects}, {s.ko for s in subjects}

    named = []
    for subject, row, row_ko in zip(subjects, english, korean, strict=True):
        aliases = [alias for alias in subject.aliases if alias.lower() not in taken and _ENGLISH.fullmatch(alias)]
        kind = kinds[str(row["subgroup"])]
        short = subject.ko.removesuffix(" 얼굴") if kind.startswith(_HEADS) else subject.ko
        aliases_ko = sorted({row_ko["label"].strip(), short} - taken_ko)
        named.append(replace(subject, aliases=tuple(aliases), aliases_ko=tuple(aliases_ko), kind=kind))

    words = _telling([row["tags"] for row in english], [(s.en, *s.aliases) for s in named], _ENGLISH)
    words_ko = _telling([row["tags"] for row in korean], [(s.ko, *s.aliases_ko) for s in named], _KOREAN)
    return [
        replace(subject, keywords=own, keywords_ko=own_ko)
        for subject, own, own_ko in zip(named, words, words_ko, strict=True)
    ]


def _telling(tags: list[list[str]], names: list[tuple[str, ...]], spelled: re.Pattern) -> list[tuple[str, ...]]:
    """Of each subject's tags those that few share and that name nobody; the rarest first."""
    shared = Counter(tag for own in tags for tag in own)
    taken = {name.lower() for own in names for name in own}

    def tells(tag: str) -> bool:
        return (
            shared[tag] <= SHARED_BY
            and tag.lower() not in taken
            and spelled.fullmatch(tag) is not None
            and not _ABOUT_EMOJI.search(tag)
        )

    return [tuple(sorted(filter(tells, own), key=lambda tag: shared[tag])) for own in tags]


def _rows(subjects: list[Subject], file: Path) -> list[dict]:
    rows = {_bare(row["emoji"]): row for row in json.loads(file.read_text(encoding="utf-8"))}
    return [{"tags": [], **rows[_bare(subject.character)]} for subject in subjects]


def _bare(character: str) -> str:
    return character.replace("\ufe0f", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    save_subjects(add_keywords(load_subjects(), parser.parse_args().folder))


if __name__ == "__main__":
    main()
