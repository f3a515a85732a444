"""A button that writes what paintings show, for a person to correct before a style is learned from them."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component

from engines.engine import Engine
from engines.errors import EngineError
from ui import intake
from ui.components.canvas_value import refusal
from ui.context import Context

__all__ = ["CaptionWriter"]


class CaptionWriter:
    """Call `place` where the button shall be, and `connect` when all controls are there."""

    def __init__(self, context: Context):
        self._context = context

    def place(self, engine: type[Engine]) -> None:
        self._button = gr.Button(
            self._context.text.label("dream.write"), size="sm", elem_id=f"{engine.name}-write", elem_classes="take"
        )

    def connect(
        self, canvas: Component, family: Component, pictures: list[Component], captions: list[Component]
    ) -> None:
        """Every picture whose caption is empty gets one. family: says whose captioner.

        That of the full models may have to be downloaded first: the event waits in Gradio's queue.
        """
        self._button.click(
            self._write,
            [canvas, family, *pictures, *captions],
            [canvas, *captions],
            api_visibility="private",
            concurrency_limit=1,
            show_progress_on=captions,
        )

    def _write(self, canvas: Any, family: str, request: gr.Request, *values: Any) -> list[Any]:
        pictures, captions = values[: len(values) // 2], values[len(values) // 2 :]
        try:
            written = [
                self._caption(family, picture) if picture and not (caption or "").strip() else gr.skip()
                for picture, caption in zip(pictures, captions, strict=True)
            ]
        except EngineError as error:
            refused = error
        except (MemoryError, RuntimeError):  # torch's own error of a full GPU is one of the latter
            refused = EngineError("There is no memory left for the captioner; write what the painting shows yourself.")
        else:
            return [gr.skip(), *written]
        return [refusal(self._context, refused, canvas, request), *(gr.skip() for _ in captions)]

    def _caption(self, family: str, picture: str) -> str:
        from engines.dreamstyler.captions import caption_of  # here, not above: it takes seconds
        from engines.images import load_picture
        from engines.zoo import Models

        return caption_of(Models(family, self._context.studio.device), load_picture(intake.picture(picture)))
