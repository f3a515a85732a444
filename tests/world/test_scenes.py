import random
import re

import pytest
import torch

from world.captions import is_korean
from world.scenes import (
    COLOURS,
    NUMBERS,
    RELATIONS,
    SETTINGS,
    SHAPES,
    Phrase,
    Scene,
    compose_scenes,
    draw,
    imagine,
    lay_out,
    plural,
    things_of,
)

COLOUR = {colour.en: colour for colour in COLOURS}


@pytest.fixture(scope="session")
def things(subjects):
    things, shapes = things_of(tuple(subjects))
    return {thing.en: thing for thing in (*things, *shapes)}


@pytest.fixture(scope="session")
def imagined(subjects):
    rng = random.Random(0)
    return [imagine(*things_of(tuple(subjects)), rng) for _ in range(1500)]


def test_captions_say_number_colour_size_place_and_setting(things):
    rng = random.Random(0)
    apples = Scene((Phrase(things["automobile"], 2, COLOUR["red"]),))
    assert (apples.english(rng), apples.korean(rng)) == ("two red automobiles", "빨간 자동차 두 대")
    ball = Scene((Phrase(things["ball"], 1, COLOUR["blue"], "big"),))
    assert (ball.english(rng), ball.korean(rng)) == ("a big blue ball", "큰 파란 공")
    stars = Phrase(things["star"], 3, None, "small")
    over_boat = Scene((stars, Phrase(things["sailboat"])), "above")
    assert over_boat.english(rng) == "three small stars above a sailboat"
    said = {over_boat.korean(rng) for _ in range(50)}
    assert said == {"돛단배 위에 있는 작은 별 세 개", "돛단배 위에 작은 별 세 개가 있다"}
    cat, house = Phrase(things["cat"]), Phrase(things["house"])
    beside = Scene((cat, house), "to the left of")
    assert beside.english(rng) == "a cat to the left of a house"
    assert {beside.korean(rng) for _ in range(50)} == {"집 왼쪽에 있는 고양이", "집 왼쪽에 고양이가 있다"}
    between = Scene((cat, Phrase(things["house"], 2)), "between")
    assert (between.english(rng), between.korean(rng)) == ("a cat between two houses", "집 두 개 사이에 있는 고양이")
    three = Scene((cat, house, Phrase(things["owl"])))
    assert (three.english(rng), three.korean(rng)) == ("a cat, a house and an owl", "고양이, 집과 부엉이")
    on_green = Scene((cat,), setting=COLOUR["orange"])
    assert on_green.english(rng) == "a cat on an orange background"
    assert {on_green.korean(rng) for _ in range(50)} == {"주황색 배경의 고양이", "고양이, 주황색 배경"}
    at_night = Scene((house,), setting="at night")
    assert at_night.english(rng) == "a house at night"
    assert {at_night.korean(rng) for _ in range(50)} == {"밤하늘 아래의 집", "집, 밤"}


@pytest.mark.parametrize(
    ("one", "many"),
    [("cat", "cats"), ("box", "boxes"), ("strawberry", "strawberries"), ("donkey", "donkeys"), ("bus", "buses"),
     ("computer mouse", "computer mice"), ("tropical fish", "tropical fish"), ("peach", "peaches")],
)  # fmt: skip
def test_plurals(one, many):
    assert plural(one) == many


def test_layouts_are_as_the_captions_say(imagined):
    seen = set()
    for scene in imagined:
        placed = lay_out(scene, random.Random(1))
        assert len(placed) == sum(phrase.count for phrase in scene.phrases) <= 4
        *first, last = placed
        seen.add(scene.relation)
        if scene.relation == "between":
            assert placed[1].x + 0.3 < placed[0].x < placed[2].x - 0.3
        elif scene.relation == "to the left of":
            assert first[0].x < last.x - 0.5
        elif scene.relation == "to the right of":
            assert first[0].x > last.x + 0.5
        elif scene.relation == "above":
            assert max(thing.y for thing in first) < last.y - 0.5
        elif scene.relation == "below":
            assert min(thing.y for thing in first) > last.y + 0.5
        for number, thing in enumerate(placed):
            assert max(abs(thing.x), abs(thing.y)) < 0.85
            for other in placed[:number]:  # middles never lie on another thing
                apart = max(abs(thing.x - other.x), abs(thing.y - other.y))
                assert apart > 0.75 * max(thing.side, other.side)
    assert seen == {"", "between", *RELATIONS}


def test_big_is_bigger_than_small(things):
    def side(size: str) -> list[float]:
        scene = Scene((Phrase(things["cat"], 1, None, size),))
        return [lay_out(scene, random.Random(seed))[0].side for seed in range(50)]

    assert max(side("small")) < min(side("")) < max(side("")) < min(side("big"))


def test_what_is_said_can_be_seen(imagined):
    """No thing in the colour of its ground, none named by a colour in another."""
    for scene in imagined:
        worn = {phrase.colour for phrase in scene.phrases}
        assert scene.setting is None or scene.setting not in worn
        assert COLOUR["white"] not in worn or scene.setting is not None
        assert all(phrase.colour is None or phrase.thing.dyeable for phrase in scene.phrases)


def test_colours_sizes_and_grounds_are_painted(composer, things):
    scenes = [
        Scene((Phrase(things["square"], 1, COLOUR[name], "big"),), setting=COLOUR[ground])
        for name, ground in (("red", "blue"), ("green", "yellow"), ("white", "black"), ("purple", "orange"))
    ]
    rng = random.Random(0)
    pictures = draw(scenes, composer.atlas, torch.Generator().manual_seed(0), rng, 64)
    rng = random.Random(0)
    for scene, picture in zip(scenes, pictures, strict=True):
        (placed,) = lay_out(scene, rng)
        column, row = (int((axis + 1) * 32) for axis in (placed.x, placed.y))
        far_column, far_row = (0 if middle > 32 else 60 for middle in (column, row))
        square = picture[:, row - 3 : row + 4, column - 3 : column + 4].mean((1, 2))
        ground = picture[:, far_row : far_row + 4, far_column : far_column + 4].mean((1, 2))
        own, other = (torch.tensor(colour.rgb) for colour in (scene.phrases[0].colour, scene.setting))
        assert (square - own).norm() < 0.35 < (square - other).norm()
        assert (ground - other).norm() < 0.35 < (ground - own).norm()


def test_scenes_come_from_their_seeds_in_both_languages(composer, subjects):
    def compose(seed: int):
        return compose_scenes(
            40, composer.atlas, subjects, torch.Generator().manual_seed(seed), random.Random(seed), size=48
        )

    pictures, captions, main = compose(3)
    again, same_captions, _ = compose(3)
    assert pictures.shape == (40, 3, 48, 48)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert torch.equal(pictures, again)
    assert captions == same_captions
    assert captions != compose(4)[1]
    assert 8 < sum(map(is_korean, captions)) < 28
    for caption, number in zip(captions, main.tolist(), strict=True):
        if not is_korean(caption):
            name = subjects[number].en if number >= 0 else "|".join(SHAPES)
            numbers = "|".join(word for word, _ in NUMBERS.values())
            first = re.split(rf" (?:{'|'.join((*RELATIONS, *SETTINGS, 'between', 'on', 'and'))}) |, ", caption)[0]
            counted = re.match(rf"(?:{numbers}) ", first)
            assert (plural(name) in first or "|" in name) if counted else re.search(name, first)
