"""StyleGAN-NADA: a whole generator moves to another domain, by words or by a few pictures."""

from __future__ import annotations

from functools import partial

import gradio as gr

from ui.components.controls import Controls
from ui.components.faces import FacePicker
from ui.context import Context
from ui.session import Session
from ui.tabs.drawing import lay_out

__all__ = ["METHODS", "TITLE"]

TITLE = "StyleGAN-NADA"


def build(context: Context) -> Session:
    engine, text = context.engines["stylegan-nada"], context.text
    picker = partial(FacePicker, text=text, device=context.studio.device)

    def faces(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box face-card"):
            controls.one("seed", maker=picker)

    def domain(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box"):
            for name in ("domain", "source_text", "strength", "snapshot", "show"):
                controls.one(name)
            controls.one("swatch")
            with gr.Accordion(text.label("domain.pictures"), open=False, elem_classes="more"):
                for name in ("style_1", "style_2", "style_3"):
                    controls.one(name)

    tasks = ("clip", "stylegan2", "vgg", "identity")
    session = lay_out(context, engine, tasks=tasks, words="domain", top=faces, card=domain)
    session.empties("swatch", "style_1", "style_2", "style_3")
    return session


METHODS = {"stylegan-nada": build}
