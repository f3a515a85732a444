"""What people might write under a portrait, in English and Korean: a few of its attributes, never something untrue."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from world.captions import with_article
from world.portraits import ATTRIBUTES, Portraits

SPOKEN = 0.6
"""Share of captions in English."""
MENTIONS = (1, 1, 2, 2, 3, 4)
"""How many attributes a caption tells, by lot."""


@dataclass(frozen=True)
class Words:
    """before: English words before the noun; after: behind it; ko: before a Korean noun."""

    ko: tuple[str, ...]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


WORDS: dict[tuple[str, str], Words] = {
    ("age", "young"): Words(("젊은",), before=("young",)),
    ("age", "old"): Words(("늙은", "나이 든", "주름진"), before=("old", "elderly"), after=("with wrinkles",)),
    ("skin", "light"): Words(
        ("하얀 피부의", "밝은 피부의"), before=("light-skinned", "pale"), after=("with light skin",)
    ),
    ("skin", "medium"): Words(("갈색 피부의",), before=("tanned",), after=("with brown skin",)),
    ("skin", "dark"): Words(
        ("검은 피부의", "어두운 피부의"), before=("dark-skinned", "black"), after=("with dark skin",)
    ),
    ("hair style", "bald"): Words(("대머리",), before=("bald",), after=("with a bald head", "without hair")),
    ("hair style", "short"): Words(("짧은 머리의",), before=("short-haired",), after=("with short hair",)),
    ("hair style", "spiky"): Words(("뾰족한 머리의", "삐죽삐죽한 머리의"), after=("with spiky hair",)),
    ("hair style", "curly"): Words(
        ("곱슬머리의",), before=("curly-haired",), after=("with curly hair", "with an afro")
    ),
    ("hair style", "bun"): Words(("올림머리를 한",), after=("with a bun", "with hair in a bun")),
    ("hair style", "bob"): Words(("단발머리의",), after=("with a bob", "with bob hair", "with bangs")),
    ("hair style", "long"): Words(("긴 머리의",), before=("long-haired",), after=("with long hair",)),
    ("hair colour", "black"): Words(("검은 머리의",), before=("black-haired",), after=("with black hair",)),
    ("hair colour", "brown"): Words(("갈색 머리의",), before=("brown-haired",), after=("with brown hair",)),
    ("hair colour", "blonde"): Words(
        ("금발의", "노란 머리의"), before=("blonde",), after=("with blonde hair", "with blond hair")
    ),
    ("hair colour", "red"): Words(("빨간 머리의",), before=("red-haired", "ginger"), after=("with red hair",)),
    ("hair colour", "grey"): Words(
        ("회색 머리의", "흰머리의"), before=("grey-haired",), after=("with grey hair", "with gray hair")
    ),
    ("hair colour", "blue"): Words(("파란 머리의",), before=("blue-haired",), after=("with blue hair",)),
    ("eyes", "brown"): Words(("갈색 눈의",), before=("brown-eyed",), after=("with brown eyes",)),
    ("eyes", "blue"): Words(("파란 눈의",), before=("blue-eyed",), after=("with blue eyes",)),
    ("eyes", "green"): Words(("초록색 눈의",), before=("green-eyed",), after=("with green eyes",)),
    ("expression", "neutral"): Words(("무표정한",), before=("calm",), after=("with a neutral expression",)),
    ("expression", "smiling"): Words(
        ("웃는", "미소 짓는", "행복한"), before=("smiling", "happy", "laughing"), after=("with a smile",)
    ),
    ("expression", "sad"): Words(("슬픈",), before=("sad", "unhappy"), after=("with a sad expression",)),
    ("expression", "surprised"): Words(("놀란",), before=("surprised", "shocked"), after=("with an open mouth",)),
    ("expression", "angry"): Words(("화난",), before=("angry",), after=("with an angry expression",)),
    ("glasses", "none"): Words(("안경을 쓰지 않은",), after=("without glasses",)),
    ("glasses", "glasses"): Words(
        ("안경을 쓴", "안경 쓴"), after=("with glasses", "wearing glasses", "with eyeglasses")
    ),
    ("glasses", "sunglasses"): Words(("선글라스를 쓴",), after=("with sunglasses", "wearing sunglasses")),
    ("beard", "none"): Words(("수염이 없는",), before=("clean-shaven",), after=("without a beard",)),
    ("beard", "moustache"): Words(("콧수염이 있는",), after=("with a moustache", "with a mustache")),
    ("beard", "beard"): Words(("수염이 있는", "턱수염이 있는"), before=("bearded",), after=("with a beard",)),
    ("hat", "none"): Words(("모자를 쓰지 않은",), after=("without a hat",)),
    ("hat", "cap"): Words(("캡 모자를 쓴", "모자를 쓴"), after=("with a cap", "wearing a cap", "with a hat")),
    ("hat", "top hat"): Words(
        ("실크해트를 쓴", "모자를 쓴"), after=("with a top hat", "wearing a top hat", "wearing a hat")
    ),
    ("earrings", "none"): Words(("귀걸이를 하지 않은",), after=("without earrings",)),
    ("earrings", "earrings"): Words(("귀걸이를 한",), after=("with earrings", "wearing earrings")),
    ("make-up", "none"): Words(("화장하지 않은",), after=("without make-up",)),
    ("make-up", "make-up"): Words(
        ("화장한", "빨간 립스틱을 바른"), after=("with make-up", "wearing makeup", "with red lipstick")
    ),
    **{
        ("clothes", colour): Words((f"{ko} 옷을 입은",), after=(f"in a {colour} shirt", f"wearing {colour} clothes"))
        for colour, ko in zip(
            ATTRIBUTES["clothes"], ("빨간", "노란", "초록색", "파란", "보라색", "검은", "하얀"), strict=True
        )
    },
    **{
        ("background", colour): Words((f"{ko} 배경의",), after=(f"on a {colour} background",))
        for colour, ko in zip(
            ATTRIBUTES["background"], ("하얀", "회색", "분홍색", "파란", "초록색", "노란"), strict=True
        )
    },
}
"""All that is said of a portrait but its gender, which is the noun, and the colour of a hat."""
OF_ANY = {"with a hat", "wearing a hat", "모자를 쓴"}
"""Words that do not tell choices of an attribute apart."""
NOUNS = ("face", "face", "person", "portrait", "cartoon face", "portrait of a person", "head")
NOUNS_KO = ("얼굴", "얼굴", "사람", "초상화", "사람 얼굴")
GENDERED = {
    "woman": (("woman", "woman", "lady", "female face", "girl"), ("여자", "여자", "여성", "여자 얼굴")),
    "man": (("man", "man", "guy", "male face", "boy"), ("남자", "남자", "남성", "남자 얼굴")),
}
_RARELY = 0.12
"""How often an absence is worth a word."""


@dataclass(frozen=True)
class Saying:
    """A caption, and the places (in ATTRIBUTES) it asks of a portrait: attribute → choices that satisfy it."""

    text: str
    asks: dict[str, tuple[str, ...]]

    def fits(self, people: Portraits) -> Tensor:
        """(B,) bool: of whom it is true."""
        fit = torch.ones(len(people), dtype=torch.bool)
        for attribute, choices in self.asks.items():
            fit &= people.shows(attribute, *choices).bool()
        return fit


def describe(person: Portraits, rng: random.Random) -> Saying:
    """A caption of one portrait (B = 1) that tells some of its attributes."""
    chosen = {name: ATTRIBUTES[name][int(places[0])] for name, places in person.choices.items()}
    telling = [name for name in ATTRIBUTES if _is_worth_telling(name, chosen, rng)]
    told = rng.sample(telling, min(rng.choice(MENTIONS), len(telling))) if rng.random() > 0.04 else []
    gender = chosen["gender"] if "gender" in told else None
    told = [name for name in told if name != "gender"]
    return phrase({name: chosen[name] for name in told}, gender, rng, english=rng.random() < SPOKEN)


def phrase(
    told: dict[str, str], gender: str | None, rng: random.Random, *, english: bool, exact: bool = False
) -> Saying:
    """A caption that tells these choices, of a woman, a man or (None) just a face. exact: without words OF_ANY."""
    asks = {name: _satisfying(name, choice) for name, choice in told.items()}
    if gender:
        asks["gender"] = (gender,)
    words = [_exact(WORDS[item]) if exact else WORDS[item] for item in told.items()]
    if not english:
        noun = rng.choice(GENDERED[gender][1] if gender else NOUNS_KO)
        return Saying(" ".join([rng.choice(word.ko) for word in words] + [noun]), asks)
    noun = rng.choice(GENDERED[gender][0] if gender else NOUNS)
    before, after = [], []
    for word in words:
        side = before if word.before and (not word.after or (not before and rng.random() < 0.5)) else after
        side.append(rng.choice(word.before if side is before else word.after))
    front = " ".join([*before, noun])
    front = with_article(front) if rng.random() < 0.8 else front
    return Saying(" ".join([front, *_joined(after)]), asks)


def attribute_phrases(attribute: str, rng: random.Random) -> list[str]:
    """One phrase for each choice of an attribute, all of one make and language: what a portrait is asked."""
    english = rng.random() < SPOKEN
    seed = rng.random()
    if attribute == "gender":
        rows = [phrase({}, choice, random.Random(seed), english=english) for choice in ATTRIBUTES[attribute]]
    else:
        rows = [
            phrase({attribute: choice}, None, random.Random(seed), english=english, exact=True)
            for choice in ATTRIBUTES[attribute]
        ]
    return [row.text for row in rows]


ASKED = tuple(name for name in ATTRIBUTES if name != "hat colour")
"""Attributes with phrases of their own."""


def _exact(words: Words) -> Words:
    return Words(
        *(tuple(word for word in side if word not in OF_ANY) for side in (words.ko, words.before, words.after))
    )


def _is_worth_telling(name: str, chosen: dict[str, str], rng: random.Random) -> bool:
    if name == "hat colour" or (name == "hair colour" and chosen["hair style"] == "bald"):
        return False
    if chosen[name] in ("none", "neutral"):
        return rng.random() < _RARELY
    if name == "eyes":
        return chosen["glasses"] != "sunglasses"
    return name not in ("clothes", "background") or rng.random() < 0.4


def _satisfying(name: str, choice: str) -> tuple[str, ...]:
    """ "with glasses" is not untrue of sunglasses, nor "with a hat" of any hat, nor "with a moustache" of a beard."""
    if choice == "none" or name not in ("glasses", "beard", "hat"):
        return (choice,)
    return tuple(other for other in ATTRIBUTES[name] if other != "none")


def _joined(parts: list[str]) -> list[str]:
    """ "with glasses", "with a beard" → "with glasses and a beard"."""
    joined: list[str] = []
    for part in sorted(parts, key=lambda part: part.split()[0] != "with"):
        if joined and part.startswith("with ") and joined[-1].startswith("with "):
            joined[-1] += " and " + part[5:]
        else:
            joined.append(part)
    return joined
