"""The choice between embedded ("pocket") and published ("full") models, with size and licence before any download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from engines.engine import Engine
from engines.zoo.catalogue import CATALOGUE, CatalogueEntry
from ui.context import Context
from ui.language import LANGUAGES, Text

__all__ = ["FAMILIES", "ModelChoice", "readable_size"]

_HERE = Path(__file__).parent
FAMILIES = ("pocket", "full")


class ModelChoice:
    """`choice`: a radio with the values "pocket" and "full". Lists the models of the catalogue for `tasks`."""

    def __init__(self, context: Context, engine: type[Engine], tasks: tuple[str, ...]):
        self._text = context.text
        self.choice = gr.Radio(
            self._choices("en"),
            value="pocket",
            label=context.text.label("models.label"),
            info=context.text.label("models.info"),
            elem_id=f"{engine.name}-models",
            elem_classes=["setting", "fixed"],
        )
        gr.HTML(
            None,
            html_template=(_HERE / "models.html").read_text("utf-8"),
            js_on_load=(_HERE / "models.js").read_text("utf-8"),
            apply_default_css=False,
            texts=context.text.under("models."),
            catalogue=[_row(entry, context.text) for entry in CATALOGUE if entry.task in tasks],
        )

    def translated(self, language: str) -> Any:
        return gr.update(choices=self._choices(language))

    def _choices(self, language: str) -> list[tuple[str, str]]:
        return [(self._text.say(f"models.{family}", language), family) for family in FAMILIES]


def _row(entry: CatalogueEntry, text: Text) -> dict[str, Any]:
    return {
        "name": entry.name,
        "family": str(entry.family),
        "size": readable_size(entry.size_bytes),
        "licence": entry.licence,
        "description": {language: text.wording(entry.description, language) for language in LANGUAGES},
    }


def readable_size(size: int) -> str:
    """ "6.1 MB", "605 MB", "1.7 GB" (decimal, as downloads are counted)."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
