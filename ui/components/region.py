"""A part of a picture, painted over by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from engines.settings import SettingSpec
from ui import intake
from ui.components.preview import png_url
from ui.components.scripts import script_with
from ui.language import Text

__all__ = ["RegionPainter"]

_HERE = Path(__file__).parent


class RegionPainter(gr.HTML):
    """The control of an image setting in which white marks a part of another picture. Its value is a file, or None.

    shown: CSS selectors of that picture's <img>; the first one that is on the page is painted on. words: where they
    are in ui/text.
    """

    def __init__(self, spec: SettingSpec, *, text: Text, shown: tuple[str, ...], words: str = "region.", **look: Any):
        super().__init__(
            None,
            html_template=(_HERE / "region.html").read_text("utf-8"),
            js_on_load=script_with(
                _HERE / "region.js",
                texts={
                    language: {**said, "label": text.wording(spec.label, language)}
                    for language, said in text.under(words).items()
                },
                shown=shown,
            ),
            apply_default_css=False,
            **look,
        )

    def preprocess(self, payload: Any) -> str | None:
        return str(intake.from_data_url(payload)) if payload else None

    def postprocess(self, value: Any) -> str | None:
        return png_url(Path(value)) if value else None
