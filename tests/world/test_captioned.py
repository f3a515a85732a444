import random

import pytest
import torch

from evaluation.judge import Judge
from world import captioned
from world.captioned import HELD_OUT, PAINTED, PORTRAITS, CaptionedWorld, grounds, place
from world.captions import is_korean, with_article
from world.scenes import COLOURS
from world.styles import STYLES

COLOUR = {colour.en: colour for colour in COLOURS}


@pytest.fixture(scope="session")
def world(subjects, composer):
    return CaptionedWorld(subjects, composer.atlas)


@pytest.fixture(scope="session")
def drawn(world):
    """Pictures and captions of several batches."""
    batches = [world(64, torch.Generator().manual_seed(i), random.Random(i)) for i in range(8)]
    return torch.cat([pictures for pictures, _ in batches]), [text for _, texts in batches for text in texts]


def test_every_picture_has_a_caption(drawn):
    pictures, captions = drawn
    assert pictures.shape == (512, 3, 64, 64)
    assert len(captions) == 512
    assert all(captions)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert pictures.std((1, 2, 3)).min() > 0.01


def test_the_same_seeds_give_the_same_world(world):
    one, other = (world(24, torch.Generator().manual_seed(5), random.Random(5)) for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert one[1] == other[1]


@pytest.mark.parametrize("count", [1, 5])
def test_a_few_pictures_need_not_be_of_all_kinds(world, count):
    pictures, captions = world(count, torch.Generator().manual_seed(5), random.Random(5))
    assert len(pictures) == len(captions) == count
    assert pictures.std((1, 2, 3)).min() > 0.01


def test_one_caption_in_four_is_korean(drawn):
    assert 0.19 < sum(map(is_korean, drawn[1])) / 512 < 0.31


def test_styles_held_out_are_never_painted_or_named(world, monkeypatch):
    painted = []
    monkeypatch.setattr(captioned, "apply_styles", lambda *args: painted.extend(args[1].tolist()) or args[0])
    shown = [world(40, torch.Generator().manual_seed(i), random.Random(i))[1] for i in range(16)]
    used = {STYLES[number].en for number in painted if number >= 0}
    assert used == {style.en for style in STYLES} - set(HELD_OUT)
    assert len(HELD_OUT) == 8
    assert len(PAINTED) == len(STYLES) - 8
    words = {word for style in STYLES if style.en in HELD_OUT for word in (style.en, style.ko)}
    assert not [text for texts in shown for text in texts for word in words if word in text]


def test_grounds_are_what_the_caption_says(world):
    checked = 0
    for seed in range(12):
        pictures, captions = world._of_subjects(40, torch.Generator().manual_seed(seed), random.Random(seed))
        for picture, text in zip(pictures, captions, strict=True):
            colour = next((c for c in COLOURS if text.endswith(f" {c.en} background")), None)
            if colour:
                rim = torch.cat([picture[:, 0], picture[:, -1], picture[:, :, 0], picture[:, :, -1]], 1)
                assert torch.allclose(rim.median(1).values, torch.tensor(colour.rgb), atol=0.08), text
                checked += 1
    assert checked > 30


def test_subjects_are_told_by_their_names_and_in_other_words(world, subjects):
    phrases = {phrase for both in world.paraphrases.values() for language in both for phrase in language}
    rng = random.Random(0)
    told = [world._caption(subjects[number % len(subjects)], rng) for number in range(2000)]
    assert 0.19 < sum(text in phrases for text in told) / 2000 < 0.25
    names = {name for subject in subjects for name in (subject.en, with_article(subject.en), subject.ko)}
    assert sum(text in names for text in told) / 2000 > 0.45


def test_signs_and_gestures_come_less_often(world, subjects):
    weight = {subject.en: share for subject, share in zip(subjects, world.weights.tolist(), strict=True)}
    assert weight["down arrow"] < weight["handshake"] < weight["red apple"] == weight["cat face"] == 1


def test_plain_pictures_are_of_subjects_on_white_and_of_people(world):
    pictures, captions = world.plain(40, torch.Generator().manual_seed(0), random.Random(0))
    rim = torch.cat([pictures[:, :, 0], pictures[:, :, -1], pictures[..., 0], pictures[..., -1]], 2)
    people = round(PORTRAITS * 40)
    assert (rim[:-people] > 0.99).float().mean() > 0.99
    assert (rim[-people:] > 0.99).float().mean() < 0.5
    assert not [text for text in captions for style in STYLES if style.en in text]


def test_grounds_are_plain_or_blend_softly():
    white, red, blended = grounds([COLOUR["white"], COLOUR["red"], None], 64, torch.Generator().manual_seed(0))
    assert white.eq(1).all()
    assert red.std((1, 2)).max() < 1e-6
    assert blended.std((1, 2)).max() > 0.01
    assert (blended[:, 1:] - blended[:, :-1]).abs().max() < 0.1


def test_subjects_stand_large_and_recognisable(world, subjects):
    index = torch.randperm(len(subjects), generator=torch.Generator().manual_seed(0))[:200]
    placed = place(world.atlas[index], 64, torch.Generator().manual_seed(1))
    shown = placed[:, :3] + 1 - placed[:, 3:]
    assert (Judge.load()(shown).argmax(1) == index).float().mean() > 0.97
    inside = placed[:, 3].sum((1, 2)) / world.atlas[index, 3].sum((1, 2))
    assert inside.min() > 0.5
    assert inside.max() < 1
