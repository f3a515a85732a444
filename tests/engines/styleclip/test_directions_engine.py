"""The engine over a small generator and a CLIP whose texts are known directions."""

from __future__ import annotations

import os
from unittest import mock

import numpy as np
import pytest
import torch

from engines.base import EngineError, LiveSettings
from engines.styleclip.directions.edits import Edit, format_edit, parse_edits
from engines.styleclip.directions.engine import StyleCLIPDirections
from engines.styleclip.directions.settings import StyleCLIPDirectionsSettings
from engines.styleclip.relevance import RelevanceTable, style_statistics
from engines.stylegan2 import Generator, GeneratorConfig
from tests.engines.styleclip.test_relevance import LinearEncoder

CONFIG = GeneratorConfig(channels=(6, 5, 4), z_dim=8, mapping_features=(12, 10))


class Encoder(LinearEncoder):
    def encode_texts(self, texts):
        seeds = [sum(map(ord, text)) for text in texts]
        rows = [torch.randn(12, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.nn.functional.normalize(torch.stack(rows), dim=1)


class Models:
    """Stands for `engines.zoo.Models`."""

    def __init__(self, *, has_table: bool):
        torch.manual_seed(1)
        self.device, self.has_table = torch.device("cpu"), has_table
        self._generator = Generator(CONFIG).requires_grad_(False).eval()

    def generator(self, path=""):
        return self._generator

    def clip(self):
        return Encoder()

    @property
    def overrides(self):
        return {"relevance": self._table()}

    def _table(self):
        if not self.has_table:
            return None
        std = style_statistics(self._generator, 300).std
        fs3 = torch.nn.functional.normalize(
            torch.randn(len(std), 12, generator=torch.Generator().manual_seed(2)), dim=1
        )
        return RelevanceTable(fs3, std, "", "")


def settings(**values):
    return StyleCLIPDirectionsSettings(**{"prompt": "face with glasses", "templates": False, **values})


def run(values, *, has_table=True, folder=None):
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(folder or "/dev/null")):
        return list(StyleCLIPDirections(Models(has_table=has_table)).run(values))


def difference(frame):
    return np.abs(frame.image.astype(int) - frame.before.astype(int)).mean()


def test_one_frame_shows_the_edit_beside_the_face_before():
    (frame,) = run(settings())
    assert frame.is_resting
    assert frame.image.shape == frame.before.shape == (16, 16, 3)
    assert difference(frame) > 1
    assert "style channels" in frame.status


def test_without_a_target_the_face_is_as_it_was():
    (frame,) = run(settings(prompt=""))
    assert difference(frame) == 0


def test_farther_is_farther_and_zero_is_nothing():
    near, far = (difference(run(settings(alpha=alpha))[0]) for alpha in (2.0, 8.0))
    assert 0 < near < far
    assert difference(run(settings(alpha=0.0))[0]) == 0


def test_every_change_of_a_slider_is_one_more_frame():
    live = LiveSettings(settings())
    frames = StyleCLIPDirections(Models(has_table=True)).run(live.current, live)
    first = next(frames)
    live.update(alpha=-6.0)
    second = next(frames)
    live.update(prompt="smiling face")
    third = next(frames)
    assert [frame.step for frame in (first, second, third)] == [0, 1, 2]
    assert not np.array_equal(first.image, second.image)
    assert not np.array_equal(second.image, third.image)
    assert np.array_equal(first.before, third.before)


def test_another_face_is_edited_as_the_first_was():
    live = LiveSettings(settings(seed=1))
    frames = StyleCLIPDirections(Models(has_table=True)).run(live.current, live)
    next(frames)
    live.update(seed=9)
    followed = next(frames)
    (direct,) = run(settings(seed=9))
    assert np.array_equal(followed.image, direct.image)
    assert np.array_equal(followed.before, direct.before)


def test_accepted_edits_add_up():
    accepted = "face > smiling face @ 3, auto"
    (both,) = run(settings(edits=accepted))
    (alone,) = run(settings(prompt="", edits=accepted))
    (same,) = run(settings(prompt="smiling face", alpha=3.0))
    assert np.array_equal(alone.image, same.image)
    assert not np.array_equal(both.image, alone.image)


def test_without_a_table_relevance_is_estimated_face_by_face():
    frames = run(settings(), has_table=False)
    assert len(frames) == 8
    assert [frame.is_resting for frame in frames] == [False] * 7 + [True]
    assert "1 of 8" in frames[0].status
    assert difference(frames[-1]) > 0.5


def test_estimates_are_made_once_per_machine(tmp_path):
    first = run(settings(), has_table=False, folder=tmp_path)
    assert (len(first), len(list(tmp_path.iterdir()))) == (8, 1)
    (again,) = run(settings(), has_table=False, folder=tmp_path)
    assert np.array_equal(again.image, first[-1].image)
    assert again.status == first[-1].status
    other = run(settings(prompt="smiling face"), has_table=False, folder=tmp_path)
    assert len(other) == 8
    assert len(run(settings(edits="face > smiling face @ 3, auto"), has_table=False, folder=tmp_path)) == 1


def test_a_table_is_measured_once_per_machine(tmp_path):
    exact = settings(exact_relevance=True)
    *measuring, last = run(exact, has_table=False, folder=tmp_path)
    says = "Measuring what each style channel means: {} of 26."
    assert [frame.status for frame in measuring] == [says.format(done) for done in (0, 16, 26)]
    assert [frame.step for frame in (*measuring, last)] == [0, 1, 2, 3]
    assert not any(frame.is_resting for frame in measuring)
    *measuring, again = run(exact, has_table=False, folder=tmp_path)
    assert [frame.status for frame in measuring] == [says.format(26)]
    assert np.array_equal(again.image, last.image)
    assert not np.array_equal(again.image, run(settings(), has_table=False)[-1].image)


def test_beta_that_nothing_reaches_ends_a_run_but_not_a_hand_on_the_slider():
    too_high = settings(auto_beta=False, beta=0.8, prompt="x")
    with pytest.raises(EngineError, match="lower it to"):
        run(too_high)
    live = LiveSettings(settings(prompt="x"))
    frames = StyleCLIPDirections(Models(has_table=True)).run(live.current, live)
    kept = next(frames).image
    live.update(auto_beta=False, beta=0.8)
    frame = next(frames)
    assert "lower it to" in frame.status
    assert np.array_equal(frame.image, kept)
    live.update(beta=0.0)
    assert "lower it" not in next(frames).status


def test_state_goes_on_at_its_step():
    one = StyleCLIPDirections(Models(has_table=True))
    live = LiveSettings(settings())
    frames = one.run(live.current, live)
    next(frames)
    live.update(alpha=7.0)
    last = next(frames)
    other = StyleCLIPDirections(Models(has_table=True))
    other.load_state_dict(one.state_dict())
    again = next(other.run(live.current, live))
    assert again.step == last.step == 1
    assert np.array_equal(again.image, last.image)


def test_edits_are_read_as_they_are_written():
    edits = [Edit("face", "face with glasses", 4.0, None), Edit("a face", "an old face", -2.5, 0.12)]
    assert parse_edits("; ".join(map(format_edit, edits))) == edits
    assert parse_edits(" ; ") == []


@pytest.mark.parametrize(
    "text",
    [
        "glasses",
        "face > @ 3, auto",
        "a > b @ x, auto",
        "a > b @ 3",
        "a > b @ 3, much",
        "a > b @ nan, auto",
        "a > b @ 3, inf",
    ],
)
def test_other_edits_are_refused(text):
    with pytest.raises(EngineError, match="is no edit"):
        run(settings(edits=text))
