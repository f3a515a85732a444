"""What the canvas is to say when something outside it was refused."""

from __future__ import annotations

from time import monotonic_ns
from typing import Any

import gradio as gr

from engines.base import EngineError
from ui.context import Context
from ui.language import language_of

__all__ = ["refusal"]


def refusal(context: Context, error: EngineError, canvas: Any, request: gr.Request) -> dict[str, Any]:
    """The canvas' value, as it was, with the sentence: canvas.js shows it as a toast and beside the picture."""
    value = canvas if isinstance(canvas, dict) else {"run": None}
    return {**value, "notice": context.text.sentence(str(error), language_of(request)), "nonce": monotonic_ns()}
