"""CLIPDraw: strokes that turn into what the prompt says."""

from __future__ import annotations

import gradio as gr

from ui.components.canvas import LiveCanvas
from ui.components.controls import Controls
from ui.components.examples import PromptExamples
from ui.components.history import History
from ui.components.legend import LiveLegend
from ui.components.models import ModelChoice
from ui.components.presets import Presets
from ui.context import Context
from ui.session import Session

__all__ = ["build"]


def build(context: Context) -> Session:
    """Lay the tab out; call inside the page's `gr.Tab`."""
    engine = context.engines["clipdraw"]
    text = context.text
    controls = Controls(text, engine)

    with gr.Row(elem_classes="studio"):
        with gr.Column(elem_classes="stage"):
            canvas = LiveCanvas(context, engine, elem_id="clipdraw-canvas")
        with gr.Column(elem_classes="inspector"):
            with gr.Column(elem_classes="card-box prompt-card"):
                controls.one("prompt", lines=2, autofocus=True, placeholder=text.label("clipdraw.placeholder"))
                examples = PromptExamples(context)
                draw = gr.Button(
                    text.label("controls.draw"),
                    variant="primary",
                    size="lg",
                    elem_id="clipdraw-draw",
                    elem_classes="draw",
                )
            with gr.Row(elem_classes="card-box starting"):
                presets = Presets(context, engine)
                opened_file = gr.UploadButton(
                    text.label("controls.open_file"),
                    file_types=[".png", ".svg"],
                    size="md",
                    elem_id="clipdraw-open-file",
                )
            LiveLegend(context)
            controls.groups()
            with gr.Accordion(text.label("models.title"), open=False, elem_classes="group"):
                models = ModelChoice(context, tasks=("clip",))
        history = History(context, elem_id="clipdraw-history")

    return Session(
        context,
        engine,
        canvas=canvas,
        controls=controls,
        models=models,
        draw=draw,
        presets=presets,
        examples=examples,
        opened_file=opened_file,
        history=history,
    )
