"""Scenes of one to four things with colours, sizes, counts, places and settings, and captions that say what is there.

A small grammar draws a `Scene` ("three small stars above a boat, at night"); its things are placed so that the caption
holds, and the caption is spoken in English or Korean. Things are emoji of tangible kinds and a few plain shapes.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass, replace
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from world.captions import with_article, with_particle
from world.emoji import backgrounds, develop, uniform_of
from world.styles import Chance, luminance, mix, step
from world.subjects import Subject

# ------------------------------------------------------------------------------------------------------------ words


@dataclass(frozen=True)
class Colour:
    """en; ko before a noun (빨간 사과); ko_noun by itself (빨간색 배경); rgb in [0, 1]."""

    en: str
    ko: str
    ko_noun: str
    rgb: tuple[float, float, float]


COLOURS = (
    Colour("red", "빨간", "빨간색", (0.86, 0.13, 0.13)),
    Colour("orange", "주황색", "주황색", (0.97, 0.52, 0.09)),
    Colour("yellow", "노란", "노란색", (0.98, 0.85, 0.15)),
    Colour("green", "초록색", "초록색", (0.18, 0.66, 0.25)),
    Colour("blue", "파란", "파란색", (0.15, 0.38, 0.88)),
    Colour("purple", "보라색", "보라색", (0.55, 0.22, 0.75)),
    Colour("pink", "분홍색", "분홍색", (0.97, 0.52, 0.73)),
    Colour("brown", "갈색", "갈색", (0.5, 0.31, 0.16)),
    Colour("black", "검은", "검은색", (0.09, 0.09, 0.1)),
    Colour("white", "하얀", "하얀색", (0.97, 0.97, 0.97)),
    Colour("grey", "회색", "회색", (0.55, 0.55, 0.56)),
)
SIZES = {"big": "큰", "small": "작은"}
NUMBERS = {2: ("two", "두"), 3: ("three", "세"), 4: ("four", "네")}
RELATIONS = {
    "to the left of": "왼쪽에 있는", "to the right of": "오른쪽에 있는", "above": "위에 있는", "below": "아래에 있는",
    "next to": "옆에 있는",
}  # fmt: skip
SETTINGS = {
    "at night": ("밤하늘 아래의", "밤"),
    "at sunset": ("노을 진 하늘 아래의", "노을"),
    "on the grass": ("풀밭 위의", "풀밭"),
    "in the snow": ("눈 속의", "눈 오는 날"),
    "by the sea": ("바닷가의", "바닷가"),
    "in the sky": ("하늘에 떠 있는", "하늘"),
}
"""English, and Korean before a noun and by itself."""
SHAPES = {
    "circle": "원", "square": "정사각형", "triangle": "세모", "star": "별", "heart": "하트", "ring": "고리",
    "ball": "공", "diamond": "마름모",
}  # fmt: skip

_KINDS = re.compile(
    r"animal|plant|food|drink|dishware|transport-(ground|water|air)|place-building|clothing|musical-instrument|household"
    r"|light-video|book-paper|sport|tool|phone|computer|lock|cat-face|monkey-face|face-(smiling|costume)|other-object"
)
_NOT_A_THING = re.compile(
    r"\b(with|of|in|on|and|or|no|showing|under|stop|oncoming|top|arrow|sign|button|selector|ball|circle|square|star|heart"
    r"|medal|track|railway|construction|monorail|maple|fallen|arrival|departure|battery|beverage|low|cooking|seat"
    r"|station|link|love|wood|pick|ledger|custard|rosette|blossom|hamsa|nazar|jar|herb|ring|locked|unlocked|wheel|disk|dvd"
    r"|amulet|urn|coffin|headstone|cigarette|hospital|microbe|manual|motorized|telephone receiver|clamp|bowling"
    r"|steaming|stuffed|thong|nose|leg)\b|way$|cart$|\(|[^suai]s$"
)
"""Names that are no tangible thing, or are not called so, or would be taken for one of SHAPES."""
_UNCOUNTED = re.compile(
    r"\b(rice|bread|bacon|meat|cheese|milk|honey|salt|butter|popcorn|sushi|sake|tea|food|cream|ice|oden|fuel|jeans"
    r"|newspaper|garlic|ginger|broccoli|lettuce|hockey|polo|ski|skis|racing|lifting|shuffling|soap|clothes|shorts|sashimi"
    r"|money|matter|green|mate|rolled-up|spaghetti|curry|lacrosse|badminton|cricket|tennis|golf|swimming|paper|art|pong"
    r"|coral|maracas|fondue|wedding|shower)\b"
)
_LIFELESS = {"feather", "spider web", "spiral shell", "wing", "oyster", "anchor", "bouquet", "parachute", "oil drum"}
"""Things among the animals, boats and flowers that are counted as things."""
_IRREGULAR = {
    "mouse": "mice", "goose": "geese", "ox": "oxen", "wolf": "wolves", "knife": "knives", "scarf": "scarves",
    "fish": "fish", "deer": "deer", "bison": "bison", "squid": "squid", "shrimp": "shrimp", "moose": "moose",
    "potato": "potatoes", "tomato": "tomatoes", "mango": "mangoes", "mosquito": "mosquitoes",
}  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """en, ko: a countable name; counter: the Korean word that counts it. sprite: its place in atlas + shapes.

    subject: its place among the subjects, -1 for a shape. dyeable: its name says no colour.
    """

    en: str
    ko: str
    counter: str
    sprite: int
    subject: int
    dyeable: bool


@cache
def things_of(subjects: tuple[Subject, ...]) -> tuple[list[Thing], list[Thing]]:
    """What scenes are made of: emoji things and shapes."""
    things = [
        Thing(subject.en, subject.ko, _counter(subject), number, number, not subject.colour_named)
        for number, subject in enumerate(subjects)
        if len(subject.en.split()) <= 2 and len(subject.ko) <= 9 and _KINDS.match(subject.kind)
        if not _NOT_A_THING.search(subject.en) and not _UNCOUNTED.search(subject.en)
    ]
    shapes = [Thing(en, ko, "개", len(subjects) + number, -1, True) for number, (en, ko) in enumerate(SHAPES.items())]
    return things, shapes


def _counter(subject: Subject) -> str:
    if subject.en in _LIFELESS:
        return "개"
    if subject.kind.startswith("animal") and not subject.ko.endswith("얼굴"):
        return "마리"
    if subject.kind == "plant-flower":
        return "송이"
    if subject.ko.endswith(("나무", "트리", "야자수")):
        return "그루"
    return {"transport-ground": "대", "transport-air": "대", "transport-water": "척"}.get(subject.kind, "개")


def plural(name: str) -> str:
    """ "cats", "boxes", "cherries", "mice"; only the last word changes."""
    *before, last = name.split(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif re.search(r"(s|x|z|ch|sh)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join([*before, last])


@dataclass(frozen=True)
class Phrase:
    """So many of a thing, of a colour and a size or of none in particular."""

    thing: Thing
    count: int = 1
    colour: Colour | None = None
    size: str = ""

    def english(self) -> str:
        words = [self.size, self.colour.en if self.colour else ""]
        words.append(self.thing.en if self.count == 1 else plural(self.thing.en))
        noun = " ".join(filter(None, words))
        return with_article(noun) if self.count == 1 else f"{NUMBERS[self.count][0]} {noun}"

    def korean(self) -> str:
        words = [SIZES.get(self.size, ""), self.colour.ko if self.colour else "", self.thing.ko]
        if self.count > 1:
            words.append(f"{NUMBERS[self.count][1]} {self.thing.counter}")
        return " ".join(filter(None, words))


@dataclass(frozen=True)
class Scene:
    """phrases: what is there. relation: of the first phrase to the second, "between" to two of the second, or "".

    setting: one of SETTINGS, or a Colour for a background of it, or None for one that the caption leaves out.
    """

    phrases: tuple[Phrase, ...]
    relation: str = ""
    setting: str | Colour | None = None

    def caption(self, rng: random.Random) -> str:
        """Three in five English, the others Korean."""
        return self.english(rng) if rng.random() < 0.6 else self.korean(rng)

    def english(self, rng: random.Random) -> str:
        first, *others = [phrase.english() for phrase in self.phrases]
        if self.relation:
            caption = f"{first} {self.relation} {others[0]}"
        elif others:
            caption = ", ".join([first, *others[:-1]]) + f" and {others[-1]}"
        else:
            caption = first
        if isinstance(self.setting, Colour):
            return f"{caption} on {with_article(self.setting.en)} background"
        return f"{caption} {self.setting}" if self.setting else caption

    def korean(self, rng: random.Random) -> str:
        first, *others = [phrase.korean() for phrase in self.phrases]
        if self.relation == "between":
            caption = f"{others[0]} 사이에 있는 {first}"
        elif self.relation and rng.random() < 0.25:
            caption = f"{others[0]} {RELATIONS[self.relation].split()[0]} {with_particle(first, '이')} 있다"
        elif self.relation:
            caption = f"{others[0]} {RELATIONS[self.relation]} {first}"
        elif others:
            caption = ", ".join([first, *others[:-1]])
            caption = f"{with_particle(caption, '과')} {others[-1]}"
        else:
            caption = first
        if self.setting is None:
            return caption
        if isinstance(self.setting, Colour):
            before, alone = f"{self.setting.ko_noun} 배경의", f"{self.setting.ko_noun} 배경"
        else:
            before, alone = SETTINGS[self.setting]
        return f"{caption}, {alone}" if others or rng.random() < 0.3 else f"{before} {caption}"


# ---------------------------------------------------------------------------------------------------------- grammar


def imagine(things: list[Thing], shapes: list[Thing], rng: random.Random) -> Scene:
    """A scene by chance: one thing, several of a kind, one beside another, between two, or a few different ones."""
    lot = rng.random()
    first, second, *rest = _different(things, shapes, rng)
    if lot < 0.25:
        scene = Scene((_phrase(first, rng, wordy=0.8),))
    elif lot < 0.45:
        scene = Scene((replace(_phrase(first, rng, sizes=False), count=rng.choice((2, 2, 3, 3, 4))),))
    elif lot < 0.75:
        scene = Scene((_phrase(first, rng), _phrase(second, rng)), rng.choice(list(RELATIONS)))
    elif lot < 0.83:
        several = replace(_phrase(first, rng, sizes=False), count=rng.choice((2, 3)))
        scene = Scene((several, _phrase(second, rng, sizes=False)), rng.choice(("above", "below")))
    elif lot < 0.9:
        pair = replace(_phrase(second, rng, sizes=False), count=2)
        scene = Scene((_phrase(first, rng, sizes=False), pair), "between")
    else:
        others = [second, *rest][: rng.choice((1, 2, 2, 3))]
        scene = Scene(tuple(_phrase(thing, rng, sizes=False, wordy=0.25) for thing in (first, *others)))
    return replace(scene, setting=_setting(scene, rng))


def _different(things: list[Thing], shapes: list[Thing], rng: random.Random) -> list[Thing]:
    """Four things of different names, a quarter of them shapes."""
    chosen: list[Thing] = []
    while len(chosen) < 4:
        thing = rng.choice(shapes if rng.random() < 0.25 else things)
        if thing not in chosen:
            chosen.append(thing)
    return chosen


def _phrase(thing: Thing, rng: random.Random, *, wordy: float = 0.45, sizes: bool = True) -> Phrase:
    is_shape = thing.subject < 0
    colour = rng.choice(COLOURS) if thing.dyeable and rng.random() < (0.85 if is_shape else wordy) else None
    size = rng.choice(list(SIZES)) if sizes and rng.random() < wordy / 2 else ""
    return Phrase(thing, 1, colour, size)


def _setting(scene: Scene, rng: random.Random) -> str | Colour | None:
    """Against which everything in the scene is seen; most grounds that no caption speaks of are light."""
    worn = {phrase.colour.en for phrase in scene.phrases if phrase.colour}
    lot = rng.random()
    if "white" not in worn and (lot < 0.6 or len(scene.phrases) > 2):  # captions of three things are long enough
        return None
    if lot < 0.78:
        return rng.choice([colour for colour in COLOURS if colour.en not in worn])
    hiding = {"at night"} if "black" in worn else {"in the snow"} if "white" in worn else set()
    return rng.choice([setting for setting in SETTINGS if setting not in hiding])


# ----------------------------------------------------------------------------------------------------------- layout


@dataclass(frozen=True)
class Placed:
    """One sprite: its middle in [-1, 1] (y down), its side as a share of the picture's, its colour if it is dyed."""

    sprite: int
    x: float
    y: float
    side: float
    rgb: tuple[float, float, float] | None


