"""What people might write under a picture of a subject, in English and Korean, with or without a word for its style."""

from __future__ import annotations

import random
import re

from world.styles import Style
from world.subjects import Subject

ENGLISH = (
    "{0}", "{0}", "{1}", "{1}", "{1}", "the {0}", "a drawing of {1}", "a picture of {1}", "an image of {1}",
    "a photo of {1}", "an icon of {1}", "{0} emoji", "a colorful {0}", "a cute {0}",
)  # fmt: skip
"""{0}: a name; {1}: with its article."""
KOREAN = ("{}", "{}", "{} 그림", "{}의 그림", "{} 사진", "{} 아이콘", "{} 이모티콘", "예쁜 {}", "귀여운 {}")
ADJECTIVES = (
    "little", "big", "small", "old", "new", "happy", "funny", "lovely", "nice", "simple", "beautiful", "tiny", "huge",
    "shiny", "fresh", "bright", "sweet", "soft", "strange", "famous", "pretty", "quiet", "friendly", "fine", "real",
)  # fmt: skip
CONTEXTS = (
    "on a table", "in the garden", "at home", "in the sun", "in the morning", "for my friend",
    "with love", "in the park", "on a white background", "by the window", "seen up close", "for children",
    "all alone", "in the middle", "under the sky", "in the wind", "as I remember it", "that I like", "that looks nice",
    "made by hand", "of my dreams", "in front of a wall", "on holiday", "with a shadow", "everybody knows",
)  # fmt: skip
ADJECTIVES_KO = (
    "작은", "큰", "멋진", "오래된", "새로운", "아름다운", "행복한", "재미있는", "조그만", "부드러운",
    "신선한", "밝은", "평범한", "소중한", "내가 좋아하는", "숲속의", "길가의", "창가의",
    "탁자 위의", "혼자 있는", "햇빛 아래의",
)  # fmt: skip
ENDINGS_KO = (
    " 하나", " 한 개", " 한 마리", " 한 대", " 한 송이", " 하나를 그려 주세요", "{을} 보여 줘",
    "{이} 있는 풍경", "의 모습", "{을} 그린 것", " 그리기", "{과} 하늘",
)  # fmt: skip
WORDY = 0.35
"""Share of captions with words that change nothing: people say more than a name."""
_PLURAL = re.compile(r"[^suai]s$|\bpeople\b")
_LIKE_A_VOWEL = re.compile(r"(?!uni|use|eu|ewe|one|ufo)[aeiou]|hour|x-ray", re.IGNORECASE)
_SENTENCE = re.compile(r"있다(,|$)")
_UNCOUNTED = re.compile(r"(art|poly|glass|pointillism|graffiti)$")
_PARTICLES = {"이": "가", "은": "는", "을": "를", "과": "와", "으로": "로"}
"""After a consonant: after a vowel."""


def caption(subject: Subject, rng: random.Random, style: Style | None = None) -> str:
    """A caption of `subject`, three in five English; sometimes by another name, now and then by or with a keyword.

    With a style the caption tells it too: "a watercolor of a cat", "고양이 수채화".
    """
    wordy = rng.random() < WORDY
    if rng.random() < 0.4:
        name = _some_name(subject.ko, subject.aliases_ko, subject.keywords_ko, rng)
        if style is not None:
            return styled(name, style, rng)
        return _in_passing_ko(name, rng) if wordy else rng.choice(KOREAN).format(name)
    name = _some_name(subject.en, subject.aliases, subject.keywords, rng)
    if style is not None:
        return styled(with_article(name) if rng.random() < 0.7 else name, style, rng)
    return _in_passing(name, rng) if wordy else rng.choice(ENGLISH).format(name, with_article(name))


def _in_passing(name: str, rng: random.Random) -> str:
    """ "a shiny key on a table"."""
    phrase = with_article(f"{rng.choice(ADJECTIVES)} {name}" if rng.random() < 0.7 else name)
    return f"{phrase} {rng.choice(CONTEXTS)}" if rng.random() < 0.7 else phrase


def _in_passing_ko(name: str, rng: random.Random) -> str:
    phrase = f"{rng.choice(ADJECTIVES_KO)} {name}" if rng.random() < 0.6 else name
    ending = rng.choice(ENDINGS_KO) if rng.random() < 0.7 else ""
    particle = re.search(r"\{(.)\}", ending)
    return with_particle(phrase, particle[1]) + ending[3:] if particle else phrase + ending


def styled(phrase: str, style: Style, rng: random.Random) -> str:
    """`phrase`, in English or Korean, in `style`: a noun with whatever belongs to it, or a short sentence."""
    if is_korean(phrase):
        word = rng.choice((style.ko, style.ko, *style.aliases_ko))
        made = with_particle(style.ko, "으로")
        forms = [f"{phrase}, {word}", f"{word}, {phrase}"]
        if not _SENTENCE.search(phrase):
            forms += [f"{phrase} {word}"] * 3 + [
                f"{word} 스타일의 {phrase}",
                f"{word} {phrase}",
                f"{made} 그린 {phrase}",
            ]
        return rng.choice(forms)
    word = rng.choice((style.en, style.en, *style.aliases_en))
    work = style.en if _UNCOUNTED.search(style.en) else with_article(style.en)
    forms = (f"{work} of {phrase}", f"{work} of {phrase}", f"{phrase}, {word}", f"{phrase} in {word} style")
    return rng.choice((*forms, f"{word} of {phrase}", f"{word}, {phrase}"))


def with_article(name: str) -> str:
    """ "a cat", "an owl", "glasses"."""
    if _PLURAL.search(re.split(r" (?:with|of|in|on) ", name)[0]):
        return name
    return f"an {name}" if _LIKE_A_VOWEL.match(name) else f"a {name}"


def with_particle(word: str, particle: str) -> str:
    """A Korean word and the form of `particle` (이, 은, 을, 과, 으로) that its last syllable asks for."""
    last = ord(word[-1]) - ord("가")
    final = last % 28 if 0 <= last < 11172 else 0
    consonant = final and not (particle == "으로" and final == 8)  # ㄹ takes 로
    return word + (particle if consonant else _PARTICLES[particle])


def is_korean(text: str) -> bool:
    return any("가" <= letter <= "힣" for letter in text)


def corpus(subjects: list[Subject]) -> list[str]:
    """Every caption by name or alias, without a style: what a vocabulary is learned from."""
    english = [t.format(name, with_article(name)) for s in subjects for name in (s.en, *s.aliases) for t in ENGLISH]
    korean = [t.format(name) for s in subjects for name in (s.ko, *s.aliases_ko) for t in KOREAN]
    return english + korean


def _some_name(name: str, aliases: tuple[str, ...], keywords: tuple[str, ...], rng: random.Random) -> str:
    lot = rng.random()
    if keywords and lot < 0.12:
        keyword = rng.choice(keywords)
        return keyword if lot < 0.06 else f"{name}, {keyword}"
    return rng.choice(aliases) if aliases and lot < 0.32 else name
