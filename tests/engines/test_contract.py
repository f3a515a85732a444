"""What every method owes its caller: frames, seeds, live settings, states and errors, with the pocket models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engines import ENGINES
from engines.base import Engine, EngineError, EngineSettings, Frame, LiveSettings
from engines.state_file import load_state, save_state

PAINTING = "<a painting>"
DRAWING = {
    "prompt": "a red apple", "num_strokes": 8, "num_augmentations": 2, "num_steps": 4, "width": 80, "height": 64,
    "num_paintings": 1,
}  # fmt: skip
STYLE = {"style_samples": 64, "style_size": 64, "style_steps": 2, "style_every": 3, "transfer_steps": 2}


@dataclass(frozen=True, eq=False)
class Case:
    """A short run of a method.

    settings: of the run; PAINTING stands for a picture file. steps: how many it has. size: height and width of its last
    picture. change: live settings that are changed after the frame number `at`. seed: the setting that decides what is
    drawn.
    """

    method: str
    settings: dict[str, Any]
    steps: int
    size: tuple[int, int]
    change: dict[str, Any]
    at: int = 1
    seed: str = "seed"
    id: str = ""

    def parse(self, painting: str = "", **changes: Any) -> EngineSettings:
        values = {**self.settings, **changes}
        filled = {name: painting if value == PAINTING else value for name, value in values.items()}
        return ENGINES[self.method].Settings.parse(filled)


CASES = [
    Case("clipdraw", DRAWING, 4, (64, 80), {"max_width": 1.0}),
    Case("styleclipdraw", DRAWING | STYLE, 4, (64, 80), {"swatch": "watercolor"}),
    Case("styleclipdraw", DRAWING | STYLE | {"coupling": "alternating"}, 8, (64, 80), {"palette_weight": 0.0},
         id="styleclipdraw alternating"),
    Case("styleclip-optimize", {"prompt": "face with glasses", "num_steps": 4}, 4, (128, 128), {"lr": 0.3}),
    Case("styleclip-mapper", {"prompt": "face with glasses", "num_steps": 3, "batch_size": 1, "lr": 20.0}, 3,
         (128, 128), {"lr": 0.0}, seed="training_seed"),
    Case("styleclip-directions", {"prompt": "face with glasses"}, 0, (128, 128), {"alpha": -6.0}, at=0),
    Case("stylegan-nada", {"prompt": "pencil sketch", "num_steps": 3, "batch_size": 1, "faces": 1, "views": 0}, 3,
         (128, 128), {"lr": 0.0}, seed="training_seed"),
    Case("dreamstyler", {"mode": "paint", "prompt": "A painting of a dog in the style of {}", "num_steps": 4}, 4,
         (64, 64), {"guidance_scale": 12.0}, id="dreamstyler paint"),
    Case("dreamstyler", {
        "mode": "learn", "painting_1": PAINTING, "caption_1": "a cat", "training_steps": 3, "batch_size": 1,
        "num_stages": 2, "num_steps": 2, "snapshot_every": 2, "preview_every": 2}, 5,
        (64, 64), {"lr": 0.0}, seed="training_seed", id="dreamstyler learn"),
    Case("unclip", {"prompt": "a red apple", "prior_steps": 2, "num_steps": 3, "num_pictures": 1}, 12, (128, 128),
         {"guidance_scale": 9.0}, at=3),
]  # fmt: skip


def name_of(case: Case) -> str:
    return case.id or case.method


@pytest.fixture(params=CASES, ids=name_of, scope="module")
def case(request) -> Case:
    return request.param


@pytest.fixture(scope="module")
def painting(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("contract") / "painting.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    return str(path)


@pytest.fixture(scope="module")
def plain(pocket, painting):
    """`plain(case)`: all frames of the run with no change, without live settings."""
    return cache(lambda case: list(ENGINES[case.method](pocket).run(case.parse(painting))))


@pytest.fixture(scope="module")
def changed(pocket, painting, tmp_path_factory):
    """`changed(case)`: the frames until the changed run ends or rests, a file of its state, and its settings."""

    @cache
    def run(case: Case) -> tuple[list[Frame], Path, EngineSettings]:
        file = tmp_path_factory.mktemp("state") / "state.safetensors"
        engine, live = ENGINES[case.method](pocket), LiveSettings(case.parse(painting))
        frames = []
        for frame in obeying(engine, live, case):
            frames.append(frame)
            if len(frames) == case.at + 2:
                save_state(file, engine.state_dict())
        return frames, file, live.current

    return run


def obeying(engine: Engine, live: LiveSettings, case: Case) -> Iterator[Frame]:
    for count, frame in enumerate(engine.run(live.current, live)):
        _ = frame.image
        yield frame
        if count == case.at:
            live.update(**case.change)
        elif frame.is_resting:
            return


def same_picture(one: Frame, other: Frame) -> bool:
    return (
        np.array_equal(one.image, other.image)
        and (one.before is None) == (other.before is None)
        and (one.before is None or np.array_equal(one.before, other.before))
        and (one.step, one.steps) == (other.step, other.steps)
    )


def equal(one: Frame, other: Frame) -> bool:
    return same_picture(one, other) and (one.losses, one.status) == (other.losses, other.status)


def test_every_method_is_here():
    assert {case.method for case in CASES} == set(ENGINES)


# ---------------------------------------------------------------------------------------------- frames


def test_frames_are_numbered_pictures(case, plain):
    frames = plain(case)
    assert [frame.step for frame in frames] == list(range(case.steps + 1))
    assert {frame.steps for frame in frames} == {case.steps}
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
        assert frame.image.shape[2] == 3
        assert all(np.isfinite(value) for value in frame.losses.values())
        assert frame.before is None or frame.before.shape[2] == 3
    assert frames[-1].image.shape[:2] == case.size


def test_it_ends_when_it_is_finished_and_rests_only_there(case, plain):
    *way, last = plain(case)
    assert not any(frame.is_resting for frame in way)
    assert last.step == last.steps
    assert not way or not np.array_equal(way[0].image, last.image)


def test_a_drawing_has_its_scene(case, plain):
    for frame in plain(case):
        assert (frame.scene is not None) == ENGINES[case.method].has_scene


def test_seed_repeats(case, plain, pocket, painting):
    settings = case.parse(painting)
    *_, same = ENGINES[case.method](pocket).run(settings)
    *_, other = ENGINES[case.method](pocket).run(settings.replace(**{case.seed: getattr(settings, case.seed) + 1}))
    assert equal(same, plain(case)[-1])
    assert not np.array_equal(other.image, same.image)


# ---------------------------------------------------------------------------------------------- live settings


def test_a_live_change_is_obeyed_in_mid_run(case, plain, changed):
    frames, _, _ = changed(case)
    before = plain(case)[: case.at + 1]
    assert all(equal(one, other) for one, other in zip(frames[: case.at + 1], before, strict=True))
    assert not np.array_equal(frames[-1].image, plain(case)[-1].image)


def test_a_setting_that_is_not_live_is_refused(case, painting, refused):
    live = LiveSettings(case.parse(painting))
    before = live.current
    for spec in before.specs():
        if not spec.live:
            refused(f"'{spec.name}' cannot change", lambda name=spec.name: live.update(**{name: getattr(before, name)}))
    assert live.current is before


# ---------------------------------------------------------------------------------------------- states


def test_resume_equals_uninterrupted(case, changed, pocket):
    """Cut off in the middle, after a live change, and taken up again from a file."""
    through, file, settings = changed(case)
    resumed = ENGINES[case.method](pocket)
    resumed.load_state_dict(load_state(file))
    rest = list(resumed.run(settings))
    expected = through[case.at + 1 :]
    assert [frame.step for frame in rest] == [frame.step for frame in expected]
    assert same_picture(rest[0], expected[0])  # not every method remembers the losses that led there
    assert all(equal(one, other) for one, other in zip(rest[1:], expected[1:], strict=True))


@pytest.mark.parametrize("method", ENGINES)
@pytest.mark.parametrize("state", [{}, {"step": 3}, {"step": "three"}, {"tensor": torch.zeros(2)}])
def test_the_state_of_something_else_is_refused(method, state, pocket, refused):
    refused("saved state", ENGINES[method](pocket).load_state_dict, state)


# ---------------------------------------------------------------------------------------------- wrong settings


def wrong_values(spec) -> list[Any]:
    """Values outside of what the schema allows."""
    wrong: list[Any] = [[1, 2], {"a": 1}]
    wrong += [spec.minimum - 1] if spec.minimum is not None else []
    wrong += [spec.maximum + 1] if spec.maximum is not None else []
    wrong += ["no such choice"] if spec.choices else []
    wrong += [float("nan"), float("inf"), "many"] if spec.kind in ("number", "integer") else []
    return wrong


def test_wrong_settings_are_one_sentence_that_names_them(case, painting, refused):
    settings = case.parse(painting)
    for spec in settings.specs():
        for value in wrong_values(spec):
            refused(f"'{spec.name}'", lambda name=spec.name, value=value: settings.replace(**{name: value}))
    refused("'no_such_setting'", lambda: settings.replace(no_such_setting=1))


def test_presets_are_settings(case, painting):
    for changes in ENGINES[case.method].Settings.PRESETS.values():
        settings = case.parse(painting, **changes)
        assert {name: getattr(settings, name) for name in changes} == changes


def test_a_wrong_live_change_leaves_the_settings_as_they_are(case, painting):
    live = LiveSettings(case.parse(painting))
    before = live.current
    for name in case.change:
        with pytest.raises(EngineError, match=f"'{name}'"):
            live.update(**{name: [1]})
    assert live.current is before
