"""What people might write under a picture of a subject, in English and Korean."""

from __future__ import annotations

import random

from training.worlds.subjects import Subject

ENGLISH = (
    "{}", "{}", "{a} {}", "{a} {}", "the {}", "a drawing of {a} {}", "a picture of {a} {}", "a sketch of {a} {}",
    "a painting of {a} {}", "a photo of {a} {}", "an icon of {a} {}", "{a} {} emoji", "a colorful {}", "a cute {}",
)  # fmt: skip
KOREAN = ("{}", "{}", "{} 그림", "{}의 그림", "{} 사진", "{} 아이콘", "{} 이모티콘", "예쁜 {}", "귀여운 {}")


def caption(subject: Subject, rng: random.Random) -> str:
    """A caption of `subject`: English (three in five, one in five of these by an alias) or Korean."""
    if rng.random() < 0.4:
        return rng.choice(KOREAN).format(subject.ko)
    name = rng.choice(subject.aliases) if subject.aliases and rng.random() < 0.2 else subject.en
    return rng.choice(ENGLISH).format(name, a=article(name))


def article(name: str) -> str:
    return "an" if name[:1].lower() in "aeiou" else "a"


def corpus(subjects: list[Subject]) -> list[str]:
    """Every caption that can occur without a random choice of name: what the tokenizer is learned from."""
    english = [t.format(name, a=article(name)) for s in subjects for name in (s.en, *s.aliases) for t in ENGLISH]
    korean = [t.format(s.ko) for s in subjects for t in KOREAN]
    return english + korean
