"""Says an everyday scene in English or Korean, in many ways."""

from __future__ import annotations

import random

from world.captions import with_article, with_particle
from world.concepts.vocabulary import Concept
from world.everyday.grammar import Scene, Thing
from world.everyday.settings import SETTINGS
from world.scenes import COLOURS, NUMBERS, SIZES, plural

__all__ = ["korean_style", "say", "say_english", "say_korean"]

KOREAN = 0.35
"""Share of Korean captions among scenes whose things all have a Korean name."""
SYNONYM = 0.3
_COLOURS_KO = {colour.en: colour.ko for colour in COLOURS} | {"turquoise": "청록색"}
_ENGLISH = {
    "holding": ("{a} holding {b}", "{a} with {b} in its hand", "{a} carrying {b}", "{b} held by {a}"),
    "riding": ("{a} riding {b}", "{a} on {b}", "{a} riding on {b}", "{a} travelling on {b}"),
    "playing": ("{a} playing {b}", "{a} playing {the b}", "{a} making music with {b}", "{a} with {b}"),
    "wearing": ("{a} wearing {b}", "{a} with {b} on", "{a} in {b}", "{a} dressed in {b}"),
    "on": ("{a} on {b}", "{a} on top of {b}", "{a} sitting on {b}", "{a} standing on {b}"),
    "under": ("{a} under {b}", "{a} beneath {b}", "{b} over {a}", "{a} sheltering under {b}"),
    "inside": ("{a} inside {b}", "{a} in {b}", "{b} with {a} in it", "{a} peeking out of {b}"),
    "beside": ("{a} beside {b}", "{a} next to {b}", "{a} and {b} side by side", "{a} standing by {b}"),
    "in front of": ("{a} in front of {b}", "{a} before {b}", "{b} behind {a}", "{a} standing in front of {b}"),
    "above": ("{a} above {b}", "{a} over {b}", "{b} below {a}", "{a} flying above {b}"),
    "with": ("{a} and {b}", "{a} with {b}", "{a}, {b}", "{a} together with {b}"),
}
_KOREAN = {
    "holding": ("{b을} 든 {a}", "{b을} 들고 있는 {a}", "{a이} {b을} 들고 있다"),
    "riding": ("{b을} 타는 {a}", "{b을} 타고 있는 {a}", "{b}에 탄 {a}"),
    "playing": ("{b을} 연주하는 {a}", "{b} 치는 {a}", "{a이} {b을} 연주한다"),
    "wearing": ("{b을} 쓴 {a}", "{b을} 쓰고 있는 {a}", "{b을} 걸친 {a}"),
    "on": ("{b} 위의 {a}", "{b} 위에 있는 {a}", "{b} 위에 앉은 {a}"),
    "under": ("{b} 아래 {a}", "{b} 밑에 있는 {a}", "{b} 아래에 있는 {a}"),
    "inside": ("{b} 안의 {a}", "{b} 속에 있는 {a}", "{b}에 들어 있는 {a}"),
    "beside": ("{b} 옆의 {a}", "{b} 옆에 있는 {a}", "{a과} {b}"),
    "in front of": ("{b} 앞의 {a}", "{b} 앞에 있는 {a}", "{b} 앞에 선 {a}"),
    "above": ("{b} 위를 나는 {a}", "{b} 위쪽에 있는 {a}", "{b} 위의 {a}"),
    "with": ("{a과} {b}", "{b과} 함께 있는 {a}", "{a}, {b}"),
}
_OPENINGS = (
    "",
    "",
    "",
    "",
    "a picture of ",
    "a drawing of ",
    "draw ",
    "an illustration of ",
    "please draw ",
    "i want ",
)
_ENDINGS_KO = ("", "", "", "", " 그림", "을 그려 줘", " 그려 주세요", " 일러스트")
_STYLES_KO = {
    "flat": "평면", "outlined": "외곽선", "line drawing": "선화", "pixel art": "픽셀 아트", "voxel art": "복셀 아트",
    "clay": "점토", "glossy": "반들반들한", "hand-drawn": "손그림", "sketch": "스케치", "silhouette": "실루엣",
    "black and white": "흑백", "cartoon": "만화", "comic": "만화", "clip art": "클립 아트", "minimal": "단순한",
    "gradient": "그라데이션", "soft": "부드러운", "cute": "귀여운", "pastel": "파스텔", "emoji": "이모티콘",
    "icon": "아이콘", "doodle": "낙서", "collage": "콜라주", "paper cut-out": "종이 오리기", "blocky": "블록",
}  # fmt: skip


