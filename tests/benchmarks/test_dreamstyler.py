"""The ablation's ways and scores, without a model."""

import numpy as np
import pytest

from benchmarks.dreamstyler import (
    ABLATION,
    EXAMPLES,
    PAINTED,
    PROMPTS,
    STAGES,
    TRUE,
    Result,
    Score,
    StyleScore,
    World,
    prompt_of,
    sheet,
    table,
)
from engines.zoo import Models
from world.captioned import HELD_OUT
from world.emoji import FONT
from world.subjects import load_subjects


def test_what_is_asked_for_has_a_name_and_is_no_painting():
    names = {subject.en for subject in load_subjects()}
    assert set(PROMPTS) | set(PAINTED) <= names
    assert not set(PROMPTS) & set(PAINTED)
    assert len(PAINTED) >= len(HELD_OUT) == 8
    assert prompt_of("owl") == "A painting of an owl in the style of {}"


def test_all_ways_guide_equally_far():
    for way in (*ABLATION, *STAGES):
        assert way.guidance_scale + (way.style_scale + way.context_scale) / 2 == pytest.approx(2)
    assert len({way.name for way in STAGES}) == len(STAGES) == 12
    assert [way.num_stages for way in ABLATION[:2]] == [1, 6]


def test_the_table_is_the_mean_over_styles():
    picture = np.zeros((1, 4, 4, 3), np.uint8)
    results = [
        Result(picture[0], {}, {name: Score(share, 10 * share, share, 1.0) for name in (ABLATION[0].name, TRUE)}, 1.0)
        for share in (0.2, 0.4)
    ]
    lines = table(ABLATION[:1], results).splitlines()
    assert lines[1].split()[-4:] == ["0.300", "3.0", "30%", "100%"]
    assert lines[2].startswith(TRUE)


def test_the_sheet_has_a_row_each():
    picture = np.full((2, 4, 4, 3), 255, np.uint8)
    made = sheet([("mosaic", picture[0], picture), ("neon, sign", None, picture)], ("owl", "house"))
    assert made.size == (110 + 3 * 128, 18 + 2 * 128)


@pytest.mark.skipif(not FONT.exists(), reason="the emoji font is missing (Debian package fonts-noto-color-emoji)")
def test_true_pictures_of_a_style_are_nearer_than_those_of_another():
    world, encoder = World(), Models("pocket", "cpu").style_features()
    examples = world.examples("mosaic")
    assert examples.shape == (EXAMPLES, 64, 64, 3)
    judge = StyleScore(encoder, examples)
    own, other = (world.pictures(style, PROMPTS[:3], 3) for style in ("mosaic", "ink wash painting"))
    assert np.mean([judge.gram(picture) for picture in own]) > np.mean([judge.gram(picture) for picture in other])
    assert np.mean([judge.palette(picture) for picture in own]) < np.mean([judge.palette(picture) for picture in other])
