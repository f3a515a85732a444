"""What the tabs of all methods have in common: the layout, and the wires between its parts."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from engines.engine import Engine
from ui.components.canvas import LiveCanvas
from ui.components.controls import Controls
from ui.components.examples import PromptExamples
from ui.components.history import History
from ui.components.legend import LiveLegend
from ui.components.models import ModelChoice
from ui.components.presets import Presets
from ui.context import Context
from ui.session import Session

__all__ = ["lay_out"]


def lay_out(
    context: Context,
    engine: type[Engine],
    *,
    tasks: tuple[str, ...],
    words: str = "controls",
    top: Callable[[Controls], None] = lambda controls: None,
    card: Callable[[Controls], None] = lambda controls: None,
) -> Session:
    """Lay a tab out; call inside the page's `gr.Tab`.

    tasks: of the models that it uses, to be listed. words: where its own words are in ui/text. top, card: place
    controls of the method's own above and below the prompt; all other settings follow in their groups.
    """
    text = context.text
    controls = Controls(text, engine)

    with gr.Row(elem_classes="studio"):
        with gr.Column(elem_classes="stage"):
            canvas = LiveCanvas(context, engine, words, elem_id=f"{engine.name}-canvas")
        with gr.Column(elem_classes="inspector"):
            top(controls)
            with gr.Column(elem_classes="card-box prompt-card"):
                controls.one("prompt", lines=2, autofocus=True, placeholder=text.label(f"{words}.placeholder"))
                examples = PromptExamples(context, f"{words}.examples.")
                draw = gr.Button(
                    text.label(f"{words}.draw"),
                    variant="primary",
                    size="lg",
                    elem_id=f"{engine.name}-draw",
                    elem_classes="draw",
                )
            card(controls)
            with gr.Row(elem_classes="card-box starting"):
                presets = Presets(context, engine)
                opened_file = gr.UploadButton(
                    text.label("controls.open_file"),
                    file_types=[".png", ".svg"],
                    size="md",
                    elem_id=f"{engine.name}-open-file",
                )
            LiveLegend(context)
            controls.groups()
            with gr.Accordion(text.label("models.title"), open=False, elem_classes="group"):
                models = ModelChoice(context, engine, tasks)
        history = History(context, engine, elem_id=f"{engine.name}-history")

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