def say(scene: Scene, concepts: tuple[Concept, ...], rng: random.Random) -> str:
    """A caption; Korean only where everything in the scene has a Korean name."""
    is_named = all(concepts[thing.concept].ko for thing in scene.things)
    wants_korean = is_named and rng.random() < KOREAN
    return (say_korean if wants_korean else say_english)(scene, concepts, rng)


# ---------------------------------------------------------------------------------------------- English


def say_english(scene: Scene, concepts: tuple[Concept, ...], rng: random.Random) -> str:
    names = [_noun(thing, concepts, rng) for thing in scene.things]
    if scene.relation:
        first, second = names
        bare = second.split(" ", 1)[1] if second.startswith(("a ", "an ")) else second
        caption = rng.choice(_ENGLISH[scene.relation]).replace("{the b}", f"the {bare}")
        caption = caption.replace("{a}", first).replace("{b}", second)
    else:
        caption = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
    if not scene.setting:
        return _styled(rng.choice(_OPENINGS) + caption, scene.style, rng)
    phrase = rng.choice(SETTINGS[scene.setting].english)
    if rng.random() < 0.12:
        return _styled(f"{phrase}, {caption}", scene.style, rng)
    return _styled(f"{rng.choice(_OPENINGS)}{caption} {phrase}", scene.style, rng)


def _styled(caption: str, style: str, rng: random.Random) -> str:
    if not style:
        return caption
    forms = (f"{caption}, {style} style", f"{caption}, {style}", f"{caption} in {style} style", f"{style}: {caption}")
    return rng.choice(forms)


def _noun(thing: Thing, concepts: tuple[Concept, ...], rng: random.Random) -> str:
    concept = concepts[thing.concept]
    name = concept.en
    if concept.synonyms and rng.random() < SYNONYM:
        name = rng.choice(concept.synonyms)
    words = [thing.size, thing.colour, name if thing.count == 1 else plural(name)]
    noun = " ".join(filter(None, words))
    if thing.count > 1:
        return f"{NUMBERS[thing.count][0]} {noun}"
    return f"the {noun}" if rng.random() < 0.08 else with_article(noun)


# ---------------------------------------------------------------------------------------------- Korean


def say_korean(scene: Scene, concepts: tuple[Concept, ...], rng: random.Random) -> str:
    names = [_noun_korean(thing, concepts, rng) for thing in scene.things]
    caption = _filled(rng.choice(_KOREAN[scene.relation]), *names) if scene.relation else ", ".join(names)
    if scene.setting:
        caption = f"{rng.choice(SETTINGS[scene.setting].korean)} {caption}"
    if scene.style in _STYLES_KO:
        word = _STYLES_KO[scene.style]
        caption = rng.choice((f"{word} 스타일의 {caption}", f"{caption}, {word}", f"{word} {caption}"))
    ending = rng.choice(_ENDINGS_KO)
    if caption.endswith("다") or not ending:
        return caption
    return with_particle(caption, "을") + ending[1:] if ending.startswith("을") else caption + ending


def korean_style(style: str) -> str:
    """The Korean word for an English style word, "" if there is none."""
    return _STYLES_KO.get(style, "")


def _filled(form: str, first: str, second: str) -> str:
    for letter, name in (("a", first), ("b", second)):
        for particle in "이을과":
            form = form.replace(f"{{{letter}{particle}}}", with_particle(name, particle))
        form = form.replace(f"{{{letter}}}", name)
    return form


def _noun_korean(thing: Thing, concepts: tuple[Concept, ...], rng: random.Random) -> str:
    concept = concepts[thing.concept]
    name = concept.ko
    if concept.synonyms_ko and rng.random() < SYNONYM:
        name = rng.choice(concept.synonyms_ko)
    words = [SIZES.get(thing.size, ""), _COLOURS_KO.get(thing.colour, ""), name]
    if thing.count > 1:
        words.append(f"{NUMBERS[thing.count][1]} {_counter(concept)}")
    return " ".join(filter(None, words))


def _counter(concept: Concept) -> str:
    """The word that counts it: animals, people, things."""
    if concept.kind.startswith("animal"):
        return "마리"
    return "명" if concept.kind.startswith("person") else "개"
