"""A choice between pictures: small squares, one of them pressed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image, ImageOps

from engines.settings import SettingSpec
from engines.style import SWATCHES
from ui.components.preview import jpeg, jpeg_url
from ui.components.scripts import script_with
from ui.language import LANGUAGES, Text

__all__ = ["Swatches"]

_HERE = Path(__file__).parent
_SIDE = 160


class Swatches(gr.HTML):
    """The control of a setting of kind "swatch"; its value is the name of the chosen one."""

    def __init__(self, spec: SettingSpec, *, text: Text, **look: Any):
        says = {"label": spec.label, "help": spec.help, **{name: name for name in spec.choices}}
        super().__init__(
            spec.default,
            html_template=(_HERE / "swatches.html").read_text("utf-8"),
            js_on_load=script_with(
                _HERE / "swatches.js",
                texts={
                    language: {key: text.wording(english, language) for key, english in says.items()}
                    for language in LANGUAGES
                },
                swatches=[{"name": name, "source": _thumbnail(SWATCHES.get(name))} for name in spec.choices],
            ),
            apply_default_css=False,
            **look,
        )


@cache
def _thumbnail(path: Path | None) -> str:
    """Small, as a data URL; "" for no picture."""
    if path is None:
        return ""
    with Image.open(path) as image:
        return jpeg_url(jpeg(np.asarray(ImageOps.contain(image.convert("RGB"), (_SIDE, _SIDE)))))
