"""Endpoints for programs: `gradio_client`, `curl` and MCP. One generator per method, at most ten answers a second.

Programs send plain values and get plain values. They cannot name files: settings that are pictures or drawings are for
the page and for the command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from engines.engine import Engine
from engines.errors import EngineError
from studio import Run, RunState
from ui import intake
from ui.components.preview import jpeg, jpeg_url
from ui.context import Context

__all__ = ["expose"]

_PAUSE = 0.1


def expose(context: Context) -> None:
    """Add the endpoints to the page that is being built: one for each method, under its name."""
    for engine in context.engines.values():
        gr.api(_endpoint(context, engine), api_name=engine.name, concurrency_limit=4)


def _endpoint(context: Context, engine: type[Engine]) -> Callable[..., Iterator[dict]]:
    def draw(
        prompt: str,
        num_steps: int | None = None,
        seed: int | None = None,
        models: str = "pocket",
        settings: dict | None = None,
    ) -> Iterator[dict]:
        values = {"prompt": prompt, "num_steps": num_steps, "seed": seed}
        values = {name: value for name, value in values.items() if value is not None}
        yield from _draw(context, engine.name, {**(settings or {}), **values}, models)

    draw.__name__ = engine.name
    draw.__doc__ = f"""{engine.summary}

        `settings` may change any further setting by its name, except those that are files. Yields
        {{"run", "state", "step", "steps", "losses", "image" (a JPEG data URL)}} while it draws, at most ten times a
        second; the last answer has "svg", the finished drawing, as well.
        """
    return draw


def _draw(context: Context, method: str, values: dict[str, Any], models: str) -> Iterator[dict[str, Any]]:
    try:
        run = context.studio.start(method, _settings(context, method, values), models=models)
    except EngineError as error:
        raise gr.Error(str(error), print_exception=False) from None
    try:
        yield from _answers(run)
    finally:
        run.stop()  # nobody listens any more; what is drawn so far stays in the history


def _settings(context: Context, method: str, values: dict[str, Any]) -> Any:
    settings = context.engines[method].Settings
    files = [spec.name for spec in settings.specs() if spec.is_file and spec.name in values]
    if files:
        raise EngineError(
            "Setting '{files}' takes a file and cannot be set here; use the page instead.", files=files[0]
        )
    return settings.parse({name: intake.line_of_text(v) if isinstance(v, str) else v for name, v in values.items()})


def _answers(run: Run) -> Iterator[dict[str, Any]]:
    version = -1
    while not run.state.at_rest and run.state is not RunState.RESTING:
        began = time.monotonic()
        latest = run.wait(version, timeout=2.0)
        if latest.version != version and latest.frame is not None:
            yield _answer(run)
        version = latest.version
        time.sleep(max(0.0, _PAUSE - (time.monotonic() - began)))
    run.stop()
    run.join()
    if run.message:
        raise gr.Error(run.message, print_exception=False)
    answer = _answer(run)
    if run.latest.frame is not None and run.latest.frame.scene is not None:
        answer["svg"] = run.export("svg").read_text("utf-8")
    yield answer


def _answer(run: Run) -> dict[str, Any]:
    latest = run.latest
    losses = run.losses[-1][1] if run.losses else {}
    image = jpeg_url(jpeg(latest.frame.image)) if latest.frame is not None else ""
    return {
        "run": run.id,
        "state": run.state.value,
        "step": run.step,
        "steps": run.steps,
        "losses": losses,
        "image": image,
    }