_PLANS = {
    2: [[(-0.48, 0), (0.48, 0)], [(-0.42, -0.42), (0.42, 0.42)], [(0.42, -0.42), (-0.42, 0.42)]],
    3: [
        [(-0.64, 0), (0, 0), (0.64, 0)],
        [(-0.46, 0.42), (0.46, 0.42), (0, -0.45)],
        [(-0.46, -0.42), (0.46, -0.42), (0, 0.45)],
    ],
    4: [
        [(-0.46, -0.46), (0.46, -0.46), (-0.46, 0.46), (0.46, 0.46)],
        [(-0.72, 0), (-0.24, 0), (0.24, 0), (0.72, 0)],
    ],
}
"""Where so many things may stand."""


def lay_out(scene: Scene, rng: random.Random) -> list[Placed]:
    """Places for everything in the scene, such that its caption is true and nothing hides much of another."""
    first, *others = scene.phrases
    if scene.relation == "between":
        away, level = rng.uniform(0.6, 0.68), rng.uniform(-0.3, 0.3)
        spots = [(rng.uniform(-0.06, 0.06), level + rng.uniform(-0.1, 0.1)), (-away, level), (away, level)]
        sides = [rng.uniform(0.32, 0.4)] + 2 * [rng.uniform(0.26, 0.32)]
        phrases = [first, others[0], others[0]]
    elif scene.relation:
        phrases, spots, sides = _related(first, others[0], scene.relation, rng)
    else:
        phrases = [phrase for phrase in scene.phrases for _ in range(phrase.count)]
        spots, sides = _spread(phrases, rng)
    hues = {phrase: _rgb(phrase, rng) for phrase in scene.phrases}
    return [
        Placed(phrase.thing.sprite, x, y, side, hues[phrase])
        for phrase, (x, y), side in zip(phrases, spots, sides, strict=True)
    ]


