"""The tab of CLIP pixels."""

from __future__ import annotations

from pathlib import Path

from ui.context import Context
from ui.session import Session
from ui.tabs.drawing import lay_out

__all__ = ["METHODS", "TEXTS", "TITLE"]

TITLE = "CLIP pixels"
TEXTS = Path(__file__).parent / "texts.json"


def build(context: Context) -> Session:
    return lay_out(context, context.engines["clip-pixels"], tasks=("clip",))


METHODS = {"clip-pixels": build}
