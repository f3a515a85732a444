"""The history: what was drawn so far, newest first, with a picture each.

On a machine of one's own every run of the tab's method in the outputs folder is shown. When others can reach the page
too, a browser sees only the runs whose ids it knows, that is, those it started.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components.base import server
from PIL import Image, ImageOps

from engines.engine import Engine
from engines.errors import EngineError
from studio import HistoryEntry, RunState
from ui.components.preview import jpeg, jpeg_url
from ui.context import Context
from ui.language import LANGUAGES

__all__ = ["History"]

_HERE = Path(__file__).parent
_THUMBNAIL = 240
_MOST = 480


class History(gr.HTML):
    """Cards. Its value {"mine": [run ids]} says what this browser started.

    Events for a tab to handle, each with a `run`: `open`, `resume`, `restore`, `deleted`.
    """

    def __init__(self, context: Context, engine: type[Engine], **look: Any):
        self._context, self._method = context, engine.name
        super().__init__(
            {"mine": []},
            html_template=(_HERE / "history.html").read_text("utf-8"),
            js_on_load=(_HERE / "history.js").read_text("utf-8"),
            apply_default_css=False,
            texts=context.text.under("history."),
            elem_classes=["history"],
            **look,
        )

    # ------------------------------------------------------------------ asked by history.js

    @server
    def entries(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The newest `count` runs that the asking browser may see."""
        language = _language(asked)
        count, mine = asked.get("count"), asked.get("mine")
        count = min(count, _MOST) if isinstance(count, int) else 24
        mine = set(map(str, mine)) if isinstance(mine, list) else set()
        own = [entry for entry in self._context.studio.history() if entry.method == self._method]
        visible = [entry for entry in own if not self._context.shared or entry.id in mine]
        return {"entries": [self._card(entry, language) for entry in visible[:count]], "more": len(visible) > count}

    @server
    def remove(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            self._context.studio.delete(str(asked.get("run", "")))
        except EngineError as error:
            return {"error": self._context.text.sentence(error, _language(asked))}
        return {}

    # ------------------------------------------------------------------ cards

    def _card(self, entry: HistoryEntry, language: str) -> dict[str, Any]:
        say = self._context.text.say
        state = say(f"history.state.{RunState(entry.state).value}", language)
        return {
            "run": entry.id,
            "title": entry.title or say("history.untitled", language),
            "facts": f"{state} · {entry.step} / {entry.steps}",
            "created": entry.created.isoformat(),
            "resumable": RunState(entry.state) in (RunState.STOPPED, RunState.PAUSED, RunState.FAILED),
            "thumbnail": _thumbnail(entry.thumbnail),
        }


def _language(asked: dict[str, Any]) -> str:
    return asked["language"] if asked.get("language") in LANGUAGES else "en"


def _thumbnail(path: Path | None) -> str:
    try:
        return _small(path, path.stat().st_mtime) if path else ""
    except OSError:  # deleted meanwhile, or not written to the end
        return ""


@lru_cache(maxsize=_MOST)
def _small(path: Path, changed: float) -> str:
    """The picture at `path` as a small data URL; `changed` makes a rewritten file another one."""
    with Image.open(path) as image:
        return jpeg_url(jpeg(np.asarray(ImageOps.contain(image.convert("RGB"), (_THUMBNAIL, _THUMBNAIL)))))