def _related(first: Phrase, second: Phrase, relation: str, rng: random.Random):
    """Both phrases on either side of the middle, several of the first in a row."""
    across = relation in ("to the left of", "to the right of", "next to")
    before = relation in ("to the left of", "above") or (relation == "next to" and rng.random() < 0.5)
    sign = -1 if before else 1
    gap, slant = rng.uniform(0.42, 0.52), rng.uniform(-0.2, 0.2) * (0.5 if relation == "next to" else 1)
    own, other = (sign * gap, slant), (-sign * gap, -slant)
    sides = [_side(first, rng, 0.36, 0.46), _side(second, rng, 0.36, 0.46)]
    if not across:
        own, other = own[::-1], other[::-1]
    if first.count == 1:
        return [first, second], [own, other], sides
    step_, side = 1.3 / first.count, min(0.9 / first.count, 0.36) * rng.uniform(0.8, 1)
    row = [((i - (first.count - 1) / 2) * step_, own[1] + rng.uniform(-0.08, 0.08)) for i in range(first.count)]
    return [first] * first.count + [second], [*row, other], [side] * first.count + sides[1:]


def _spread(phrases: list[Phrase], rng: random.Random):
    """One anywhere; two or three side by side or in a loose row; four in a square or a row."""
    count = len(phrases)
    if count == 1:
        side = _side(phrases[0], rng, 0.45, 0.75)
        return [tuple(rng.uniform(-1, 1) * (1 - side) * 0.9 for _ in range(2))], [side]
    plan = rng.choice(_PLANS[count])
    room = min(abs(ax - bx) + abs(ay - by) for i, (ax, ay) in enumerate(plan) for bx, by in plan[:i]) / 2
    side = min(0.48, room) * rng.uniform(0.75, 0.98)
    order = rng.sample(plan, count)
    return [(x + rng.uniform(-0.05, 0.05), y + rng.uniform(-0.05, 0.05)) for x, y in order], [side] * count


