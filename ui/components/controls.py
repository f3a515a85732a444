"""Controls made from a settings schema: one per `SettingSpec`, grouped as the schema says.

A tab may place single controls where it likes (`one`); `groups` places all that are left. Settings that are not live
carry the CSS class "fixed": the page dims them while a run goes on (assets/studio.css).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engines.engine import Engine
from engines.errors import EngineError
from engines.settings import FILE_SUFFIXES, EngineSettings, SettingSpec
from ui import intake
from ui.components.swatches import Swatches
from ui.language import Text

__all__ = ["Controls", "Picture"]

_MOST_SLIDER_STOPS = 10_000


class Picture(gr.Image):
    """An image input that hands on the uploaded file unread; `intake.picture` opens it, once and with care."""

    is_template = True  # drawn in the browser as what it derives from

    def preprocess(self, payload: Any) -> str | None:
        return payload.path if payload is not None else None


class Slider(gr.Slider):
    """A slider whose number field may be left empty or out of range: the schema refuses it, in one sentence."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return payload


class Controls:
    """The controls of one method. `components` maps setting names to Gradio components, in schema order once placed."""

    def __init__(self, text: Text, engine: type[Engine]):
        self._text = text
        self._engine = engine
        self._specs = {spec.name: spec for spec in engine.Settings.specs()}
        self.components: dict[str, Component] = {}
        self.press_buttons: dict[str, gr.Button] = {}
        """Setting name → button whose presses it counts."""
        self.take_buttons: dict[str, gr.Button] = {}
        """Setting name → button that takes what is on the canvas as its value (pictures and drawings)."""

    @property
    def specs(self) -> list[SettingSpec]:
        """The specs of the placed controls, in the order of `components`."""
        return [self._specs[name] for name in self.components]

    # ------------------------------------------------------------------ placing

    def one(self, name: str, maker: Callable[..., Component] | None = None, **look: Any) -> Component:
        """Place the control of one setting here. `look` overrides arguments of the component.

        maker: makes another component than is usual for the setting's kind, from the spec and keyword arguments.
        """
        spec = self._specs[name]
        if spec.kind == "press":
            return self._press(spec)
        is_upload = spec.is_file and maker is None
        has_dice = name == "seed" and maker is None
        maker = maker or (_slider if _is_slider(spec) else _MAKERS[spec.kind])
        common = {
            "label": self._text.setting_label(self._engine.name, spec),
            "elem_id": f"{self._engine.name}-{name}".replace("_", "-"),
            "elem_classes": ["setting", "live" if spec.live else "fixed", *(["upload"] if is_upload else [])],
        }
        if maker is Swatches:
            common["text"] = self._text
        if maker in _WITH_INFO:
            common["info"] = self._text.setting_help(self._engine.name, spec)
        if has_dice:
            self.components[name] = _with_dice(self._text, maker, spec, {**common, **look})
        else:
            self.components[name] = maker(spec, **{**common, **look})
        if is_upload:
            gr.Markdown(self._text.setting_help(self._engine.name, spec), elem_classes="help")
        if is_upload and spec.kind != "checkpoint":
            self.take_buttons[name] = gr.Button(self._text.label("controls.take"), size="sm", elem_classes="take")
        return self.components[name]

    def _press(self, spec: SettingSpec) -> Component:
        """The button; what is counted is nothing to see."""
        self.press_buttons[spec.name] = gr.Button(self._text.setting_label(self._engine.name, spec), size="md")
        gr.Markdown(self._text.setting_help(self._engine.name, spec), elem_classes="help")
        self.components[spec.name] = gr.Number(spec.default, visible=False, precision=0)
        return self.components[spec.name]

    def groups(self) -> None:
        """Place every setting that has no control yet: one fold per group, open unless all of it is advanced."""
        left = [spec for spec in self._specs.values() if spec.name not in self.components]
        for group in dict.fromkeys(spec.group for spec in left):
            members = [spec for spec in left if spec.group == group]
            plain = [spec for spec in members if not spec.advanced]
            advanced = [spec for spec in members if spec.advanced]
            with gr.Accordion(self._text.group_label(self._engine.name, group), open=bool(plain), elem_classes="group"):
                for spec in plain or advanced:
                    self.one(spec.name)
                if plain and advanced:
                    with gr.Accordion(self._text.label("controls.more"), open=False, elem_classes="more"):
                        for spec in advanced:
                            self.one(spec.name)

    # ------------------------------------------------------------------ values in and out

    def values(self, data: dict[Component, Any]) -> dict[str, Any]:
        """Setting name → plain value, from what an event handed over. `EngineError` for a value that cannot be one."""
        return {spec.name: self.value(spec.name, data[self.components[spec.name]]) for spec in self.specs}

    def value(self, name: str, raw: Any) -> Any:
        """One control's value as its setting wants it. Uploaded files become paths of clean copies."""
        spec = self._specs[name]
        if spec.kind in ("integer", "number", "press"):
            return _number(spec, raw)
        if spec.kind in ("text", "longtext"):
            return intake.line_of_text(raw or "")
        if spec.kind == "color":
            return intake.hex_color(raw or "")
        if spec.kind == "image":
            return str(intake.picture(raw)) if raw else ""
        if spec.kind == "svg":
            return str(intake.drawing(raw)) if raw else ""
        if spec.kind == "checkpoint":
            return raw or ""  # engines.checkpoints opens it, once and with care
        return raw

    def shown(self, settings: EngineSettings) -> list[Any]:
        """What to send to the components, in their order, so that they show `settings`."""
        return [_shown(spec, getattr(settings, spec.name)) for spec in self.specs]

    def translated(self, language: str) -> list[Any]:
        """Updates of all components, in their order: Gradio does not translate the choices of a drop-down by itself."""
        return [
            gr.update(choices=[(self._text.wording(choice, language), choice) for choice in spec.choices])
            if spec.kind in ("choice", "task")
            else gr.skip()
            for spec in self.specs
        ]


