"""What happens when a person does something: the wires between canvas, controls, history and studio.

A page only attaches to runs. It knows its run by id: in the canvas' value, and, so that a reload finds it again, in the
browser's storage. Handlers return at once; everything that takes time happens in the run's own thread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engines.engine import Engine
from engines.errors import EngineError
from engines.settings import EngineSettings
from engines.shown import shown
from studio import Run
from ui import intake
from ui.components.canvas import LiveCanvas
from ui.components.canvas_value import refusal, run_of, showing
from ui.components.controls import Controls
from ui.components.examples import PromptExamples
from ui.components.history import History
from ui.components.models import FAMILIES, ModelChoice
from ui.components.presets import Presets
from ui.context import Context
from ui.language import language_of

__all__ = ["Session"]

_MOST_REMEMBERED = 500
_OWN_KINDS = ("task", "text", "longtext", "image", "svg", "swatch", "checkpoint", "press")
_CHOOSE_AGAIN = "?"  # no file of that name: the control stays empty, and the rules between settings are content
# It protects nothing but the browser's own note from casual eyes, and has to stay the same: with a new one after a
# restart, the browser could not read which run it was looking at.
_STORAGE_SECRET = "atelier-browser-note"
_PLUMBING: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


class Session:
    """Connects the parts of one tab. Made once, when the page is built; a browser's own state is in its events."""

    def __init__(
        self,
        context: Context,
        engine: type[Engine],
        *,
        canvas: LiveCanvas,
        controls: Controls,
        models: ModelChoice,
        draw: gr.Button,
        presets: Presets,
        examples: PromptExamples,
        opened_file: gr.UploadButton,
        history: History,
    ):
        self.context, self.engine = context, engine
        self.canvas, self.controls, self.models, self.presets = canvas, controls, models, presets
        self._specs = {spec.name: spec for spec in engine.Settings.specs()}
        self._prompt = controls.components["prompt"]
        self._browser = gr.BrowserState(
            {"run": None, "mine": []}, storage_key=f"atelier-{engine.name}", secret=_STORAGE_SECRET, render=False
        )
        everything = self._everything = list(controls.components.values())
        self._history = history
        shown = [canvas, self._browser, history, models.choice, *everything]

        draw.click(
            self._draw,
            {canvas, self._browser, models.choice, *everything},
            [canvas, self._browser, history],
            **_PLUMBING,
        )
        canvas.branch(self._branch, [self._browser], shown, **_PLUMBING)
        history.open(self._open, [self._browser], shown, **_PLUMBING)
        history.resume(self._resume, [self._browser], shown, **_PLUMBING)
        history.restore(self._restore, [canvas], [canvas, models.choice, *everything], **_PLUMBING)
        history.deleted(self._deleted, [canvas, self._browser], [canvas, self._browser], **_PLUMBING)
        opened_file.upload(self._from_file, [opened_file, canvas], [canvas, models.choice, *everything], **_PLUMBING)
        presets.choice.input(self._preset, [presets.choice, canvas], [canvas, *everything], **_PLUMBING)
        examples.pick(self._example, [canvas], [self._prompt], **_PLUMBING)
        for name in controls.components:
            self._listen(name)
        for name, button in controls.press_buttons.items():
            button.click(self._pressed(name), [canvas], [canvas], queue=False, **_PLUMBING)
        for name, button in controls.take_buttons.items():
            take = self._current_drawing(name)
            button.click(take, [canvas], [controls.components[name], canvas], **_PLUMBING)

    def empties(self, chosen: str, *emptied: str) -> None:
        """Who gives setting `chosen` a value takes away those of `emptied`, files that go before it or go with it."""
        components = [self.controls.components[name] for name in emptied]

        def obey(canvas: Any, request: gr.Request) -> list[Any]:
            refusals = [self._obey(name, None, canvas, request) for name in emptied]
            return [*(None for _ in emptied), next(filter(None, refusals), gr.skip())]

        for event in _done_events(self.controls.components[chosen]):
            event(obey, [self.canvas], [*components, self.canvas], queue=False, **_PLUMBING)

    def takes_points(self, picture: str, points: str, count: int) -> None:
        """Clicks on the picture of one setting are written into another, in shares of width and height."""
        shown, written = self.controls.components[picture], self.controls.components[points]

        def clicked(path: str | None, before: str, event: gr.SelectData) -> str:
            if not path:
                return before
            (x, y), (width, height) = event.index, intake.size_of(path)
            known = before.split()
            known = [] if len(known) >= count else known  # after the last a person begins anew
            return " ".join([*known, f"{x / width:.4f},{y / height:.4f}"])

        shown.select(clicked, [shown, written], [written], queue=False, **_PLUMBING)

    def changes_together(
        self, button: gr.Button, changed: tuple[str, ...], change: Callable[..., tuple[Any, ...]], of: tuple[str, ...]
    ) -> None:
        """The button gives settings `changed` what `change` makes of the settings `of`; the run obeys all at once."""
        components = self.controls.components

        def press(canvas: Any, request: gr.Request, *values: Any) -> list[Any]:
            try:
                fresh = change(*(self.controls.value(name, raw) for name, raw in zip(of, values, strict=True)))
                if run_id := run_of(canvas):
                    self._change(self.context.studio.get(run_id), dict(zip(changed, fresh, strict=True)))
            except EngineError as error:
                return [refusal(self.context, error, canvas, request), *(gr.skip() for _ in changed)]
            return [gr.skip(), *fresh]

        inputs = [self.canvas, *(components[name] for name in of)]
        button.click(press, inputs, [self.canvas, *(components[name] for name in changed)], queue=False, **_PLUMBING)

    def on_load(self, page: gr.Blocks) -> None:
        """Translate what Gradio leaves in English, and attach to the run that the browser remembers.

        Call outside all tabs: the browser reads what it remembers only once the place is on the page.
        """
        self._browser.render()
        translated = [self.models.choice, self.presets.choice, *self._everything]
        attached = [self.canvas, self._browser, self._history, self.models.choice, *self._everything]
        loading = page.load(self._translate, None, translated, queue=False, **_PLUMBING)
        loading.then(self._attach, [self._browser], attached, **_PLUMBING)

    # ------------------------------------------------------------------ drawing

    def _draw(self, data: dict[Component, Any], request: gr.Request) -> tuple[Any, ...]:
        browser = data[self._browser]
        try:
            settings = self.engine.Settings.parse(self.controls.values(data))
            self._end(run_of(data[self.canvas]))
            run = self.context.studio.start(self.engine.name, settings, models=data[self.models.choice])
        except EngineError as error:
            return refusal(self.context, error, data[self.canvas], request), gr.skip(), gr.skip()
        browser = _remember(browser, run)
        return showing(run), browser, {"mine": browser["mine"]}

    def _end(self, run_id: str | None) -> None:
        """A new drawing ends the one before it; it stays in the history and can be resumed."""
        if run_id is None:
            return
        with suppress(EngineError):  # deleted in another window
            self.context.studio.get(run_id).stop()

    # ------------------------------------------------------------------ live settings

    def _listen(self, name: str) -> None:
        """Every live control writes through to the run that is shown, when a person (not a program) changes it.

        An upload is checked at once, live or not, and taken away again when it cannot be used.
        """
        spec, component = self._specs[name], self.controls.components[name]
        is_file = spec.is_file
        if not spec.live and not is_file:
            return

        def obey(value: Any, canvas: Any, request: gr.Request) -> Any:
            refused = self._obey(name, value, canvas, request)
            if not is_file:
                return refused or gr.skip()
            return (None, refused) if refused else (gr.skip(), gr.skip())

        outputs = [component, self.canvas] if is_file else [self.canvas]
        for event in _done_events(component):
            event(obey, [component, self.canvas], outputs, queue=False, trigger_mode="always_last", **_PLUMBING)

    def _pressed(self, name: str) -> Callable[..., Any]:
        """One press more for the run that is shown."""

        def press(canvas: Any, request: gr.Request) -> Any:
            try:
                if run_id := run_of(canvas):
                    run = self.context.studio.get(run_id)
                    run.update(**{name: getattr(run.live.current, name) + 1})
            except EngineError as error:
                return refusal(self.context, error, canvas, request)
            return gr.skip()

        return press

    def _obey(self, name: str, value: Any, canvas: Any, request: gr.Request) -> dict[str, Any] | None:
        """Check a value and hand it to the run that is shown; → what the canvas is to say when it is refused."""
        try:
            wanted = self.controls.value(name, value)
            run_id = run_of(canvas)
            if self._specs[name].live and run_id is not None:
                self._change(self.context.studio.get(run_id), {name: wanted})
        except EngineError as error:
            return refusal(self.context, error, canvas, request)
        return None

    def _change(self, run: Run, values: dict[str, Any]) -> None:
        """Hand the run those of `values` that are live and new to it."""
        current = run.live.current
        changes = {n: v for n, v in values.items() if self._specs[n].live and getattr(current, n) != v}
        if changes:
            run.update(**changes)

    def _example(self, canvas: Any, event: gr.EventData, request: gr.Request) -> Any:
        prompt = str(event.prompt)
        self._obey("prompt", prompt, canvas, request)
        return prompt

    def _preset(self, preset: str, canvas: Any, request: gr.Request) -> list[Any]:
        """Defaults with the preset's changes; what a person wrote or uploaded, the task and the seed stay."""
        values = {**_defaults(self.engine.Settings), **self.engine.Settings.PRESETS.get(preset, {})}
        kept = {spec.name for spec in self.controls.specs if spec.kind in _OWN_KINDS or spec.name == "seed"}
        values = {name: value for name, value in values.items() if name not in kept}
        notice = gr.skip()
        try:
            if run_id := run_of(canvas):
                self._change(self.context.studio.get(run_id), values)
        except EngineError as error:
            notice = refusal(self.context, error, canvas, request)
        return [notice, *(values.get(spec.name, gr.skip()) for spec in self.controls.specs)]

    # ------------------------------------------------------------------ coming back to a run

    def _attach(self, browser: dict[str, Any], request: gr.Request) -> tuple[Any, ...]:
        """After a load: the run of before, as it is now."""
        browser = _checked(browser)
        try:
            return self._show(self._run(browser["run"] or ""), browser)
        except EngineError:
            nothing = [gr.skip() for _ in range(1 + len(self.controls.components))]
            return {"run": None}, {**browser, "run": None}, {"mine": browser["mine"]}, *nothing

    def _open(self, browser: dict[str, Any], event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        return self._to_run(lambda: self._run(str(event.run)), browser, request)

    def _resume(self, browser: dict[str, Any], event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        def resumed() -> Run:
            run = self._run(str(event.run))
            run.resume()
            return run

        return self._to_run(resumed, browser, request)

    def _branch(self, browser: dict[str, Any], event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        return self._to_run(lambda: self.context.studio.branch(str(event.run), int(event.step)), browser, request)

    def _to_run(self, find: Callable[[], Run], browser: dict[str, Any], request: gr.Request) -> tuple[Any, ...]:
        browser = _checked(browser)
        try:
            return self._show(find(), browser)
        except EngineError as error:
            nothing = [gr.skip() for _ in range(3 + len(self.controls.components))]
            return refusal(self.context, error, {"run": browser["run"]}, request), *nothing

    def _run(self, run_id: str) -> Run:
        """The run of that id, when it is one of this tab's method."""
        run = self.context.studio.get(run_id)
        if run.method != self.engine.name:
            raise EngineError("This drawing was made with '{method}'; open it on that tab.", method=run.method)
        return run

    def _show(self, run: Run, browser: dict[str, Any]) -> tuple[Any, ...]:
        browser = _remember(browser, run)
        shown = self.controls.shown(run.live.current)
        return showing(run), browser, {"mine": browser["mine"]}, run.models, *shown

    def _deleted(self, canvas: Any, browser: dict[str, Any], event: gr.EventData) -> tuple[Any, Any]:
        if run_of(canvas) != str(event.run):
            return gr.skip(), gr.skip()
        return {"run": None}, {**_checked(browser), "run": None}

    # ------------------------------------------------------------------ settings from elsewhere

    def _restore(self, canvas: Any, event: gr.EventData, request: gr.Request) -> list[Any]:
        """The settings that a run of the history ended with, into the controls."""
        try:
            run = self._run(str(event.run))
        except EngineError as error:
            nothing = [gr.skip() for _ in range(1 + len(self.controls.components))]
            return [refusal(self.context, error, canvas, request), *nothing]
        return [gr.skip(), run.models, *self.controls.shown(run.settings_at(run.step))]

    def _from_file(self, path: str, canvas: Any, request: gr.Request) -> list[Any]:
        """The settings that a PNG or SVG made here carries, into the controls.

        Anybody may have made the file. Names of files in it are not followed: such controls stay empty.
        """
        try:
            found = self.context.studio.embedded_settings(Path(path))
            if found["method"] != self.engine.name:
                raise EngineError("This file was made with {found}; open it on that tab.", found=shown(found["method"]))
            files = {spec.name: _CHOOSE_AGAIN for spec in self._specs.values() if spec.is_file}
            settings = self.engine.Settings.parse({**found["settings"], **files})
        except EngineError as error:
            nothing = [gr.skip() for _ in range(1 + len(self.controls.components))]
            return [refusal(self.context, error, canvas, request), *nothing]
        models = found["models"] if found.get("models") in FAMILIES else gr.skip()
        return [gr.skip(), models, *self.controls.shown(settings)]

    def _current_drawing(self, name: str) -> Callable[..., Any]:
        """Takes the picture or drawing on the canvas as the value of a control; the run obeys where it can."""
        kind = self._specs[name].kind

        def take(canvas: Any, request: gr.Request) -> tuple[Any, Any]:
            try:
                run_id = run_of(canvas)
                if run_id is None:
                    raise EngineError("There is no drawing on the canvas yet.")
                path = self.context.studio.get(run_id).export("svg" if kind == "svg" else "png", embed_settings=False)
            except EngineError as error:
                return gr.skip(), refusal(self.context, error, canvas, request)
            lent = str(intake.lend(path))
            return lent, self._obey(name, lent, canvas, request) or gr.skip()

        return take

    # ------------------------------------------------------------------ words

    def _translate(self, request: gr.Request) -> list[Any]:
        language = language_of(request)
        choices = [self.models.translated(language), self.presets.translated(language)]
        return [*choices, *self.controls.translated(language)]


# ---------------------------------------------------------------------------------------------- small things


def _done_events(component: Component) -> list[Any]:
    """The events by which a person has finished giving a value: words and numbers count when they are complete."""
    if isinstance(component, gr.Textbox | gr.Number):
        return [component.submit, component.blur]
    if isinstance(component, gr.Image | gr.File):
        return [component.upload, component.clear]
    return [component.input]


def _defaults(settings: type[EngineSettings]) -> dict[str, Any]:
    return {spec.name: spec.default for spec in settings.specs()}


def _checked(browser: Any) -> dict[str, Any]:
    """What the browser stored, which may be anything."""
    browser = browser if isinstance(browser, dict) else {}
    mine = browser.get("mine")
    mine = [run for run in mine if isinstance(run, str)][:_MOST_REMEMBERED] if isinstance(mine, list) else []
    return {"run": browser.get("run") if isinstance(browser.get("run"), str) else None, "mine": mine}


def _remember(browser: Any, run: Run) -> dict[str, Any]:
    mine = [run.id, *(known for known in _checked(browser)["mine"] if known != run.id)]
    return {"run": run.id, "mine": mine[:_MOST_REMEMBERED]}
