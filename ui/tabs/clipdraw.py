"""CLIPDraw: strokes that turn into what the prompt says."""

from __future__ import annotations

from ui.context import Context
from ui.session import Session
from ui.tabs.drawing import lay_out

__all__ = ["METHODS", "TITLE"]

TITLE = "CLIPDraw"


def build(context: Context) -> Session:
    return lay_out(context, context.engines["clipdraw"], tasks=("clip",))


METHODS = {"clipdraw": build}
