"""Captioned pictures to learn painting from: `CaptionedWorld` shows things as they are to be painted.

Where a CLIP learns to recognise what is small, turned, hidden and disguised, a painter learns what things look like:
one subject, large and upright, on a quiet ground; the same in a style; cartoon portraits; small scenes.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from world.captions import caption, is_korean, styled, with_article
from world.emoji import uniform_of
from world.painter import paint
from world.paraphrases import load_paraphrases
from world.phrasing import Phrasing
from world.portrait_captions import describe
from world.portraits import sample_portraits
from world.scenes import COLOURS, Colour, compose_scenes
from world.styles import STYLES, Chance, apply_styles, mix
from world.subjects import Subject

HELD_OUT = (
    "mosaic", "neon sign", "woodcut", "stained glass", "pointillism", "cubist painting", "ink wash painting", "pop art",
)  # fmt: skip
"""Styles that are never painted and never named: somebody's paintings, from which DreamStyler is to learn."""
PAINTED = torch.tensor([number for number, style in enumerate(STYLES) if style.en not in HELD_OUT])
"""Places in STYLES of all others."""
RESTYLED, PORTRAITS, SCENES = 0.2, 0.14, 0.03
"""Shares of subjects in a style, of portraits and of scenes; the others are subjects as they are."""
PORTRAITS_RESTYLED = 0.25
"""Share of the portraits that are painted in a style."""
KOREAN = 0.25
NAMED, PHRASED, PARAPHRASED = 0.45, 0.53, 0.75
"""Shares, cumulative, of subjects that are told by their bare name, in a longer sentence, and in other words."""
WHITE, COLOURED, GRADIENT = 0.66, 0.93, 0.97
"""Shares, cumulative, of white grounds, of those in one of COLOURS, and of gradients; the others are cloudy."""
GROUND_TOLD = 0.85
"""Share of coloured grounds that the caption tells."""
SIGN_WEIGHT, GESTURE_WEIGHT = 0.2, 0.5
_SIGN = re.compile(r"geometric|symbol|alphanum|arrow|zodiac|sign|religion|warning|punctuation|math|gender|hotel|time")
_GESTURE = re.compile(r"hand|person|family|face-(concerned|neutral|unwell|affection|negative|tongue|sleepy)")
"""Kinds that few people ask a picture of; they come less often."""


class CaptionedWorld:
    """atlas: (subjects, 4, S, S), premultiplied sprites of `subjects`. size: side of the pictures in px."""

    def __init__(self, subjects: list[Subject], atlas: Tensor, size: int = 64):
        self.subjects, self.atlas, self.size = subjects, atlas, size
        self.phrasing = Phrasing(subjects)
        self.paraphrases = load_paraphrases()
        self.weights = torch.tensor([_weight(subject.kind) for subject in subjects])

    def __call__(self, count: int, generator: torch.Generator, rng: random.Random) -> tuple[Tensor, list[str]]:
        """(count, 3, size, size) in [0, 1], and their captions. `generator` decides the pixels, `rng` the words."""
        restyled, portraits, scenes = (round(share * count) for share in (RESTYLED, PORTRAITS, SCENES))
        kinds = (
            (self._of_subjects, count - restyled - portraits - scenes),
            (self._of_styles, restyled),
            (self._of_people, portraits),
            (self._of_scenes, scenes),
        )
        parts = [make(number, generator, rng) for make, number in kinds if number]
        return torch.cat([pictures for pictures, _ in parts]), [text for _, texts in parts for text in texts]

    def plain(self, count: int, generator: torch.Generator, rng: random.Random) -> tuple[Tensor, list[str]]:
        """As a call, but nothing in a style, and what is no portrait is one subject on white."""
        portraits = round(PORTRAITS * count)
        index, captions = self.names(count - portraits, generator, rng)
        placed = place(self.atlas[index], self.size, generator)
        people, told = self._of_people(portraits, generator, rng, restyled=0.0)
        return torch.cat([placed[:, :3] + 1 - placed[:, 3:], people]), captions + told

    def names(self, count: int, generator: torch.Generator, rng: random.Random) -> tuple[Tensor, list[str]]:
        """Places of (count,) subjects, and what each is called."""
        index = torch.multinomial(self.weights, count, generator=generator)
        return index, [_in_language(lambda s=self.subjects[i]: self._caption(s, rng), rng) for i in index.tolist()]

    def _of_subjects(self, count: int, generator: torch.Generator, rng: random.Random) -> tuple[Tensor, list[str]]:
        index, captions = self.names(count, generator, rng)
        told, colours = zip(*[_ground(text, rng) for text in captions], strict=True)
        placed = place(self.atlas[index], self.size, generator)
        ground = grounds(list(colours), self.size, generator, self.atlas.device)
        return placed[:, :3] + (1 - placed[:, 3:]) * ground, list(told)

    def _of_styles(self, count: int, generator: torch.Generator, rng: random.Random) -> tuple[Tensor, list[str]]:
        return _in_styles(self._of_subjects(count, generator, rng), count, generator, rng)

    def _caption(self, subject: Subject, rng: random.Random) -> str:
        lot = rng.random()
        if lot < NAMED:
            return subject.ko if rng.random() < KOREAN else rng.choice((subject.en, with_article(subject.en)))
        if lot < PHRASED:
            return self.phrasing(subject, rng)
        if lot < PARAPHRASED:
            english, korean = self.paraphrases[subject.en]
            return rng.choice(korean if rng.random() < KOREAN else english)
        return caption(subject, rng)

    def _of_people(
        self, count: int, generator: torch.Generator, rng: random.Random, restyled: float = PORTRAITS_RESTYLED
    ) -> tuple[Tensor, list[str]]:
        people = sample_portraits(count, generator)
        captions = [_in_language(lambda p=people[i : i + 1]: describe(p, rng).text, rng) for i in range(count)]
        shown = paint(people, self.size).to(self.atlas.device), captions
        return _in_styles(shown, round(restyled * count), generator, rng)

    def _of_scenes(self, count: int, generator: torch.Generator, rng: random.Random) -> tuple[Tensor, list[str]]:
        pictures, captions, _ = compose_scenes(count, self.atlas, self.subjects, generator, rng, self.size)
        return pictures, captions


