"""Sentences around a name: what people write is seldom a caption, and most of their words are not in any.

A sentence holds a name, alias or keyword of a subject, among words that say nothing of it: invented ones, so that no
list of fillers can be learned by heart, and words borrowed from other subjects in places where they only describe. Some
of the words around it are further keywords of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from world.captions import with_article, with_particle
from world.subjects import Subject

ONSETS = (
    "b", "bl", "br", "c", "ch", "cl", "cr", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl",
    "pr", "qu", "r", "s", "sh", "sl", "sn", "sp", "st", "str", "t", "th", "tr", "v", "w", "y", "",
)  # fmt: skip
VOWELS = ("a", "e", "i", "o", "u", "ea", "ee", "oo", "ai", "ou", "y")
CODAS = (
    "", "", "ck", "ct", "d", "ft", "g", "l", "ll", "m", "mp", "n", "nd", "ng", "nt", "p", "r", "rd", "rk", "s", "ss",
    "st", "t", "x",
)  # fmt: skip
ENDINGS = ("", "", "", "s", "ed", "ing", "y", "er", "ly", "ful", "ish")
LINKS = (
    "with its", "with the", "of the", "for the", "for a", "from", "from the", "in its", "on its", "at the", "by the",
    "that", "which", "without", "like a", "full of", "through the", "over the", "near the", "after the", "and very",
)  # fmt: skip
BEFORE_KO = ("{}의", "{}에 있는", "{} 같은", "{}한", "{}스러운", "{}처럼 보이는", "{}하는", "{}에서 온", "{}{이} 많은")
AFTER_KO = ("", "", "", " 하나", " 한 개", " 한 마리", " 한 대", " 한 송이", " 두 개", "{을} 보여 줘", "의 모습")
NAMED, ALIASED = 0.55, 0.75
"""Shares, cumulative, of sentences with the name itself and with an alias; the rest have a keyword."""
INVENTED, FOREIGN = 0.5, 0.75
"""Shares, cumulative, of the other words: in no language, and of other subjects; the rest are the subject's own."""
KOREAN = 0.45


class Phrasing:
    """Sentences about subjects. Keywords that few subjects share come more often."""

    def __init__(self, subjects: list[Subject]):
        self.words = _single_words(word for s in subjects for word in (s.en, *s.aliases, *s.keywords))
        self.words_ko = _single_words(word for s in subjects for word in (s.ko, *s.aliases_ko, *s.keywords_ko))
        self.shared: dict[str, int] = {}
        for subject in subjects:
            for keyword in (*subject.keywords, *subject.keywords_ko):
                self.shared[keyword] = self.shared.get(keyword, 0) + 1

    def __call__(self, subject: Subject, rng: random.Random) -> str:
        if rng.random() < KOREAN:
            core = self._core(subject.ko, subject.aliases_ko, subject.keywords_ko, rng)
            return self._korean(core, subject.keywords_ko, rng)
        return self._english(self._core(subject.en, subject.aliases, subject.keywords, rng), subject.keywords, rng)

    def _core(self, name: str, aliases: tuple[str, ...], keywords: tuple[str, ...], rng: random.Random) -> str:
        lot = rng.random()
        if keywords and lot > ALIASED:
            return rng.choices(keywords, [self.shared[word] ** -2 for word in keywords])[0]
        return rng.choice(aliases) if aliases and lot > NAMED else name

    def _english(self, core: str, own: tuple[str, ...], rng: random.Random) -> str:
        def others(count: int) -> list[str]:
            return [_other(own, self.words, _invent, rng) for _ in range(count)]

        phrase = " ".join([*others(rng.choice((0, 0, 1, 1, 2))), core])
        phrase = rng.choice((phrase, with_article(phrase), with_article(phrase), f"the {phrase}", f"one {phrase}"))
        after = [
            f"{rng.choice(LINKS)} {' '.join(others(rng.choice((1, 1, 2))))}" for _ in range(rng.choice((0, 0, 1, 1, 2)))
        ]
        return ", ".join([phrase, *after]) if rng.random() < 0.2 else " ".join([phrase, *after])

    def _korean(self, core: str, own: tuple[str, ...], rng: random.Random) -> str:
        before = [
            _attach(_other(own, self.words_ko, _invent_ko, rng), rng.choice(BEFORE_KO))
            for _ in range(rng.choice((0, 1, 1, 2)))
        ]
        return _attach(" ".join([*before, core]), "{}" + rng.choice(AFTER_KO))


def _other(own: tuple[str, ...], words: list[str], invent: Callable[[random.Random], str], rng: random.Random) -> str:
    """A word beside the name: invented, or a keyword of the same subject, or any."""
    lot = rng.random()
    if lot < INVENTED:
        return invent(rng)
    return rng.choice(own) if own and lot > FOREIGN else rng.choice(words)


def _single_words(phrases) -> list[str]:
    return sorted({word for phrase in phrases for word in phrase.split() if word.isalpha() and len(word) > 1})


def _invent(rng: random.Random) -> str:
    syllables = [rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(rng.choice((1, 1, 2)))]
    return "".join(syllables) + rng.choice(ENDINGS)


def _invent_ko(rng: random.Random) -> str:
    """One to three syllables; most without a final consonant, as in the language."""
    finals = (0, 0, 0, 1, 4, 8, 16, 17, 21)
    return "".join(
        chr(ord("가") + rng.randrange(19) * 588 + rng.randrange(21) * 28 + rng.choice(finals))
        for _ in range(rng.choice((1, 2, 2, 3)))
    )


def _attach(word: str, form: str) -> str:
    """`word` in `form`, whose particles fit its last syllable."""
    for particle in ("이", "을"):
        form = form.replace("{}{" + particle + "}", with_particle(word, particle))
    return form.replace("{}", word)
