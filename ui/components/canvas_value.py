"""What the value of a canvas says: the run it shows, and a sentence to show beside it. It comes back from browsers, so
it may be anything."""

from __future__ import annotations

from itertools import count
from typing import Any

import gradio as gr

from engines.errors import EngineError
from studio import Run
from ui.context import Context
from ui.language import language_of

__all__ = ["refusal", "run_of", "showing"]

_nonce = count(1)  # a value is sent again only when it differs


def showing(run: Run) -> dict[str, Any]:
    """The value of a canvas that shows this run."""
    return {"run": run.id, "title": run.title, "notice": "", "nonce": next(_nonce)}


def refusal(context: Context, error: EngineError, canvas: Any, request: gr.Request) -> dict[str, Any]:
    """The canvas goes on as it was, and says the sentence: canvas.js shows it as a toast and beside the picture."""
    value = canvas if isinstance(canvas, dict) else {"run": None}
    return {**value, "notice": context.text.sentence(error, language_of(request)), "nonce": next(_nonce)}


def run_of(canvas: Any) -> str | None:
    """The id of the run that a canvas shows."""
    run = canvas.get("run") if isinstance(canvas, dict) else None
    return run if isinstance(run, str) else None
