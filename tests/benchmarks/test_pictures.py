import re

import numpy as np
import pytest
import torch

from benchmarks import pictures
from benchmarks.pictures import StyleExaminer, grounds_right
from engines.images import as_pixels
from engines.zoo import Models
from world.emoji import FONT
from world.scenes import COLOURS
from world.styles import STYLES


def plain(prompts, seed):
    """What a perfect painter of grounds makes, with something in the middle."""
    asked = [re.search(r"on an? (\w+) background", prompt)[1] for prompt in prompts]
    colours = torch.tensor([next(colour.rgb for colour in COLOURS if colour.en == name) for name in asked])
    shown = colours[:, :, None, None].repeat(1, 1, 64, 64)
    shown[:, :, 8:-8, 8:-8] = torch.rand(len(asked), 3, 48, 48, generator=torch.Generator().manual_seed(seed))
    return as_pixels(shown)


def test_grounds_are_told_by_the_rim():
    assert grounds_right(plain, 0) == 1
    assert grounds_right(lambda prompts, seed: plain(prompts, seed)[::-1], 0) < 0.2
    assert grounds_right(lambda prompts, _: np.full((len(prompts), 64, 64, 3), 255, np.uint8), 0) == 1 / len(COLOURS)


@pytest.mark.skipif(not FONT.exists(), reason="the emoji font is missing (Debian package fonts-noto-color-emoji)")
def test_true_pictures_are_nearest_to_their_own_style(monkeypatch):
    names = ["pencil sketch", "blueprint", "crayon drawing"]
    painted = [number for number, style in enumerate(STYLES) if style.en in names]
    monkeypatch.setattr(pictures, "PAINTED", torch.tensor(painted))
    monkeypatch.setattr(pictures, "EXAMPLES", 4)
    examiner = StyleExaminer(Models("pocket", "cpu").style_features(), 0)
    places = [[examiner.nearest(picture) for picture in examiner.true_pictures(style, 3)] for style in examiner.styles]
    assert sum(place == i for i, row in enumerate(places) for place in row) >= 8
