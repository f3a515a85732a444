"""The history: what was drawn so far, newest first, with a picture each.

On a machine of one's own every run of the tab's method in the outputs folder is shown. When others can reach the page
too, a browser sees only the runs whose ids it knows, that is, those it started.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.base import server

from engines.engine import Engine
from engines.errors import EngineError
from engines.saved_files import read_picture
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
        return {
            "entries": [self._card(entry, language) for entry in visible[:count]],
            "more": len(visible) > count,
            "unreadable": "" if self._context.shared else self._unreadable(language),
        }

    @server
    def remove(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            self._context.studio.delete(str(asked.get("run", "")))
        except EngineError as error:
            return {"error": self._context.text.sentence(str(error), _language(asked))}
        return {}

    # ------------------------------------------------------------------ cards

    def _unreadable(self, language: str) -> str:
        """How many folders cannot be shown, one sentence; empty when there is none."""
        count = self._context.studio.unreadable()
        return self._context.text.say("history.unreadable", language, count=count) if count else ""

    def _card(self, entry: HistoryEntry, language: str) -> dict[str, Any]:
        say = self._context.text.say
        facts = f"{say(f'history.state.{entry.state.value}', language)} · {entry.step} / {entry.steps}"
        return {
            "run": entry.id,
            "title": entry.title or say("history.untitled", language),
            "facts": self._context.text.sentence(entry.problem, language) if entry.problem else facts,
            "created": entry.created.isoformat(),
            "damaged": bool(entry.problem),
            "resumable": not entry.problem and entry.state in (RunState.STOPPED, RunState.PAUSED, RunState.FAILED),
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
    """The picture at `path` as a small data URL, "" for a damaged one; `changed` makes a rewritten file another one."""
    try:
        return jpeg_url(jpeg(read_picture(path, _THUMBNAIL)))
    except EngineError:
        return ""
