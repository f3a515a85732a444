"""The live canvas: the picture, its transport, its timeline, its loss curve and what can be saved of it.

The page pulls: canvas.js asks `poll` for the next picture when it has decoded the last one, so a slow browser never
slows a run and nothing piles up. A page knows a run by its unguessable id and nothing else. Server functions bypass
Gradio's queue, so every one of them answers at once or waits without holding a thread.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from anyio import to_thread
from gradio.components.base import server

from engines.engine import Engine, Frame
from engines.errors import EngineError, joined
from engines.settings import SettingSpec
from studio import Run, RunState
from ui.components.curve import curve, x_of
from ui.components.preview import data_url, jpeg_url, picture_url
from ui.context import Context
from ui.language import LANGUAGES

__all__ = ["LiveCanvas", "exports_of"]

PICTURES = ("png", "mp4", "gif", "webp", "settings")
STROKES = ("svg", "plotter-svg", "replay-svg", "strokes-mp4")
_HERE = Path(__file__).parent
_LONGEST_WAIT = 2.0
_MOST_MARKS = 60


class LiveCanvas(gr.HTML):
    """Shows the run whose id is in its value: {"run": id or None, "title": str, "notice": sentence, "nonce": int}.

    words: where ui/text has the method's own words. `branch(handler)` is called with an event whose `run` and `step`
    say from where a person wants to branch.
    """

    def __init__(self, context: Context, engine: type[Engine], words: str = "controls", **look: Any):
        self._context = context
        self._engine = engine
        super().__init__(
            {"run": None},
            html_template=(_HERE / "canvas.html").read_text("utf-8"),
            js_on_load=(_HERE / "canvas.js").read_text("utf-8"),
            apply_default_css=False,
            texts={
                language: {**said, "invitation": context.text.say(f"{words}.invitation", language)}
                for language, said in context.text.under("canvas.").items()
            },
            exports=exports_of(engine),
            elem_classes=["canvas"],
            **look,
        )

    # ------------------------------------------------------------------ asked by canvas.js

    @server
    async def poll(self, asked: dict[str, Any]) -> dict[str, Any]:
        """All there is to show, as soon as it differs from version `last`, or after two seconds."""
        language = _language(asked)
        try:
            run = self._run(asked)
        except EngineError as error:
            return self._error(error, language)
        last = asked.get("last")
        deadline = asyncio.get_running_loop().time() + _LONGEST_WAIT
        while run.latest.version == last and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        return await to_thread.run_sync(self._answer, run, last, asked.get("before"), language)

    @server
    def act(self, asked: dict[str, Any]) -> dict[str, Any]:
        """pause | resume | step | stop | rewind (to `step`)."""
        language = _language(asked)
        try:
            run = self._run(asked)
            match asked.get("action"):
                case "pause":
                    run.pause()
                case "resume":
                    run.resume()
                case "step":
                    run.step_once()
                case "stop":
                    run.stop()
                case "rewind":
                    run.rewind(_step(asked))
        except EngineError as error:
            return self._error(error, language)
        return {"state": run.state.value}

    @server
    def look(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The picture that was recorded at `step`."""
        try:
            return {"picture": jpeg_url(self._run(asked).picture_at(_step(asked)))}
        except EngineError as error:
            return self._error(error, _language(asked))

    @server
    def export(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make a file of one of `exports_of` the method; the answer says where it can be fetched."""
        try:
            kind = asked.get("kind")
            if kind not in exports_of(self._engine):
                raise EngineError("This cannot be exported; choose one of the formats in the list.")
            path = self._run(asked).export(kind, embed_settings=bool(asked.get("embed", True)))
        except EngineError as error:
            return self._error(error, _language(asked))
        return {"url": self._context.downloads.offer(path), "name": path.name}

    # ------------------------------------------------------------------ answers

    def _run(self, asked: dict[str, Any]) -> Run:
        return self._context.studio.get(str(asked.get("run", "")))

    def _error(self, error: EngineError, language: str) -> dict[str, Any]:
        return {"error": self._context.text.sentence(error, language)}

    def _remark(self, frame: Frame | None, language: str) -> str:
        """The status of a frame, and what was left out or not understood."""
        return "" if frame is None else self._context.text.sentence(joined(frame.status, *frame.notices), language)

    def _answer(self, run: Run, last: Any, before: Any, language: str) -> dict[str, Any]:
        latest, steps = run.latest, max(run.steps, 1)
        answer = {
            "version": latest.version,
            "state": run.state.value,
            "step": run.step,
            "steps": run.steps,
            "status": self._status(run, language),
            "meter": self._meter(run, language),
            "notice": self._context.text.sentence(run.message, language),
            "remark": self._remark(latest.frame, language),
            "timeline": run.timeline,
            "resumable": _resumable(run),
        }
        if latest.version != last:
            answer["picture"] = data_url(latest.frame) if latest.frame is not None else None
            key = "" if latest.frame is None or latest.frame.before is None else _key(latest.frame.before)
            if key != before:
                answer["before"] = {"key": key, "picture": picture_url(latest.frame.before) if key else None}
            answer["curve"] = curve(run.losses, steps)
            for term in answer["curve"]:
                term["name"] = self._context.text.wording(term["name"], language)
            answer["marks"] = [
                self._mark(step, changes, steps, language) for step, changes in run.changes[-_MOST_MARKS:]
            ]
        return answer

    def _status(self, run: Run, language: str) -> str:
        say = self._context.text.say
        if run.state is RunState.QUEUED and run.queue_position > 0:
            return say("status.queued_behind", language, before=run.queue_position)
        if run.state is RunState.RUNNING and run.latest.frame is None:
            return say(f"status.opening.{run.models}", language)
        return say(f"status.{run.state.value}", language, step=run.step)

    def _meter(self, run: Run, language: str) -> str:
        say = self._context.text.say
        parts = [f"{run.step} / {run.steps}"] if run.state is not RunState.RESTING else []
        if run.state is RunState.RUNNING and run.steps_per_second:
            parts.append(say("meter.speed", language, speed=f"{run.steps_per_second:.1f}"))
        if run.state in (RunState.RUNNING, RunState.QUEUED) and run.estimate_seconds is not None:
            key = "meter.starts" if run.state is RunState.QUEUED else "meter.left"
            parts.append(say(key, language, time=_clock(run.estimate_seconds)))
        return " · ".join(parts)

    def _mark(self, step: int, changes: dict[str, Any], steps: int, language: str) -> dict[str, Any]:
        specs = {spec.name: spec for spec in self._engine.Settings.specs()}
        words = [
            f"{self._context.text.wording(specs[name].label, language)} → {self._value(specs[name], value, language)}"
            for name, value in changes.items()
        ]
        return {"step": step, "x": round(x_of(step, steps), 1), "text": ", ".join(words)}

    def _value(self, spec: SettingSpec, value: Any, language: str) -> str:
        """In some characters: choices in the person's language, of files their names alone."""
        if spec.choices:
            return self._context.text.wording(value, language)
        if spec.is_file:
            value = Path(value).name or "–"
        text = value if isinstance(value, str) else json.dumps(value)
        return text if len(text) <= 40 else text[:39] + "…"


def exports_of(engine: type[Engine]) -> list[str]:
    """The kinds of `studio.results` that a run of this method has, for the page to offer."""
    made = ["model"] if engine.artifact else []
    return [PICTURES[0], *(STROKES if engine.has_scene else ()), *made, *PICTURES[1:]]


def _key(picture: np.ndarray) -> str:
    """Another one for another picture."""
    return f"{zlib.crc32(np.ascontiguousarray(picture)):08x}"


def _resumable(run: Run) -> bool:
    """A finished run can only go on when there is something new to obey, more steps for instance."""
    if run.state is not RunState.FINISHED:
        return run.state in (RunState.PAUSED, RunState.STOPPED, RunState.FAILED)
    return run.live.current != run.settings_at(run.step + 1)


def _language(asked: dict[str, Any]) -> str:
    return asked["language"] if asked.get("language") in LANGUAGES else "en"


def _step(asked: dict[str, Any]) -> int:
    step = asked.get("step")
    if not isinstance(step, int):
        raise EngineError("Choose a step on the timeline first.")
    return step


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
