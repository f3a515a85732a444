"""The world of portraits: what is drawn is what is said."""

from __future__ import annotations

import random

import pytest
import torch

from world.painter import paint
from world.portrait_captions import ASKED, WORDS, attribute_phrases, describe
from world.portraits import (
    ATTRIBUTES,
    MEASURES,
    NUMBERS,
    VECTOR,
    portraits_of,
    sample_portraits,
)


@pytest.fixture(scope="module")
def people():
    return sample_portraits(4000, torch.Generator().manual_seed(0))


def test_same_seed_same_people():
    one, other = (sample_portraits(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.vector(), other.vector())


def test_shares_are_as_declared(people):
    assert people.shows("glasses", "none").mean().item() == pytest.approx(0.64, abs=0.03)
    women = people.shows("gender", "woman").bool()
    assert people.shows("beard", "none")[women].all()
    assert people.shows("beard", "beard")[~women].mean().item() == pytest.approx(0.3, abs=0.03)
    old = people.shows("age", "old").bool()
    assert people.shows("hair colour", "grey")[old].mean().item() == pytest.approx(0.6, abs=0.05)


def test_vector_is_standardised(people):
    vector = people.vector()
    assert vector.shape == (4000, VECTOR)
    assert vector.mean(0).abs().max() < 0.2  # rare choices are far from the mean
    assert vector.std(0).sub(1).abs().max() < 0.25


def test_more_numbers_than_needed_are_ignored():
    z = torch.randn(3, NUMBERS + 5, generator=torch.Generator().manual_seed(1))
    assert torch.equal(portraits_of(z).vector(), portraits_of(z[:, :NUMBERS]).vector())


def test_measures_stay_in_what_can_be_drawn():
    measures = portraits_of(torch.full((1, NUMBERS), 9.0)).measures
    assert set(measures) == set(MEASURES)
    assert all(value.item() == pytest.approx(2.2) for value in measures.values())


# ------------------------------------------------------------------------------------------ painting


def test_paintings_are_pictures_of_any_size(people):
    for size in (32, 64):
        pictures = paint(people[:3], size)
        assert pictures.shape == (3, 3, size, size)
        assert pictures.min() >= 0
        assert pictures.max() <= 1


def test_portraits_do_not_depend_on_their_company(people):
    assert torch.allclose(paint(people[:6], 32)[4:5], paint(people[4:5], 32), atol=1e-6)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_choice_can_be_seen(attribute):
    """Where it is visible, another choice is another picture."""
    person = sample_portraits(1, torch.Generator().manual_seed(2)).changed(
        gender="man", hair_style="long", hat="none", glasses="none", beard="none", earrings="none", make_up="none"
    )
    if attribute == "hat colour":
        person = person.changed(hat="cap")
    name = attribute.replace(" ", "_").replace("-", "_")
    pictures = [paint(person.changed(**{name: choice}), 64) for choice in ATTRIBUTES[attribute]]
    for k, picture in enumerate(pictures):
        for other in pictures[:k]:
            assert (picture - other).abs().max() > 0.08


def test_dark_lenses_hide_eyes_and_hats_hide_hair(people):
    hidden = ~people.visible("eyes")
    assert torch.equal(hidden, people.shows("glasses", "sunglasses").bool())
    assert not people.visible("hair style")[people.shows("hat", "cap", "top hat").bool()].any()
    assert people.visible("earrings").all()


# ------------------------------------------------------------------------------------------ captions


def test_captions_are_true_of_their_portrait(people):
    rng = random.Random(0)
    for i in range(300):
        saying = describe(people[i : i + 1], rng)
        assert saying.text
        assert saying.fits(people)[i], saying


def test_captions_tell_portraits_apart(people):
    rng = random.Random(1)
    fitting = [describe(people[i : i + 1], rng).fits(people[:200]).float().mean().item() for i in range(200)]
    assert sum(fitting) / 200 < 0.5


def test_captions_come_in_both_languages(people):
    rng = random.Random(2)
    texts = [describe(people[i : i + 1], rng).text for i in range(200)]
    korean = sum(any("가" <= letter <= "힣" for letter in text) for text in texts)
    assert 40 < korean < 120


def test_every_choice_has_words_in_both_languages():
    told = [(name, choice) for name in ASKED if name != "gender" for choice in ATTRIBUTES[name]]
    assert sorted(told) == sorted(WORDS)
    assert all(words.ko and (words.before or words.after) for words in WORDS.values())


@pytest.mark.parametrize("attribute", ASKED)
def test_phrases_of_one_attribute_differ(attribute):
    for seed in range(20):
        phrases = attribute_phrases(attribute, random.Random(seed))
        assert len(set(phrases)) == len(ATTRIBUTES[attribute])


def test_articles_fit(people):
    rng = random.Random(4)
    texts = [describe(people[i : i + 1], rng).text for i in range(400)]
    assert not [text for text in texts if text.startswith(("a old", "a angry", "an smiling", "a unhappy"))]
