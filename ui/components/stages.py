"""A row of cells, one for each part of the way from noise to picture: how much of it belongs to the second style."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from engines.settings import SettingSpec
from ui.components.scripts import script_with
from ui.language import LANGUAGES, Text

__all__ = ["StageMixer"]

_HERE = Path(__file__).parent
_MOST = 12


class StageMixer(gr.HTML):
    """The control of a setting like "0 0 0 1 1 1": shares in [0, 1] of the second style, structure first."""

    def __init__(self, spec: SettingSpec, *, text: Text, **look: Any):
        said = {"label": spec.label, "help": spec.help}
        super().__init__(
            spec.default,
            html_template=(_HERE / "stages.html").read_text("utf-8"),
            js_on_load=script_with(
                _HERE / "stages.js",
                texts={
                    language: {**words, **{key: text.wording(english, language) for key, english in said.items()}}
                    for language, words in text.under("stages.").items()
                    if language in LANGUAGES
                },
                most=_MOST,
            ),
            apply_default_css=False,
            **look,
        )