def _side(phrase: Phrase, rng: random.Random, low: float, high: float) -> float:
    """Between `low` and `high`, or clearly more or less where the phrase says so."""
    if phrase.size == "big":
        return rng.uniform(high * 1.12, high * 1.3)
    return rng.uniform(0.18, low * 0.7) if phrase.size == "small" else rng.uniform(low, high)


def _rgb(phrase: Phrase, rng: random.Random) -> tuple[float, float, float] | None:
    if phrase.colour is None:  # a shape has no colour of its own
        return tuple(rng.random() for _ in range(3)) if phrase.thing.subject < 0 else None
    return tuple(min(1.0, max(0.0, value + rng.uniform(-0.07, 0.07))) for value in phrase.colour.rgb)


# -------------------------------------------------------------------------------------------------------- rendering


def compose_scenes(
    count: int, atlas: Tensor, subjects: list[Subject], generator: torch.Generator, rng: random.Random, size: int = 64
) -> tuple[Tensor, list[str], Tensor]:
    """`count` scenes with their captions.

    atlas: (subjects, 4, S, S) premultiplied. Returns pictures (count, 3, size, size) in [0, 1], captions, and the
    subject of each caption's first noun (count,), -1 where that is a plain shape. `rng` decides what is there and how
    it is called, `generator` the pixels.
    """
    things, shapes = things_of(tuple(subjects))
    scenes = [imagine(things, shapes, rng) for _ in range(count)]
    pictures = draw(scenes, atlas, generator, rng, size)
    captions = [scene.caption(rng) for scene in scenes]
    return pictures, captions, torch.tensor([scene.phrases[0].thing.subject for scene in scenes])


