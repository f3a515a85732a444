"""The contract every engine builds on."""

import threading
from typing import Literal

import numpy as np
import pytest

from engines.base import EngineError, EngineSettings, Frame, LiveSettings, setting


class Toy(EngineSettings):
    prompt: str = setting("x", label="Prompt", help="Words.", group="A", live=True, kind="longtext", max_length=10)
    weight: float = setting(1.0, label="Weight", help="How much.", group="A", live=True, minimum=0, maximum=2, step=0.1)
    count: int = setting(3, label="Count", help="How many.", group="B", minimum=1, maximum=9, step=1)
    mode: Literal["a", "b"] = setting("a", label="Mode", help="Which.", group="B", advanced=True)
    on: bool = setting(True, label="On", help="Whether.", group="B")


def test_specs_tell_all_a_page_needs():
    specs = {spec.name: spec for spec in Toy.specs()}
    assert list(specs) == ["prompt", "weight", "count", "mode", "on"]
    assert [spec.kind for spec in specs.values()] == ["longtext", "number", "integer", "choice", "switch"]
    assert (specs["weight"].minimum, specs["weight"].maximum, specs["weight"].step) == (0, 2, 0.1)
    assert specs["mode"].choices == ("a", "b")
    assert specs["mode"].advanced
    assert specs["weight"].live
    assert not specs["count"].live


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"weight": 3}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"weight": "much"}, "weight"),
        ({"count": 0}, "count"),
        ({"mode": "c"}, "mode"),
        ({"prompt": "x" * 11}, "prompt"),
        ({"colour": 1}, "colour"),
    ],
)
def test_wrong_values_end_in_one_sentence_that_names_the_setting(values, named):
    with pytest.raises(EngineError, match=f"'{named}'") as caught:
        Toy.parse(values)
    assert "\n" not in str(caught.value)


def test_values_typed_as_text_are_understood():
    assert Toy.parse({"weight": "0.5", "count": "4", "on": "false"}) == Toy(weight=0.5, count=4, on=False)


def test_live_settings_swap_the_snapshot():
    live = LiveSettings(Toy())
    before = live.current
    after = live.update(weight=0.5)
    assert live.current is after
    assert after.weight == 0.5
    assert before.weight == 1.0


@pytest.mark.parametrize("changes", [{"count": 2}, {"weight": 9}, {"nothing": 1}])
def test_live_settings_refuse_and_stay(changes):
    live = LiveSettings(Toy())
    before = live.current
    with pytest.raises(EngineError):
        live.update(**changes)
    assert live.current is before


def test_live_updates_from_many_threads_are_all_kept():
    live = LiveSettings(Toy())
    moves = [{"weight": 0.5}, {"prompt": "y"}]
    threads = [threading.Thread(target=lambda m=move: [live.update(**m) for _ in range(200)]) for move in moves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (live.current.weight, live.current.prompt) == (0.5, "y")


def test_a_frame_draws_only_when_looked_at_and_once():
    calls = []

    def render():
        calls.append(1)
        return np.zeros((2, 2, 3), np.uint8)

    frame = Frame(step=0, steps=1, render=render)
    assert calls == []
    assert frame.image is frame.image
    assert calls == [1]