# ---------------------------------------------------------------------------------------------- one maker per kind


def _is_slider(spec: SettingSpec) -> bool:
    if spec.kind not in ("integer", "number") or spec.minimum is None or spec.maximum is None:
        return False
    return (spec.maximum - spec.minimum) / (spec.step or _fine_step(spec)) <= _MOST_SLIDER_STOPS


def _fine_step(spec: SettingSpec) -> float:
    """1 for integers; else a hundredth of the range, rounded to a power of ten."""
    if spec.kind == "integer":
        return 1
    return 10.0 ** math.floor(math.log10((spec.maximum - spec.minimum) / 100) + 0.5)


def _slider(spec: SettingSpec, **common: Any) -> Component:
    step = spec.step or _fine_step(spec)
    return Slider(spec.minimum, spec.maximum, value=spec.default, step=step, buttons=["reset"], **common)


def _number_field(spec: SettingSpec, **common: Any) -> Component:
    return gr.Number(value=spec.default, precision=0 if spec.kind == "integer" else None, step=spec.step or 1, **common)


def _text_field(spec: SettingSpec, **common: Any) -> Component:
    return gr.Textbox(value=spec.default, **{"lines": 1, "max_lines": 1, **common})


def _long_text_field(spec: SettingSpec, **common: Any) -> Component:
    return gr.Textbox(value=spec.default, **{"lines": 2, "max_lines": 5, **common})


def _switch(spec: SettingSpec, **common: Any) -> Component:
    return gr.Checkbox(value=spec.default, **common)


def _choice(spec: SettingSpec, **common: Any) -> Component:
    return gr.Dropdown(list(spec.choices), value=spec.default, **common)


def _task(spec: SettingSpec, **common: Any) -> Component:
    return gr.Radio(list(spec.choices), value=spec.default, **common)


def _color(spec: SettingSpec, **common: Any) -> Component:
    return gr.ColorPicker(value=spec.default, **common)


def _image(spec: SettingSpec, **common: Any) -> Component:
    return Picture(type="filepath", sources=["upload", "clipboard"], buttons=[], **{"height": 150, **common})


def _svg(spec: SettingSpec, **common: Any) -> Component:
    return gr.File(file_types=list(FILE_SUFFIXES[spec.kind]), height=110, **common)


def _checkpoint(spec: SettingSpec, **common: Any) -> Component:
    return gr.File(file_types=list(FILE_SUFFIXES[spec.kind]), height=90, **common)


_MAKERS = {
    "integer": _number_field,
    "number": _number_field,
    "text": _text_field,
    "longtext": _long_text_field,
    "switch": _switch,
    "choice": _choice,
    "task": _task,
    "swatch": Swatches,
    "color": _color,
    "image": _image,
    "svg": _svg,
    "checkpoint": _checkpoint,
}
_WITH_INFO = (_slider, _number_field, _text_field, _long_text_field, _switch, _choice, _color)


def _with_dice(text: Text, maker: Any, spec: SettingSpec, common: dict[str, Any]) -> Component:
    """A seed with a button that throws a new one, in the browser."""
    with gr.Row(elem_classes="with-dice"):
        seed = maker(spec, **common)
        dice = gr.Button(text.label("controls.dice"), size="sm", scale=0, min_width=88, elem_classes="dice")
    highest = min(spec.maximum or 2**31 - 1, 2**31 - 1)
    dice.click(None, None, seed, js=f"() => Math.floor(Math.random() * {int(highest)})", api_visibility="private")
    return seed


# ---------------------------------------------------------------------------------------------- values


def _number(spec: SettingSpec, raw: Any) -> float | int:
    if not isinstance(raw, int | float) or isinstance(raw, bool) or not math.isfinite(raw):
        raise EngineError("Setting '{name}' needs a number.", name=spec.name)
    return int(raw) if spec.kind in ("integer", "press") and raw == int(raw) else raw


def _shown(spec: SettingSpec, value: Any) -> Any:
    if spec.kind == "checkpoint":
        return value if value and Path(value).is_file() else None
    if spec.kind in ("image", "svg"):
        return str(intake.lend(value)) if value and Path(value).is_file() else None
    return value