def draw(scenes: list[Scene], atlas: Tensor, generator: torch.Generator, rng: random.Random, size: int) -> Tensor:
    """(scenes, 3, size, size) in [0, 1]."""
    placed = [lay_out(scene, rng) for scene in scenes]
    picture = grounds(scenes, generator, size, atlas.device)
    for number in range(max(map(len, placed))):
        rows = [row for row, things in enumerate(placed) if len(things) > number]
        layer = _sprites([placed[row][number] for row in rows], atlas, generator, size)
        picture[rows] = layer[:, :3] + (1 - layer[:, 3:]) * picture[rows]
    return develop(picture, uniform_of(len(scenes), generator, atlas.device), generator)


def _sprites(placed: list[Placed], atlas: Tensor, generator: torch.Generator, size: int) -> Tensor:
    """(B, 4, size, size): each sprite in its place, dyed where it has a colour, slightly turned."""
    device = atlas.device
    index = torch.tensor([thing.sprite for thing in placed], device=device)
    is_shape = (index >= len(atlas)).view(-1, 1, 1, 1)
    shapes = shape_atlas(atlas.shape[-1]).to(device)[(index - len(atlas)).clamp_min(0)]
    sprites = torch.where(is_shape, shapes, atlas[index.clamp_max(len(atlas) - 1)])
    dyed = torch.tensor([thing.rgb is not None for thing in placed], device=device).view(-1, 1, 1, 1)
    rgb = torch.tensor([thing.rgb or (0.0, 0.0, 0.0) for thing in placed], device=device).view(-1, 3, 1, 1)
    sprites = torch.where(dyed, dye(sprites, rgb), sprites)
    side = torch.tensor([thing.side for thing in placed], device=device).view(-1, 1, 1, 1)
    half = F.interpolate(F.avg_pool2d(sprites, 2), atlas.shape[-1], mode="bilinear")  # no aliasing when drawn small
    sprites = torch.where(side * size < 0.7 * atlas.shape[-1], half, sprites)
    x, y = (torch.tensor([getattr(thing, axis) for thing in placed], device=device) for axis in "xy")
    angle = uniform_of(len(placed), generator, device)(-0.2, 0.2)
    cos, sin = angle.cos() / side.flatten(), angle.sin() / side.flatten()
    rows = torch.stack([cos, sin, -x * cos - y * sin], 1), torch.stack([-sin, cos, x * sin - y * cos], 1)
    grid = F.affine_grid(torch.stack(rows, 1), (len(placed), 4, size, size), align_corners=False)
    return F.grid_sample(sprites, grid, align_corners=False)


