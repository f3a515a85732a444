"""One run: everything that can be seen of it, and the commands that a person has for it.

The work is done by `RunLoop` in a thread of its own; a command only says what is wanted and returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from engines.engine import Engine
from engines.errors import EngineError
from engines.settings import EngineSettings, LiveSettings
from studio import results
from studio.device_queue import DeviceQueue
from studio.executor import LocalExecutor
from studio.inputs import copy_inputs
from studio.published import Published
from studio.record import Changes, Record, RunState
from studio.run_history import RunHistory
from studio.run_loop import Goal, RunLoop

__all__ = ["Run"]

SAVE_PATIENCE = 30.0
"""Seconds that an export waits for the step that is being made."""


class Run:
    """One run of one method; made by `Studio`. Thread-safe; every command returns at once."""

    def __init__(
        self,
        folder: Path,
        record: Record,
        engine: type[Engine],
        make_executor: Callable[[], LocalExecutor],
        queue: DeviceQueue,
        embeds_settings: Callable[[], bool],
    ):
        self.id = record.id
        self.method = record.method
        self.title = record.title
        self.models = record.choice
        self.parent = record.parent
        self.folder = folder
        self.engine = engine
        self.embeds_settings = embeds_settings
        """Whether exported files carry the settings of this run unless `export` says otherwise."""
        self._queue = queue
        self._loop = RunLoop(folder, record, engine, make_executor, queue, embeds_settings)

    # ------------------------------------------------------------------------------------------ looking

    @property
    def history(self) -> RunHistory:
        return self._loop.history

    @property
    def live(self) -> LiveSettings:
        """The live settings, those that wait for the next step included."""
        return self._loop.live

    @property
    def state(self) -> RunState:
        return self._loop.state

    @property
    def step(self) -> int:
        """Steps done so far."""
        return self._loop.step

    @property
    def steps(self) -> int:
        """Steps that the run will have."""
        return self._loop.steps

    @property
    def steps_per_second(self) -> float:
        """Smoothed; 0 before the first step."""
        return self._loop.steps_per_second

    @property
    def settings(self) -> EngineSettings:
        """The settings that the run started from."""
        return self.history.settings

    @property
    def changes(self) -> Changes:
        """Every change of a live setting that took effect, with the number of steps done before it did."""
        return self.history.changes

    def settings_at(self, step: int) -> EngineSettings:
        """The settings that made the picture after `step`."""
        return self.history.settings_at(step)

    @property
    def latest(self) -> Published:
        """The newest frame and its version."""
        return self._loop.latest

    @property
    def message(self) -> str:
        """Why the run failed, or a notice; mostly empty."""
        return self._loop.message

    def wait(self, version: int, timeout: float | None = None) -> Published:
        """Block until there is a frame or a state newer than `version`, or `timeout` seconds have passed."""
        with self._loop.changed:
            self._loop.changed.wait_for(lambda: self._loop.latest.version > version, timeout)
            return self._loop.latest

    def join(self, timeout: float | None = None) -> bool:
        """Block until the run is at rest and its files are written; False when `timeout` seconds were not enough."""
        with self._loop.changed:
            return self._loop.changed.wait_for(lambda: self._loop.thread is None, timeout)

    @property
    def queue_position(self) -> int:
        """Number of runs before this one; 0 when it has the device or does not wait for it."""
        return self._queue.position(self._loop)

    @property
    def estimate_seconds(self) -> float | None:
        """Seconds until a queued run starts or a running one is done; None when that is not known."""
        return self._queue.estimate(self._loop) if self.state is RunState.QUEUED else self._loop.seconds_left()

    @property
    def losses(self) -> list[tuple[int, dict[str, float]]]:
        return [(step, losses) for step, _, losses in self.history.losses.rows]

    @property
    def timeline(self) -> list[int]:
        """The steps that `picture_at` can show, ascending."""
        return self._loop.snapshot().timeline

    def picture_at(self, step: int) -> bytes:
        """The picture after `step` as JPEG, or the last recorded one before it; `EngineError` for a damaged one."""
        return self._loop.picture_at(step)

    def moment(self, step: int, **changes: Any) -> LiveSettings:
        """The live settings after `step` with some changed; `EngineError` when a step, a name or a value is refused."""
        if not 0 <= step <= self.step:
            raise EngineError("This run has the steps 0 to {step}, but not step {step_2}.", step=self.step, step_2=step)
        live = LiveSettings(self.settings_at(step))
        live.update(**changes)
        return live

    # ------------------------------------------------------------------------------------------ commands

    def resume(self) -> None:
        """Go on: after a pause, a stop, a failure, a kill; a finished run only when its settings were changed since."""
        loop = self._loop
        with loop.changed:
            if loop.goal is Goal.RUN and loop.is_busy():
                return
            if self.state is RunState.FINISHED and self.live.current == self.settings_at(self.step + 1):
                raise EngineError("This run is finished; go back to an earlier step, or start another one.")
            loop.command(Goal.RUN)

    def pause(self) -> None:
        """Hold after the current step and give the device to the next in line."""
        loop = self._loop
        with loop.changed:
            if loop.goal is Goal.RUN and loop.is_busy():
                loop.command(Goal.PAUSE)

    def step_once(self) -> None:
        """Make one step, then hold."""
        loop = self._loop
        with loop.changed:
            loop.singles += 1
            loop.command(Goal.PAUSE)

    def stop(self) -> None:
        """End after the current step; everything is saved and `resume` can take it up again."""
        loop = self._loop
        with loop.changed:
            if loop.is_busy():
                loop.command(Goal.STOP)

    def rewind(self, step: int) -> None:
        """Go back to the moment after `step`: picture, settings and all. What came after it is forgotten.

        A running run goes on from there; any other is paused there.
        """
        loop = self._loop
        with loop.changed:
            moment = self.moment(step)
            if step == self.step and loop.rewind_to is None:
                return
            self.live.update(**_live_values(moment.current))
            loop.rewind_to = step
            loop.reopen = True
            loop.singles = 0
            loop.command(Goal.RUN if loop.goal is Goal.RUN and loop.is_busy() else Goal.PAUSE)

    def update(self, **changes: Any) -> None:
        """Change live settings; the next step obeys. `EngineError` when a value or a setting is refused."""
        loop = self._loop
        self.live.update(**copy_inputs(type(self.settings), changes, self.folder))
        with loop.changed:
            loop.unsaved = True
            if loop.thread is None:
                loop.write_record()
            loop.changed.notify_all()

    def export(self, kind: str, embed_settings: bool | None = None) -> Path:
        """A finished file, of one of `results.KINDS`, inside the run's folder; `EngineError` when it cannot be made."""
        snapshot = replace(self._loop.snapshot(), newest_state=self.saved_state)
        return results.export(snapshot, kind, self.embeds_settings() if embed_settings is None else embed_settings)

    def saved_state(self) -> Path | None:
        """The checkpoint of the step where the run stands; one at work saves it after the step it is making.

        After `SAVE_PATIENCE` seconds, or when saving failed, the newest one that there is.
        """
        loop = self._loop
        with loop.changed:
            loop.save_asked = loop.thread is not None
            loop.changed.notify_all()
            loop.changed.wait_for(lambda: not loop.save_asked or loop.thread is None, SAVE_PATIENCE)
        return self.history.checkpoints.newest()

    def fork(self, step: int, folder: Path) -> Record:
        """Put into `folder` what a run needs to start from `step` of this one; its record, but for an id of its own."""
        loop = self._loop
        with loop.changed:
            return self.history.fork(step, loop.record(), folder)


def _live_values(settings: EngineSettings) -> dict[str, Any]:
    return {spec.name: getattr(settings, spec.name) for spec in settings.specs() if spec.live}
