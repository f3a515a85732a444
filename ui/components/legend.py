"""One line that says what the dot beside a control means."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.context import Context

__all__ = ["LiveLegend"]


class LiveLegend(gr.HTML):
    def __init__(self, context: Context, **look: Any):
        super().__init__(
            None,
            html_template='<p class="live-legend"></p>',
            js_on_load="element.firstElementChild.append(props.texts[window.atelier.language].live)",
            apply_default_css=False,
            texts=context.text.under("legend."),
            **look,
        )