def dye(sprites: Tensor, rgb: Tensor) -> Tensor:
    """Premultiplied (B, 4, H, W) in shades of one colour, (B, 3, 1, 1): its own light and shadow are kept."""
    alpha = sprites[:, 3:]
    light = luminance(sprites[:, :3]) / alpha.clamp_min(1e-3)
    mean = (light * alpha).sum((2, 3), keepdim=True) / alpha.sum((2, 3), keepdim=True).clamp_min(1e-3)
    tone = light - mean
    shade = mix(rgb, torch.zeros_like(rgb), (-1.3 * tone).clamp(0, 0.8))
    return torch.cat([mix(shade, torch.ones_like(rgb), (1.1 * tone).clamp(0, 0.7)) * alpha, alpha], 1)


@cache
def shape_atlas(side: int) -> Tensor:
    """(shapes, 4, side, side): the plain SHAPES, white and premultiplied; the ball is shaded."""
    ramp = (torch.arange(side) + 0.5) * (2 / side) - 1
    x, y = ramp[None, :].expand(side, side), ramp[:, None].expand(side, side)
    radius, turn = (x * x + y * y).sqrt(), torch.pi / 5
    from_tip = ((torch.atan2(x, -y) + turn) % (2 * turn) - turn).abs()  # of the nearest of five points
    outer, inner = 0.95, 0.4
    normal = torch.tensor([inner * math.sin(turn), outer - inner * math.cos(turn)])
    rim = normal[0] * radius * from_tip.cos() + normal[1] * radius * from_tip.sin()
    star = (outer * normal[0] - rim) / normal.norm()
    heart_y = -y * 1.15 + 0.25 - x.abs().sqrt() * 0.62
    inside = {
        "circle": 0.9 - radius,
        "square": 0.8 - torch.maximum(x.abs(), y.abs()),
        "triangle": torch.minimum(0.75 - y, (y + 0.9) * 0.5 - x.abs()),
        "star": star,
        "heart": 0.8 - (x.square() * 0.95 + heart_y.square()).sqrt(),
        "ring": 0.2 - (radius - 0.7).abs(),
        "ball": 0.9 - radius,
        "diamond": 0.9 - x.abs() * 1.3 - y.abs(),
    }
    mask = torch.stack([step(inside[name], -1 / side, 1 / side) for name in SHAPES])[:, None]
    light = torch.full_like(mask, 0.75)
    light[list(SHAPES).index("ball")] = 1.0 - 0.55 * ((x + 0.35).square() + (y + 0.35).square()).sqrt().clamp(0, 1.4)
    return torch.cat([(light * mask).expand(-1, 3, -1, -1), mask], 1)


