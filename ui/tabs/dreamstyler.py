"""DreamStyler: a style, learned from paintings, in which anything can then be painted."""

from __future__ import annotations

from functools import partial

import gradio as gr

from ui.components.captions import CaptionWriter
from ui.components.controls import Controls
from ui.components.region import RegionPainter
from ui.components.shelf import StyleShelf
from ui.components.stages import StageMixer
from ui.context import Context
from ui.session import Session
from ui.tabs.drawing import lay_out

__all__ = ["METHODS", "TITLE"]

TITLE = "DreamStyler"

TASKS = ("diffusion", "clip", "structure", "depth", "caption", "instant-style")
PAINTINGS = (("painting_1", "caption_1"), ("painting_2", "caption_2"), ("painting_3", "caption_3"))
_PAPER = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9' style='background:%23ddd'/%3E"
)
"""What a region is marked on where there is no picture yet."""


def build(context: Context) -> Session:
    """What a task does not need is hidden by assets/studio.css: "for-learn", "for-restyle", "not-learn"."""
    engine, text = context.engines["dreamstyler"], context.text

    def task(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box tasks"):
            controls.one("mode")
        with gr.Column(elem_classes="card-box for-learn"):
            first, *others = PAINTINGS
            controls.one(first[0], height=200)
            controls.one(first[1], lines=2)
            writer.place(engine)
            with gr.Accordion(text.label("dream.more"), open=False, elem_classes="more"):
                for painting, caption in others:
                    controls.one(painting)
                    controls.one(caption, lines=2)
            with gr.Accordion(text.group_label(engine.name, "Training"), open=False, elem_classes="more"):
                for spec in engine.Settings.specs():
                    if spec.group == "Training":
                        controls.one(spec.name)
        with gr.Column(elem_classes="card-box for-restyle"):
            controls.one("photo", height=200)
            controls.one("strength")
            controls.one("structure")

    def style(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box style-card"):
            with gr.Column(elem_classes="not-learn"):
                controls.one("style")
            shelf.place(engine)
            controls.one("style_amount")
            with gr.Accordion(text.label("dream.file"), open=False, elem_classes="more not-learn"):
                controls.one("style_file")
            with gr.Accordion(text.label("dream.second"), open=False, elem_classes="more"):
                controls.one("second_style")
                controls.one("mix", maker=partial(StageMixer, text=text))
                controls.one("second_style_file")
            with gr.Accordion(text.label("dream.instant"), open=False, elem_classes="more"):
                controls.one("instant_style")
                controls.one("instant_scale")
            with gr.Accordion(text.label("dream.where"), open=False, elem_classes="more"):
                gr.HTML(f'<img class="unseen" id="{engine.name}-paper" src="{_PAPER}" alt="">', apply_default_css=False)
                shown = (f"#{engine.name}-photo img", f"#{engine.name}-paper")
                controls.one("region", maker=partial(RegionPainter, text=text, shown=shown, words="dream.region."))

    writer, shelf = CaptionWriter(context), StyleShelf(context)
    session = lay_out(context, engine, tasks=TASKS, words="dream", top=task, card=style)
    controls = session.controls.components
    pictures, captions = ([controls[name] for name in names] for names in zip(*PAINTINGS, strict=True))
    writer.connect(session.canvas, session.models.choice, pictures, captions)
    shelf.connect(session.canvas, "style_file", controls["style_file"])
    # A file goes before the shelf, and a marked part belongs to the picture in which it was marked.
    session.empties("style", "style_file")
    session.empties("second_style", "second_style_file")
    session.empties("photo", "region")
    return session


METHODS = {"dreamstyler": build}
