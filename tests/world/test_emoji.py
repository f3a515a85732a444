import random
from pathlib import Path

import pytest
import torch

from world.captions import caption, corpus, is_korean, styled, with_article, with_particle
from world.guises import COLOUR_GUISES, GUISES, SHARES, colourfulness, disguise, hue_rotation, line_drawing
from world.styles import STYLES

PROMPTS = Path(__file__).parents[2] / "benchmarks" / "prompts_rephrased.txt"


def test_subjects_have_two_names_and_no_twins(subjects):
    assert len(subjects) == 1327
    assert len({subject.en for subject in subjects}) == len(subjects)
    assert len({subject.ko for subject in subjects}) == len(subjects)
    by_name = {subject.en: subject for subject in subjects}
    assert by_name["red apple"].ko == "빨간 사과"
    assert by_name["red apple"].colour_named
    assert not by_name["sailboat"].colour_named


def test_keywords_are_few_subjects_own(subjects):
    by_name = {subject.en: subject for subject in subjects}
    assert "yacht" in by_name["sailboat"].keywords
    assert "요트" in by_name["sailboat"].keywords_ko
    assert "판다" in by_name["panda"].aliases_ko
    assert by_name["penguin"].kind == "animal-bird"
    names = {name.lower() for s in subjects for name in (s.en, s.ko, *s.aliases, *s.aliases_ko)}
    words = [word.lower() for s in subjects for word in (*s.keywords, *s.keywords_ko)]
    assert not names.intersection(words)
    assert max(words.count(word) for word in set(words)) <= 6
    assert all(alias not in by_name for subject in subjects for alias in subject.aliases)


# --------------------------------------------------------------------------------------------------------- captions


def test_captions_are_of_the_subject(subjects):
    rng, known = random.Random(0), set(corpus(subjects[:60]))
    written = [(subject, caption(subject, rng)) for subject in subjects[:60] for _ in range(20)]
    for s, text in written:
        words = (s.en, s.ko, *s.aliases, *s.aliases_ko, *s.keywords, *s.keywords_ko)
        assert any(word in text for word in words), text
    assert 0.4 < sum(text in known for _, text in written) / len(written) < 0.8  # the others say more, or it otherwise
    assert 0.3 < sum(is_korean(text) for _, text in written) / len(written) < 0.5


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cat", "a cat"), ("owl", "an owl"), ("glasses", "glasses"), ("bus", "a bus"), ("unicorn", "a unicorn")],
)
def test_articles(name, expected):
    assert with_article(name) == expected


@pytest.mark.parametrize(
    ("word", "particle", "expected"),
    [
        ("집", "이", "집이"), ("개", "이", "개가"), ("별", "으로", "별로"), ("청사진", "으로", "청사진으로"),
        ("수채화", "으로", "수채화로"), ("사과", "과", "사과와"),
    ],
)  # fmt: skip
def test_particles_follow_the_last_syllable(word, particle, expected):
    assert with_particle(word, particle) == expected


def test_styled_captions_name_thing_and_style():
    rng = random.Random(0)
    for style in STYLES:
        for phrase, words in (("a cat", (style.en, *style.aliases_en)), ("고양이", (style.ko, *style.aliases_ko))):
            said = {styled(phrase, style, rng) for _ in range(60)}
            assert all(phrase in text and any(word in text for word in words) for text in said)
            assert len(said) > 5
    watercolor = next(style for style in STYLES if style.en == "watercolor")
    assert {"a watercolor of a cat", "a cat, watercolor"} <= {styled("a cat", watercolor, rng) for _ in range(200)}
    assert "고양이 수채화" in {styled("고양이", watercolor, rng) for _ in range(100)}


# --------------------------------------------------------------------------------------------------------- pictures


