"""unCLIP: words become an embedding and then a picture; pictures are varied, mixed and changed."""

from __future__ import annotations

import gradio as gr

from ui.components.controls import Controls
from ui.context import Context
from ui.session import Session
from ui.tabs.drawing import lay_out

__all__ = ["METHODS", "TITLE"]

TITLE = "unCLIP"


def build(context: Context) -> Session:
    """What a task does not need is hidden by assets/studio.css: "per-task", shown "on-" the tasks that are named."""
    engine, text = context.engines["unclip"], context.text

    def task(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box tasks six"):
            controls.one("operation")
        with gr.Row(elem_classes="card-box"):
            with gr.Column(min_width=140):
                controls.one("picture_1")
            with _on("generate", "interpolate"):
                controls.one("picture_2")

    def way(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box"):
            with _on("textdiff"):
                controls.one("base_prompt")
                controls.one("difference")
                controls.one("theta")
                controls.one("theta_scale")
            with _on("interpolate", "generate"):
                controls.one("second_prompt")
            with _on("interpolate"):
                controls.one("position")
            with _on("pca"):
                controls.one("components")
            with _on("probe"):
                controls.one("attack")
                controls.one("labels", lines=1)
            with _on("variations", "interpolate", "textdiff"):
                controls.one("invert")
            for name in ("num_pictures", "eta", "upsample"):
                controls.one(name)
            with gr.Accordion(
                text.label("unclip.weights"), open=False, elem_classes=["more", "per-task", "on-generate"]
            ):
                for spec in engine.Settings.specs():
                    if spec.group == "Mixture":
                        controls.one(spec.name)

    return lay_out(
        context, engine, tasks=("unclip", "unclip-eye", "unclip-decoder"), words="unclip", top=task, card=way
    )


def _on(*tasks: str) -> gr.Column:
    return gr.Column(elem_classes=["per-task", *(f"on-{task}" for task in tasks)], min_width=140)


METHODS = {"unclip": build}
