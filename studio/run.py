"""One run: a thread that asks an engine for frame after frame, and everything a person can do to it meanwhile.

The thread never holds more than the newest frame. Commands (`pause`, `rewind`, …) only leave a wish; the thread
looks at the wishes between two steps (`_order`) and does one thing at a time. Wherever it takes a run up (the first
start, a rewind, a resume after `kill -9`, a branch) it does the same (`_open`): take the nearest earlier checkpoint,
replay the recorded changes of settings, and it stands exactly where the run stood.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

from engines.base import Engine, EngineError, EngineSettings, Frame, LiveSettings
from engines.saved_files import decoded
from studio import results
from studio.device_queue import DeviceQueue
from studio.executor import LocalExecutor
from studio.inputs import copy_inputs
from studio.published import Published
from studio.record import Changes, Record, RunState
from studio.run_history import RunHistory, difference

__all__ = ["Run"]

log = logging.getLogger(__name__)

FOLDER_IS_GONE = "The folder of this run was deleted while it was in use; start the run again."

CHECKPOINT_SECONDS = 3.0
"""A killed process loses at most this, the step it was in, and the time of one write."""
CHECKPOINT_SHARE = 0.1
"""Checkpoints take at most this share of the time: very large states are written less often."""
SAVE_PATIENCE = 30.0
"""Seconds that an export waits for the step that is being made."""
TIMELAPSE_SHARE = 0.1
"""The same for the pictures of the time-lapse: to draw one can take longer than to make the step."""


class _Goal(Enum):
    """What a person wants."""

    RUN = auto()
    PAUSE = auto()
    STOP = auto()


class _Order(Enum):
    """What the thread is to do next."""

    OPEN = auto()
    ADVANCE = auto()
    QUEUE = auto()
    REST = auto()
    PAUSE = auto()
    STOP = auto()


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
        self.embeds_settings = embeds_settings
        """Whether files that are made of this run carry its settings, unless somebody says so."""

        self.engine = engine
        self.history = RunHistory(folder, record, engine.Settings)
        self.live: LiveSettings = self.history.last_settings()
        self.state = record.state
        self._complaint = record.message
        self._notices: dict[str, str] = {}  # what cannot be saved just now → what a person can do
        self.step = record.step
        self.steps = record.total or getattr(self.settings, "num_steps", 0)  # a guess until there is a frame
        self.steps_per_second = 0.0
        self._pace = 0.0  # seconds per step, smoothed
        self._latest = Published(results.saved_frame(folder, self.step, self.steps, record.background), 1)

        self._make_executor = make_executor
        self._queue = queue
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._goal = _Goal.PAUSE
        self._singles = 0  # steps to make though paused
        self._rewind_to: int | None = None
        self._reopen = True  # the engine does not stand where the run stands
        self._unseen = False  # a command came that the thread has not looked at
        self._obeyed = self.settings  # what the engine works with
        self._unsaved = False  # run.json is older than the settings
        self._next_checkpoint = 0.0
        self._next_picture = 0.0
        self._checkpointed: int | None = None  # the newest step that is saved
        self._save_asked = False  # somebody waits for the state of now

    # ------------------------------------------------------------------------------------------ looking

    @property
    def settings(self) -> EngineSettings:
        """What the run started from."""
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
        return self._latest

    @property
    def message(self) -> str:
        """Why the run failed, or what a person should know meanwhile; mostly empty."""
        return self._complaint or next(iter(self._notices.values()), "")

    def wait(self, version: int, timeout: float | None = None) -> Published:
        """Block until there is something newer than `version`, a frame or a state, or `timeout` seconds went by."""
        with self._changed:
            self._changed.wait_for(lambda: self._latest.version > version, timeout)
            return self._latest

    def join(self, timeout: float | None = None) -> bool:
        """Block until the run is at rest and its files are written; False when `timeout` seconds were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None, timeout)

    @property
    def queue_position(self) -> int:
        """How many runs are before this one; 0 when it has the device or does not want it."""
        return self._queue.position(self)

    @property
    def estimate_seconds(self) -> float | None:
        """Until it starts for a queued run, until it is done for a running one; None when that cannot be told."""
        return self._queue.estimate(self) if self.state is RunState.QUEUED else self.seconds_left()

    def seconds_left(self) -> float | None:
        speed = self.steps_per_second or self._queue.speeds.get(self.method)
        return (self.steps - self.step) / speed if speed and self.steps else None

    @property
    def losses(self) -> list[tuple[int, dict[str, float]]]:
        return [(step, losses) for step, _, losses in self.history.losses.rows]

    @property
    def timeline(self) -> list[int]:
        """The steps that `picture_at` can show, in order."""
        recorded = self.history.timeline.steps()
        frame = self._latest.frame
        return recorded if frame is None or frame.step in recorded else [*recorded, frame.step]

    def picture_at(self, step: int) -> bytes:
        """The picture after `step` as JPEG; where it was not recorded, the last recorded before it."""
        latest = self._latest
        if latest.frame is not None and step >= latest.frame.step:
            return latest.jpeg
        jpeg = self.history.timeline.picture_at(step)
        decoded(jpeg)  # a damaged one is refused
        return jpeg

    def moment(self, step: int, **changes: Any) -> LiveSettings:
        """The live settings after `step` with some changed; `EngineError` when a step, a name or a value is refused."""
        if not 0 <= step <= self.step:
            raise EngineError(f"This run has the steps 0 to {self.step}, but not step {step}.")
        live = LiveSettings(self.settings_at(step))
        live.update(**changes)
        return live

    # ------------------------------------------------------------------------------------------ commands

    def resume(self) -> None:
        """Go on: after a pause, a stop, a failure, a kill; a finished run only when its settings were changed since."""
        with self._changed:
            if self._goal is _Goal.RUN and self._busy():
                return
            if self.state is RunState.FINISHED and self.live.current == self.settings_at(self.step + 1):
                raise EngineError("This run is finished; go back to an earlier step, or start another one.")
            self._command(_Goal.RUN)

    def pause(self) -> None:
        """Hold after the current step and give the device to the next in line."""
        with self._changed:
            if self._goal is _Goal.RUN and self._busy():
                self._command(_Goal.PAUSE)

    def step_once(self) -> None:
        """Make one step, then hold."""
        with self._changed:
            self._singles += 1
            self._command(_Goal.PAUSE)

    def stop(self) -> None:
        """End after the current step; everything is saved and `resume` can take it up again."""
        with self._changed:
            if self._busy():
                self._command(_Goal.STOP)

    def rewind(self, step: int) -> None:
        """Go back to the moment after `step`: picture, settings and all. What came after it is forgotten.

        A running run goes on from there; any other is paused there.
        """
        with self._changed:
            moment = self.moment(step)
            if step == self.step and self._rewind_to is None:
                return
            self.live.update(**_live_values(moment.current))
            self._rewind_to = step
            self._reopen = True
            self._singles = 0
            self._command(_Goal.RUN if self._goal is _Goal.RUN and self._busy() else _Goal.PAUSE)

    def update(self, **changes: Any) -> None:
        """Change live settings; the next step obeys. `EngineError` when a value or a setting is refused."""
        self.live.update(**copy_inputs(type(self.settings), changes, self.folder))
        with self._changed:
            self._unsaved = True
            if self._thread is None:
                self._write_record()
            self._changed.notify_all()

    def export(self, kind: str, embed_settings: bool | None = None) -> Path:
        """A finished file, of one of `results.KINDS`, inside the run's folder; `EngineError` when it cannot be made."""
        return results.export(self, kind, self.embeds_settings() if embed_settings is None else embed_settings)

    def saved_state(self) -> Path | None:
        """The checkpoint of the step where the run stands; one at work saves it after the step it is making.

        After `SAVE_PATIENCE` seconds, or when saving failed, the newest one that there is.
        """
        with self._changed:
            self._save_asked = self._thread is not None
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._save_asked or self._thread is None, SAVE_PATIENCE)
        return self.history.checkpoints.newest()

    def fork(self, step: int, folder: Path) -> Record:
        """Put into `folder` what a run needs to start from `step` of this one; its record, but for an id of its own."""
        with self._changed:
            return self.history.fork(step, self._record(), folder)

    def wake(self) -> None:
        """The device queue calls this when the device may be free."""
        with self._changed:
            self._changed.notify_all()

    def _busy(self) -> bool:
        return not self.state.at_rest or self._unseen

    def _command(self, goal: _Goal) -> None:
        self._goal = goal
        self._unseen = True
        if self._thread is None:
            if self.state.at_rest:
                self._set_state(RunState.QUEUED)
            self._queue.join(self)  # in the order of the commands, which that of the threads need not be
            name = f"run {self.method} {self.folder.name}"
            self._thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._thread.start()
        self._changed.notify_all()

    # ------------------------------------------------------------------------------------------ the thread

    def _work(self) -> None:
        while True:
            executor = self._make_executor()
            try:
                state, message = self._drive(executor), ""
                self._save(executor)
            except EngineError as error:
                state, message = RunState.FAILED, str(error)
            except Exception as error:
                log.exception("run %s failed after step %d", self.folder.name, self.step)
                state, message = RunState.FAILED, _sentence(error)
            self._keep_only_the_picture()
            executor.close()
            self._queue.leave(self)
            self._come_to_rest(state, message)
            with self._changed:
                if not self._unseen:
                    self._thread = None
                    self._changed.notify_all()
                    return

    def _drive(self, executor: LocalExecutor) -> RunState:
        """Do what is asked until the run stops or finishes."""
        self._reopen = True
        while True:
            with self._changed:
                order = self._order()
                self._unseen = False
            if order is _Order.STOP:
                return RunState.STOPPED
            elif order is _Order.PAUSE:
                self._save(executor)
                self._hold(executor, order, RunState.PAUSED)
            elif order is _Order.REST:
                self._unsaved = True
                self._hold(executor, order, RunState.RESTING)
            elif order is _Order.QUEUE:
                self._queue_up(executor)
            elif order is _Order.OPEN:
                self._open(executor)
            elif not self._advance(executor):
                return RunState.FINISHED

    def _order(self) -> _Order:
        if self._goal is _Goal.STOP:
            return _Order.STOP
        if self._goal is _Goal.PAUSE and self._singles == 0 and self._rewind_to is None:
            return _Order.PAUSE
        if self._is_settled():
            return _Order.REST
        if not self._queue.has(self):
            return _Order.QUEUE
        return _Order.OPEN if self._reopen else _Order.ADVANCE

    def _is_settled(self) -> bool:
        """Whether the newest frame says that only a change of settings brings another, and there was none since."""
        frame = self._latest.frame
        if self._reopen or self._singles or frame is None:
            return False
        return frame.is_resting and self.live.current == self._obeyed

    def _hold(self, executor: LocalExecutor, order: _Order, state: RunState) -> None:
        """The device is given back until there is another order."""
        self._queue.leave(self)
        with self._changed:
            self._set_state(state)
            while self._order() is order:
                if self._save_asked:
                    self._save(executor)
                # While a slider is dragged nothing is written; it is saved when the hand rests.
                disturbed = self._changed.wait(timeout=1.0 if self._unsaved else None)
                if self._unsaved and not disturbed:
                    self._save(executor)

    def _queue_up(self, executor: LocalExecutor) -> None:
        self._queue.join(self)
        with self._changed:
            while self._order() is _Order.QUEUE:
                self._set_state(RunState.QUEUED)
                if self._save_asked:
                    self._save(executor)
                self._changed.wait()

    def _open(self, executor: LocalExecutor) -> None:
        """Bring the engine to exactly where the run stands, or to where it shall go back to."""
        with self._changed:
            self._set_state(RunState.RUNNING)
            asked, shown = self._rewind_to, self._latest.frame
            target = self.step if asked is None else asked
            if target < self.step:  # what was recorded of it is seen at once, the real thing when it is made again
                self._show(results.recorded_frame(self.folder, target, self.steps))
        frame = None
        try:
            frame = self._replayed(executor, target)
        finally:
            if frame is None:  # failed, or stopped meanwhile: the run is where it was
                self._show(shown)
        if frame is None:
            return
        self.history.models, self.history.device = executor.used_models(), executor.device()
        self._next_checkpoint = time.monotonic() + CHECKPOINT_SECONDS
        with self._changed:
            self.history.drop_after(target)
            results.forget(self.folder)
            self._reopen = self._rewind_to != asked  # somebody may have changed their mind meanwhile
            if not self._reopen:
                self._rewind_to = None
        self._publish(frame)

    def _replayed(self, executor: LocalExecutor, target: int) -> Frame | None:
        """The frame of step `target`, made again from the checkpoint before it. None when the run is to stop."""
        self.history.check_inputs()
        start, state = self.history.checkpoints.nearest(target) or (0, None)
        self._checkpointed = start if state is not None else None
        self._obeyed = self.settings_at(start)
        changes = {when: change for when, change in self.changes if when < target}
        executor.open(self._obeyed, state)
        frame = executor.next({})
        while frame is not None and frame.step < target:
            if self._goal is _Goal.STOP:
                return None
            change = changes.get(frame.step, {})
            self._obeyed = self._obeyed.replace(**change)
            frame = executor.next(change)
        if frame is None:
            raise EngineError(f"The saved steps of this run end before step {target}; go back to an earlier step.")
        return frame

    def _advance(self, executor: LocalExecutor) -> bool:
        """One step with the settings of this moment. False when the method is done."""
        began = time.monotonic()
        with self._changed:
            self._set_state(RunState.RUNNING)
            wanted = self.live.current
            change = difference(self._obeyed, wanted)
            if change:
                self.changes.append((self.step, change))
            self._obeyed = wanted
        frame = executor.next(change)
        if frame is None:
            return False
        with self._changed:
            self._singles = max(0, self._singles - 1)
        self.history.losses.record(frame.step, time.monotonic() - began, frame.losses)
        self._publish(frame)
        if self._save_asked or time.monotonic() >= self._next_checkpoint:
            self._save(executor)
        self._measure(time.monotonic() - began)
        return True

    def _keep_only_the_picture(self) -> None:
        """Let the newest frame no longer hold on to the engine that would have to draw it."""
        frame = self._latest.frame
        if frame is None:
            return
        try:
            image = frame.image
        except Exception:
            log.exception("%s: the last picture could not be drawn", self.folder.name)
            frame = results.recorded_frame(self.folder, self.step, self.steps)
        else:
            scene = None if frame.scene is None else frame.scene.detach().to("cpu")
            frame = replace(frame, render=lambda: image, scene=scene)
        with self._changed:
            self._latest = Published(frame, self._latest.version)

    def _come_to_rest(self, state: RunState, message: str) -> None:
        """Leave the files of the run as a person wants to find them."""
        stands = not self._reopen and self._latest.frame is not None  # the newest frame is that of the newest step
        if stands:
            self._try_to_save("time-lapse", lambda: self.history.timeline.record(self.step, self._latest.jpeg))
            self._try_to_save("final picture", lambda: results.write_final(self))
        with self._changed:
            self._singles = 0
            self._set_state(state, message)
            self._write_record()
        if stands and state is RunState.FINISHED:
            self._try_to_save("video", lambda: results.write_timelapse(self, abandoned=lambda: self._unseen))

    # ------------------------------------------------------------------------------------------ publishing

    def _set_state(self, state: RunState, message: str = "") -> None:
        with self._changed:
            if (self.state, self._complaint) != (state, message):
                self.state, self._complaint = state, message
                self._show(self._latest.frame)

    def _show(self, frame: Frame | None) -> None:
        with self._changed:
            self._latest = Published(frame, self._latest.version + 1)
            self._changed.notify_all()

    def _publish(self, frame: Frame) -> None:
        with self._changed:
            self.step, self.steps = frame.step, frame.steps
            self.live.update(**self.history.plan.get(frame.step, {}))
            self._show(frame)
        began = time.monotonic()
        if self.history.timeline.wants(frame.step, frame.steps) and began >= self._next_picture:
            self._try_to_save("time-lapse", lambda: self.history.timeline.record(frame.step, self._latest.jpeg))
            now = time.monotonic()
            self._next_picture = now + (now - began) / TIMELAPSE_SHARE

    def _measure(self, seconds: float) -> None:
        self.history.seconds += seconds
        self._pace = 0.85 * self._pace + 0.15 * seconds if self._pace else seconds
        self.steps_per_second = 1 / max(self._pace, 1e-6)
        self._queue.speeds[self.method] = self.steps_per_second

    # ------------------------------------------------------------------------------------------ saving

    def _save(self, executor: LocalExecutor) -> None:
        """A checkpoint of where the engine stands. The record first: a checkpoint needs the changes that led to it."""
        if not self.folder.is_dir():
            raise EngineError(FOLDER_IS_GONE)
        self._write_record()
        if not self._reopen and self._checkpointed != self.step:
            began = time.monotonic()
            state = executor.state_dict()
            self._try_to_save("checkpoint", lambda: self.history.checkpoints.save(self.step, state))
            now = time.monotonic()
            self._checkpointed = self.step
            self._next_checkpoint = now + max(CHECKPOINT_SECONDS, (now - began) / CHECKPOINT_SHARE)
        with self._changed:
            self._save_asked = False
            self._changed.notify_all()

    def _write_record(self) -> None:
        self._unsaved = False
        self._try_to_save("record of the run", lambda: self._record().write(self.folder))

    def _record(self) -> Record:
        with self._changed:
            frame = self._latest.frame
            background = list(frame.background) if frame is not None and frame.background else None
            now = {"state": self.state, "message": self.message, "total": self.steps, "background": background}
            return self.history.record(self.step, self.live, **now)

    def _try_to_save(self, what: str, save: Callable[[], None]) -> None:
        """Call `save`. A full disk or a picture that cannot be written is told, and does not end the run."""
        try:
            save()
            self._notices.pop(what, None)
        except Exception as error:
            if not self.folder.is_dir():
                self._notices[what] = FOLDER_IS_GONE
                return
            if what not in self._notices:  # not at every step again
                log.exception("%s: %s could not be saved", self.folder.name, what)
            reason = getattr(error, "strerror", None) or type(error).__name__
            self._notices[what] = f"The {what} could not be saved ({reason}); make room on the disk, or see the log."


def _live_values(settings: EngineSettings) -> dict[str, Any]:
    return {spec.name: getattr(settings, spec.name) for spec in settings.specs() if spec.live}


def _sentence(error: Exception) -> str:
    """What a person can do about an error that nobody foresaw."""
    out_of_memory = type(error).__name__ in ("OutOfMemoryError", "MemoryError") or "allocate memory" in str(error)
    if out_of_memory:
        return "The device ran out of memory; choose a smaller canvas, fewer strokes or fewer augmented copies."
    return "Something went wrong inside the method; the last picture is kept. Resume to try again, or see the log."
