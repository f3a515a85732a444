"""Prompts to start from, as a row of small buttons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ui.context import Context

__all__ = ["PromptExamples"]

_HERE = Path(__file__).parent


class PromptExamples(gr.HTML):
    """`pick(handler)` is called with an event whose `prompt` is the chosen text. words: where they are in ui/text."""

    def __init__(self, context: Context, words: str, **look: Any):
        super().__init__(
            None,
            html_template='<div class="examples" role="group"></div>',
            js_on_load=(_HERE / "examples.js").read_text("utf-8"),
            apply_default_css=False,
            texts=context.text.under(words),
            **look,
        )