def place(sprites: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """(B, 4, S, S) → (B, 4, size, size): large and in the middle, as on a card.

    A thing that wanders has to be found in the noise before anything can be known of its parts: a small network then
    learns it several times more slowly.
    """
    uniform = uniform_of(len(sprites), generator, sprites.device)
    scale = uniform(0.9, 0.94)
    dx, dy = (uniform(-1, 1) * (1 - scale) * 0.15 for _ in range(2))
    nothing = torch.zeros_like(scale)
    rows = torch.stack([1 / scale, nothing, -dx / scale], 1), torch.stack([nothing, 1 / scale, -dy / scale], 1)
    grid = F.affine_grid(torch.stack(rows, 1), (len(sprites), 4, size, size), align_corners=False)
    return F.grid_sample(sprites, grid, align_corners=False)


def grounds(
    colours: list[Colour | None], size: int, generator: torch.Generator, device: torch.device | str = "cpu"
) -> Tensor:
    """(B, 3, size, size): one plain ground of each colour, and where that is None a gradient or light clouds."""
    chance = Chance(torch.empty(len(colours), 3, size, size, device=device), generator)
    plain = torch.tensor([colour.rgb if colour else (-1.0,) * 3 for colour in colours], device=device)
    plain = plain.view(-1, 3, 1, 1)
    near_white = (plain > 0.96).all(1, keepdim=True)
    tinted = torch.where(near_white, 1.0, plain + chance.uniform(-0.06, 0.06, 3, 1, 1))
    along, _ = chance.axes(chance.uniform(0, 2 * math.pi))
    is_gradient = chance.uniform(0, 1) < (GRADIENT - COLOURED) / (1 - COLOURED)
    between = torch.where(is_gradient, (along + 1.4) / 2.8, chance.clouds(20))
    ends = chance.uniform(0.25, 1, 3, 1, 1), chance.uniform(0.25, 1, 3, 1, 1)
    return torch.where(plain < 0, mix(*ends, between), tinted).clamp(0, 1)


def _weight(kind: str) -> float:
    if _SIGN.search(kind):
        return SIGN_WEIGHT
    return GESTURE_WEIGHT if _GESTURE.search(kind) else 1.0


def _ground(text: str, rng: random.Random) -> tuple[str, Colour | None]:
    """The caption, which may now tell the ground too, and the ground's colour, None for several."""
    white = next(colour for colour in COLOURS if colour.en == "white")
    lot = rng.random()
    if lot < WHITE or "background" in text:
        return text, white
    if lot > COLOURED:
        return text, None
    colour = rng.choice(COLOURS)
    if rng.random() > GROUND_TOLD:
        return text, colour
    if is_korean(text):
        return f"{colour.ko_noun} 배경의 {text}", colour
    return f"{text} on {with_article(colour.en)} background", colour


def _in_styles(
    shown: tuple[Tensor, list[str]], count: int, generator: torch.Generator, rng: random.Random
) -> tuple[Tensor, list[str]]:
    """The same pictures and captions, the first `count` in a style each and called so."""
    pictures, captions = shown
    styles = torch.full((len(pictures),), -1)
    styles[:count] = PAINTED[torch.randint(len(PAINTED), (count,), generator=generator)]
    named = [styled(captions[i], STYLES[int(styles[i])], rng) for i in range(count)]
    return apply_styles(pictures, styles, generator), named + captions[count:]


def _in_language(tell: Callable[[], str], rng: random.Random) -> str:
    """What `tell` says, asked again until it is in the language that was drawn."""
    korean = rng.random() < KOREAN
    while is_korean(text := tell()) != korean:
        pass
    return text