def grounds(scenes: list[Scene], generator: torch.Generator, size: int, device: torch.device | str) -> Tensor:
    """(scenes, 3, size, size): what each setting looks like."""
    picture = backgrounds(len(scenes), size, generator, device)
    for setting, paint in _PAINTERS.items():
        rows = [row for row, scene in enumerate(scenes) if scene.setting == setting]
        if rows:
            picture[rows] = paint(Chance(picture[rows], generator))
    rows = [row for row, scene in enumerate(scenes) if isinstance(scene.setting, Colour)]
    if rows:
        rgb = torch.tensor([scenes[row].setting.rgb for row in rows], device=device).view(-1, 3, 1, 1)
        chance = Chance(picture[rows], generator)
        picture[rows] = rgb + chance.uniform(-0.06, 0.06, 3, 1, 1) + 0.08 * (chance.clouds(30) - 0.5)
    return picture.clamp_(0, 1)


def _tone(chance: Chance, *rgb: float) -> Tensor:
    return torch.tensor(rgb, device=chance.device).view(1, 3, 1, 1)


def _night(chance: Chance) -> Tensor:
    _, y = chance.axes()
    sky = mix(_tone(chance, 0.02, 0.03, 0.1), _tone(chance, 0.1, 0.12, 0.32), y / 2 + 0.5)
    return sky + step(chance.clouds(1.3), 0.985, 1.0)


def _sunset(chance: Chance) -> Tensor:
    _, y = chance.axes()
    sky = mix(_tone(chance, 0.45, 0.25, 0.5), _tone(chance, 0.98, 0.5, 0.3), step(y, -1, 0.3))
    return mix(sky, _tone(chance, 1, 0.8, 0.4), step(y, 0.2, 1.1)) + 0.1 * (chance.clouds(14) - 0.5)


def _land(chance: Chance, sky: Tensor, land: Tensor) -> Tensor:
    """`land` below a horizon."""
    _, y = chance.axes()
    horizon = chance.uniform(0, 0.5) + 0.1 * (chance.clouds(25) - 0.5)
    return mix(sky, land, step(y - horizon, 0, 0.05))


def _sky(chance: Chance) -> Tensor:
    _, y = chance.axes()
    blue = mix(_tone(chance, 0.35, 0.62, 0.95), _tone(chance, 0.7, 0.87, 1), y / 2 + 0.5)
    return mix(blue, torch.ones_like(blue), 0.85 * step(chance.clouds(16), 0.55, 0.75))


def _grass(chance: Chance) -> Tensor:
    blades = 0.5 * chance.clouds(1.2) + 0.5 * chance.clouds(6)
    return _land(
        chance, _tone(chance, 0.7, 0.87, 1), mix(_tone(chance, 0.2, 0.5, 0.12), _tone(chance, 0.5, 0.78, 0.28), blades)
    )


def _snow(chance: Chance) -> Tensor:
    ground = _land(chance, _tone(chance, 0.6, 0.68, 0.78), 0.9 + 0.1 * chance.clouds(10))
    return ground + 0.9 * step(chance.clouds(1.5), 0.9, 0.97)


def _sea(chance: Chance) -> Tensor:
    waves = chance.hatching(5, chance.uniform(0, 0), 2)
    return _land(
        chance, _tone(chance, 0.75, 0.9, 1), mix(_tone(chance, 0.08, 0.36, 0.65), _tone(chance, 0.35, 0.7, 0.88), waves)
    )


_PAINTERS = {
    "at night": _night, "at sunset": _sunset, "on the grass": _grass, "in the snow": _snow, "by the sea": _sea,
    "in the sky": _sky,
}  # fmt: skip
