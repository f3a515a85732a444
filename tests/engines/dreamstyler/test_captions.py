import json

import numpy as np
import pytest
import torch

from engines.clip.encoder import NAMES_FILE
from engines.diffusion.captioner import Captioner, names_in, without_medium
from engines.dreamstyler.captions import caption_of
from tests.engines.diffusion.twins import save_blip_twin

NAMES = [row["en"] for row in json.loads(NAMES_FILE.read_text(encoding="utf-8"))]


class StubClip:
    """Looks at pictures and thinks of these names."""

    device = torch.device("cpu")

    def __init__(self, **thoughts: float):
        self.name_embeddings = torch.zeros(len(NAMES), 1)
        for name, cosine in thoughts.items():
            self.name_embeddings[NAMES.index(name.replace("_", " "))] = cosine

    def encode_picture(self, picture):
        return torch.ones(1, 1)


PICTURE = np.zeros((8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("thoughts", "caption"),
    [
        ({"cat": 0.3, "house": 0.25}, "a cat"),
        ({"cat": 0.3, "owl": 0.295}, "a cat and an owl"),
        ({"framed_picture": 0.9, "artist_palette": 0.8, "glasses": 0.3}, "glasses"),
    ],
)
def test_names(thoughts, caption):
    assert names_in(StubClip(**thoughts), PICTURE) == caption


def test_the_pocket_clip_names_what_it_sees(pocket):
    """A plain red disc on white is something round or red to it, and one short name."""
    rows, columns = np.mgrid[:64, :64]
    picture = np.full((64, 64, 3), 255, dtype=np.uint8)
    picture[(rows - 32) ** 2 + (columns - 32) ** 2 < 600] = (220, 20, 30)
    assert "red" in caption_of(pocket, picture)


@pytest.mark.parametrize(
    ("caption", "bare"),
    [
        ("a painting of a dog", "a dog"),
        ("an old oil painting of two boats", "two boats"),
        ("there is a drawing of a house by a river", "a house by a river"),
        ("a watercolour of pears", "pears"),
        ("a man painting a fence", "a man painting a fence"),
    ],
)
def test_the_medium_is_not_told(caption, bare):
    assert without_medium(caption) == bare


def test_a_format_twin_of_blip(tmp_path):
    save_blip_twin(tmp_path)
    captioner = Captioner(tmp_path)
    caption = captioner(PICTURE)
    assert caption == captioner(PICTURE)
    assert len(caption.split()) <= 40


def test_no_captioner(tmp_path, refused):
    refused("no readable captioner; fetch it again", Captioner, tmp_path)
