"""StyleCLIPDraw: strokes that turn into what the prompt says, in the style of a picture."""

from __future__ import annotations

import gradio as gr

from ui.components.controls import Controls
from ui.components.region import RegionPainter
from ui.context import Context
from ui.session import Session
from ui.tabs.drawing import lay_out

__all__ = ["METHODS", "TITLE"]

TITLE = "StyleCLIPDraw"


def build(context: Context) -> Session:
    engine, text = context.engines["styleclipdraw"], context.text

    def style(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box style-card"):
            controls.one("swatch")
            controls.one("style_strength")
            with gr.Accordion(text.label("style.own"), open=False, elem_classes="more"):
                controls.one("style_image")
            with gr.Accordion(text.label("style.part"), open=False, elem_classes="more"):
                shown = ("#styleclipdraw-style-image img", "#styleclipdraw-swatch [aria-pressed=true] img")
                controls.one("style_region", maker=RegionPainter, text=text, shown=shown)
            with gr.Accordion(text.group_label(engine.name, "Second style"), open=False, elem_classes="more"):
                for name in ("second_swatch", "style_mix", "second_style_image"):
                    controls.one(name)

    session = lay_out(context, engine, tasks=("clip", "vgg"), card=style)
    # A picture goes before a swatch, and a marked part belongs to the picture in which it was marked.
    session.empties("swatch", "style_image", "style_region")
    session.empties("style_image", "style_region")
    session.empties("second_swatch", "second_style_image")
    return session


METHODS = {"styleclipdraw": build}
