"""One control per setting, of the right kind, and back to plain values."""

from __future__ import annotations

import math
from typing import Literal

import gradio as gr
import pytest

from engines import ENGINES
from engines.base import Engine, EngineError, EngineSettings, setting
from ui.components.controls import Controls, Picture, Slider
from ui.language import Text


class EveryKind(EngineSettings):
    prompt: str = setting("", label="Prompt", help="h", group="First", kind="longtext", live=True)
    name: str = setting("x", label="Name", help="h", group="First")
    count: int = setting(5, label="Count", help="h", group="First", minimum=1, maximum=9, live=True)
    seed: int = setting(0, label="Seed", help="h", group="First", minimum=0, maximum=2**31 - 1)
    rate: float = setting(0.1, label="Rate", help="h", group="Second", minimum=0, maximum=1, advanced=True)
    open_end: float = setting(2.5, label="Open", help="h", group="Second", advanced=True)
    on: bool = setting(True, label="On", help="h", group="First")
    mode: Literal["a", "b"] = setting("a", label="Mode", help="h", group="First")
    ink: str = setting("#112233", label="Ink", help="h", group="First", kind="color")
    photo: str = setting("", label="Photo", help="h", group="First", kind="image")
    sketch: str = setting("", label="Sketch", help="h", group="First", kind="svg", live=True)


class EveryKindEngine(Engine):
    name = "every"
    Settings = EveryKind

    def run(self, settings, live=None): ...

    def state_dict(self): ...

    def load_state_dict(self, state): ...


@pytest.fixture
def controls():
    made = Controls(Text({"every": EveryKind}), EveryKindEngine)
    with gr.Blocks():
        made.one("prompt", lines=3)
        made.groups()
    return made


def test_every_kind_has_its_control(controls):
    kinds = {name: type(component) for name, component in controls.components.items()}
    assert kinds == {
        "prompt": gr.Textbox, "name": gr.Textbox, "count": Slider, "seed": gr.Number, "rate": Slider,
        "open_end": gr.Number, "on": gr.Checkbox, "mode": gr.Dropdown, "ink": gr.ColorPicker, "photo": Picture,
        "sketch": gr.File,
    }  # fmt: skip


def test_sliders_take_range_and_step_from_the_schema(controls):
    count, rate = controls.components["count"], controls.components["rate"]
    assert (count.minimum, count.maximum, count.step, count.value) == (1, 9, 1, 5)
    assert (rate.minimum, rate.maximum, rate.step) == (0, 1, 0.01)


def test_live_controls_are_told_apart(controls):
    live = [name for name, component in controls.components.items() if "live" in component.elem_classes]
    assert live == ["prompt", "count", "sketch"]


def test_only_groups_with_something_plain_are_open():
    with gr.Blocks() as page:
        Controls(Text({"every": EveryKind}), EveryKindEngine).groups()
    folds = [block for block in page.blocks.values() if isinstance(block, gr.Accordion)]
    assert [fold.open for fold in folds] == [True, False]


def test_values_become_settings(controls):
    shown = {
        "prompt": " a\ncat ", "name": "", "count": 3, "seed": 7.0, "rate": 0.5, "open_end": 1, "on": False, "mode": "b",
        "ink": "rgba(255, 0, 0, 1)", "photo": None, "sketch": None,
    }  # fmt: skip
    values = controls.values({component: shown[name] for name, component in controls.components.items()})
    assert EveryKind.parse(values) == EveryKind(
        prompt="a cat", name="", count=3, seed=7, rate=0.5, open_end=1, on=False, mode="b", ink="#ff0000"
    )


@pytest.mark.parametrize("raw", [None, math.nan, math.inf, "NaN", "3", True, [3]])
def test_what_is_no_number_is_refused(controls, raw):
    with pytest.raises(EngineError, match="Setting 'count' needs a number"):
        controls.value("count", raw)


def test_fractions_are_left_for_the_schema_to_refuse(controls):
    with pytest.raises(EngineError, match="'count'"):
        EveryKind.parse({"count": controls.value("count", 3.5)})


def test_settings_are_shown_in_the_order_of_the_controls(controls):
    shown = controls.shown(EveryKind(prompt="a cat", count=3))
    assert dict(zip(controls.components, shown, strict=True))["count"] == 3
    assert dict(zip(controls.components, shown, strict=True))["photo"] is None


@pytest.mark.parametrize("method", list(ENGINES))
def test_real_methods_get_a_control_for_every_setting(method):
    engine = ENGINES[method]
    controls = Controls(Text({method: engine.Settings}), engine)
    with gr.Blocks():
        controls.groups()
    assert sorted(controls.components) == sorted(engine.Settings.model_fields)
