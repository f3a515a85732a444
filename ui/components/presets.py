"""The presets of a method: named sets of settings, from its schema."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engines.engine import Engine
from ui.context import Context

__all__ = ["Presets"]

_DEFAULT = "Default"


class Presets:
    """`choice`: a drop-down of "Default" and the schema's presets. "Default" changes nothing."""

    def __init__(self, context: Context, engine: type[Engine]):
        self._text = context.text
        self._names = [_DEFAULT, *engine.Settings.PRESETS]
        self.choice = gr.Dropdown(
            self._names, value=_DEFAULT, label=context.text.label("presets.label"), elem_id=f"{engine.name}-preset"
        )

    def translated(self, language: str) -> Any:
        return gr.update(choices=[(self._text.wording(name, language), name) for name in self._names])
