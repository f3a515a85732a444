"""The head of the page: its name, the language switch and the light switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ui.context import Context

__all__ = ["Masthead"]

_HERE = Path(__file__).parent


class Masthead(gr.HTML):
    def __init__(self, context: Context, **look: Any):
        super().__init__(
            None,
            html_template=(_HERE / "masthead.html").read_text("utf-8"),
            js_on_load=(_HERE / "masthead.js").read_text("utf-8"),
            apply_default_css=False,
            texts=context.text.under("masthead."),
            **look,
        )