def test_pictures_are_composed_by_the_seed(composer):
    index = torch.tensor([3, 500, 900])
    one, same, other = (composer(index, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.shape == (3, 3, 64, 64)
    assert one.min() >= 0
    assert one.max() <= 1
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("guise", GUISES)
def test_every_guise_changes_the_subject_and_not_the_picture_around(composer, guise):
    index = torch.arange(0, 1327, 111)
    plain, twin = composer.twins(index, torch.Generator().manual_seed(3), guises=(guise,))
    difference = (plain - twin).abs().amax((1, 2, 3))
    assert difference.min() > 0.05
    corners = (plain - twin)[..., [0, 0, -1, -1], [0, -1, 0, -1]].abs().amax(1)
    if guise not in ("cluttered", "scrawl", "occluded"):  # which may reach anywhere
        assert corners.quantile(0.9) < 0.05  # but for the contrast, which turns about the mean


def test_colours_are_taken_or_turned_and_the_shape_stays(composer, subjects):
    chosen = [next(i for i, s in enumerate(subjects) if s.en == name) for name in ("red apple", "penguin", "tulip")]
    sprites = composer.atlas[chosen]
    worn = {name: disguise(sprites, [name] * 3, composer.atlas, torch.Generator().manual_seed(0)) for name in GUISES}
    assert colourfulness(worn["grey"]).max() < 1e-4
    assert colourfulness(worn["hue"]).min() > 0.05
    assert (worn["hue"][:, :3] - sprites[:, :3]).abs().amax((1, 2, 3)).min() > 0.2
    for name in ("grey", "hue", "silhouette"):
        assert torch.equal(worn[name][:, 3], sprites[:, 3])
    assert worn["silhouette"][:, :3].amax((2, 3)).allclose(worn["silhouette"][:, :3, 32, 32], atol=1e-3)
    left = worn["cut"][:, 3].sum((1, 2)) / sprites[:, 3].sum((1, 2))
    assert left.min() > 0.5
    assert left.max() < 0.9


def test_one_disguise_can_be_forced_on_all_and_none(composer):
    index = torch.arange(0, 1327, 200)
    silhouettes, plain = (
        composer(index, torch.Generator().manual_seed(4), guises=guises) for guises in ("silhouette", False)
    )
    assert not any(torch.equal(one, other) for one, other in zip(silhouettes, plain, strict=True))


def test_what_is_named_by_its_colour_keeps_it(composer):
    index = torch.nonzero(~composer.recolourable).squeeze(1)[:40]
    worn = composer._guises(index, torch.linspace(0, 0.999, len(index)))
    assert not set(worn) & set(COLOUR_GUISES)
    free = torch.nonzero(composer.recolourable).squeeze(1)[:100]
    assert set(composer._guises(free, torch.linspace(0, 0.999, 100))) == {*SHARES, ""}


def test_hue_rotation_keeps_grey_and_comes_round():
    turns = hue_rotation(torch.tensor([1.0, 2 * torch.pi / 3, 2 * torch.pi]))
    grey = torch.full((3, 3, 1), 0.4)
    assert torch.allclose(turns @ grey, grey, atol=1e-6)
    assert torch.allclose(turns[2], torch.eye(3), atol=1e-5)
    red = torch.tensor([1.0, 0, 0])
    assert torch.allclose(turns[1] @ red, torch.tensor([0.0, 1, 0]), atol=1e-5)


def test_lines_stand_where_brightness_changes():
    picture = torch.ones(1, 3, 8, 8)
    picture[..., 4:] = 0
    ink = line_drawing(picture)[0, 3]
    assert ink[:, 3:5].min() > 0.5
    assert ink[:, :3].max() == 0


def test_rephrased_prompts_are_fixed_and_no_training_captions(subjects):
    lines = PROMPTS.read_text(encoding="utf-8").splitlines()
    prompts = [line.split("\t") for line in lines]
    by_name = {subject.en: subject for subject in subjects}
    assert len(prompts) == 40
    assert sum(is_korean(prompt) for prompt, _ in prompts) == 20
    known = set(corpus(subjects))
    for prompt, name in prompts:
        assert prompt == by_name[name].ko or prompt not in known
