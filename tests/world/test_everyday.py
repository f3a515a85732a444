"""Everyday scenes: what is said is there, where it is said to be."""

import random

import pytest
import torch

from tests.tiny_world import CONCEPTS
from world.captions import is_korean
from world.everyday.grammar import RELATIONS, Grammar, Scene, Thing
from world.everyday.layout import lay_out
from world.everyday.painter import EverydayWorld
from world.everyday.settings import SETTINGS, paint_ground, paint_weather
from world.everyday.wording import say_english, say_korean


@pytest.fixture
def grammar(collection):
    return Grammar(collection, collection.places(lambda row, _: row.role == "training"))


def pair(relation: str, setting: str = "", style: str = "") -> Scene:
    return Scene((Thing(0, (0,)), Thing(1, (1,))), relation, setting, style)


# ------------------------------------------------------------------------------------------------------ grammar


def test_scenes_are_made_of_pictures_that_show_what_they_name(grammar, collection):
    rng = random.Random(0)
    scenes = [grammar(rng) for _ in range(300)]
    for scene in scenes:
        for thing in scene.things:
            for place in thing.pictures:
                assert collection.concept[place] == thing.concept
                assert collection.rows[place].colour == thing.colour
                assert collection.rows[place].role == "training"
    assert {len(scene.things) for scene in scenes} >= {1, 2, 3}
    assert {scene.setting for scene in scenes} == {"", *SETTINGS}
    assert 0.3 < sum(bool(scene.setting) for scene in scenes) / len(scenes) < 0.6
    assert any(thing.count > 1 for scene in scenes for thing in scene.things)


def test_the_same_chances_give_the_same_scenes(grammar):
    one, two = random.Random(5), random.Random(5)
    assert [grammar(one) for _ in range(20)] == [grammar(two) for _ in range(20)]


def test_who_acts_is_alive_and_what_is_played_is_an_instrument(grammar):
    rng = random.Random(1)
    playing = [scene for scene in (grammar(rng) for _ in range(600)) if scene.relation == "playing"]
    assert playing
    for scene in playing:
        assert [CONCEPTS[thing.concept].en for thing in scene.things] == ["cat", "guitar"]


# ------------------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize("relation", RELATIONS)
def test_both_languages_name_both_things(relation):
    rng = random.Random(0)
    said = {say_english(pair(relation), CONCEPTS, rng) for _ in range(60)}
    said_ko = {say_korean(pair(relation), CONCEPTS, rng) for _ in range(60)}
    assert len(said) > 8
    assert len(said_ko) > 5
    for caption in said:
        assert "cat" in caption or "kitty" in caption
        assert "guitar" in caption
        assert "{" not in caption
    for caption in said_ko:
        assert "고양이" in caption or "야옹이" in caption
        assert "기타" in caption
        assert is_korean(caption)
        assert "{" not in caption


def test_a_cat_may_play_the_guitar_in_the_rain():
    rng = random.Random(0)
    said = {say_english(pair("playing", "rain", "flat"), CONCEPTS, rng) for _ in range(400)}
    assert any("cat playing the guitar in the rain" in caption for caption in said)
    assert all("flat" in caption for caption in said)
    said_ko = {say_korean(pair("playing", "rain"), CONCEPTS, rng) for _ in range(200)}
    assert any(caption.startswith("비 오는 날의 기타를 연주하는 고양이") for caption in said_ko)


def test_colours_sizes_and_counts_are_said():
    rng = random.Random(0)
    two = Scene((Thing(2, (0, 0), "blue"),))
    assert any("two blue umbrellas" in say_english(two, CONCEPTS, rng) for _ in range(30))
    assert any("파란 우산 두 개" in say_korean(two, CONCEPTS, rng) for _ in range(30))
    big = Scene((Thing(0, (0,), "", "big"),))
    assert any("a big cat" in say_english(big, CONCEPTS, rng) for _ in range(30))
    assert any("큰 고양이" in say_korean(big, CONCEPTS, rng) for _ in range(30))


# ------------------------------------------------------------------------------------------------------ places


@pytest.mark.parametrize("relation", RELATIONS)
def test_things_stand_as_their_relation_says(relation):
    for seed in range(20):
        placed = {thing.picture: thing for thing in lay_out(pair(relation), random.Random(seed))}
        first, second = placed[0], placed[1]
        if relation in ("on", "above", "riding", "inside"):
            assert first.y < second.y - 0.15
        if relation in ("under", "in front of", "wearing"):
            assert first.y > second.y + 0.15
        if relation in ("beside", "with", "holding"):
            assert abs(first.x - second.x) > 0.2
        for thing in placed.values():
            assert thing.x - thing.side / 2 > -0.1
            assert thing.x + thing.side / 2 < 1.1


def test_who_stands_in_front_is_painted_last():
    assert lay_out(pair("in front of"), random.Random(0))[-1].picture == 0
    assert lay_out(pair("inside"), random.Random(0))[-1].picture == 1


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_have_words_and_are_painted(name):
    setting = SETTINGS[name]
    assert len(setting.english) >= 3
    assert all(is_korean(phrase) for phrase in setting.korean)
    ground = paint_ground(setting, 32, random.Random(0))
    painted = paint_weather(ground, setting.weather, torch.Generator().manual_seed(0))
    assert painted.shape == (3, 32, 32)
    assert 0 <= painted.min() <= painted.max() <= 1
    assert torch.equal(ground, painted) == (setting.weather == "")


def test_night_is_darker_than_snow():
    night, snow = (paint_ground(SETTINGS[name], 32, random.Random(0)).mean() for name in ("night", "snow"))
    assert night < 0.3 < 0.7 < snow


# ------------------------------------------------------------------------------------------------------ pictures


def test_pictures_captions_and_what_is_in_them(collection):
    world = EverydayWorld(collection, collection.places(lambda row, _: row.role == "training"), 48)
    pictures, captions, scenes = world(24, torch.Generator().manual_seed(0), random.Random(0))
    again, captions_again, _ = world(24, torch.Generator().manual_seed(0), random.Random(0))
    assert pictures.shape == (24, 3, 48, 48)
    assert 0 <= pictures.min() <= pictures.max() <= 1.001
    assert torch.equal(pictures, again)
    assert captions == captions_again
    shown = world.presence(scenes)
    assert shown.sum(1).tolist() == [len({thing.concept for thing in scene.things}) for scene in scenes]


def test_a_thing_is_painted_where_it_is_placed_and_can_be_seen_at_night(collection):
    places = collection.places(lambda row, _: row.artist == "noto" and not row.colour)
    world = EverydayWorld(collection, places, 64)
    axe = next(place for place, row in enumerate(collection.rows) if row.key == "war-axe")
    thing = Thing(int(collection.concept[axe]), (axe,))
    generator, rng = torch.Generator().manual_seed(0), random.Random(0)
    (day,) = world.paint([Scene((thing,), "", "fog")], generator, rng)
    (night,) = world.paint([Scene((thing,), "", "night")], generator, rng)
    assert (day.mean(0) < 0.4).float().mean() > 0.01
    assert (night.mean(0) > 0.5).float().mean() > 0.01
