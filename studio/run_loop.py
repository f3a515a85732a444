"""The thread of a run: asks an engine for frame after frame and carries out commands between two steps.

`Run` leaves commands in `goal`, `singles`, `rewind_to` and `save_asked`, under the condition `changed`; the
thread looks at them between two steps (`_order`) and does one thing at a time. At the first start, a rewind, a resume
after `kill -9` and a branch it opens the engine in the same way (`_open`): load the nearest earlier checkpoint and
replay the recorded changes of settings.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path

from engines.engine import Engine, Frame
from engines.errors import EngineError
from engines.saved_files import decoded
from engines.settings import EngineSettings, LiveSettings
from studio import results
from studio.device_queue import DeviceQueue
from studio.executor import LocalExecutor
from studio.messages import FOLDER_IS_GONE, SaveNotices, failure_message
from studio.published import Published
from studio.record import Record, RunState, fields_of
from studio.run_history import RunHistory, difference

__all__ = ["Goal", "RunLoop"]

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 3.0  # a killed process loses at most this, its last step and one write
CHECKPOINT_SHARE = 0.1  # of the time, at most: very large states are written less often
TIMELAPSE_SHARE = 0.1  # the same for pictures of the time-lapse, which can take longer than a step


class Goal(Enum):
    """The state that the last command asks for."""

    RUN = auto()
    PAUSE = auto()
    STOP = auto()


_Order = Enum("_Order", ["OPEN", "ADVANCE", "QUEUE", "REST", "PAUSE", "STOP"])
"""The next action of the thread."""


class RunLoop:
    """The state of a run and the thread that changes it: one thread at most, none while the run is at rest."""

    def __init__(
        self,
        folder: Path,
        record: Record,
        engine: type[Engine],
        make_executor: Callable[[], LocalExecutor],
        queue: DeviceQueue,
        embeds_settings: Callable[[], bool],
    ):
        self.folder = folder
        self.method = record.method
        self.history = RunHistory(folder, record, engine.Settings)
        self.live: LiveSettings = self.history.last_settings()
        self.state = record.state
        self.step = record.step
        self.steps = record.total or getattr(self.history.settings, "num_steps", 0)  # a guess until there is a frame
        self.steps_per_second = 0.0
        self.latest = Published(
            results.saved_frame(folder, self.step, self.steps, record.background, record.notices), 1
        )

        self.changed = threading.Condition(threading.RLock())
        self.thread: threading.Thread | None = None
        self.goal = Goal.PAUSE
        self.singles = 0  # steps to make though paused
        self.rewind_to: int | None = None
        self.reopen = True  # the engine is not at the step of the run
        self.unsaved = False  # run.json is older than the settings
        self.save_asked = False  # an export waits for the state of the present step

        self._family = record.choice
        self._engine = engine
        self._make_executor = make_executor
        self._queue = queue
        self._embeds_settings = embeds_settings
        self._complaint = record.sentence
        self._notices = SaveNotices(folder)
        self._pace = 0.0  # seconds per step, smoothed
        self._unseen = False  # there is a command that the thread has not looked at
        self._obeyed: EngineSettings = self.history.settings  # the settings of the engine
        self._next_checkpoint = 0.0
        self._next_picture = 0.0
        self._checkpointed: int | None = None  # the newest step that is saved

    # ------------------------------------------------------------------------------------------ seen from outside

    @property
    def message(self) -> str:
        return self._complaint or self._notices.message

    def wake(self) -> None:
        """Called by the device queue when the device may be free."""
        with self.changed:
            self.changed.notify_all()

    def seconds_left(self) -> float | None:
        speed = self.steps_per_second or self._queue.speeds.get(self.method)
        return (self.steps - self.step) / speed if speed and self.steps else None

    def snapshot(self) -> results.RunSnapshot:
        """The run as it is now, for the functions that write files."""
        with self.changed:
            frame, recorded = self.latest.frame, self.history.timeline.steps()
            return results.RunSnapshot(
                folder=self.folder,
                method=self.method,
                models=self._family,
                engine=self._engine,
                step=self.step,
                frame=frame,
                timeline=recorded if frame is None or frame.step in recorded else [*recorded, frame.step],
                picture_at=self.picture_at,
                settings=self.history.settings,
                settings_at=self.history.settings_at,
                changes=list(self.history.changes),
                newest_state=self.history.checkpoints.newest,
            )

    def picture_at(self, step: int) -> bytes:
        """The picture after `step` as JPEG, or the last recorded one before it; `EngineError` for a damaged one."""
        latest = self.latest
        if latest.frame is not None and step >= latest.frame.step:
            return latest.jpeg
        jpeg = self.history.timeline.picture_at(step)
        decoded(jpeg)  # raises for a damaged one
        return jpeg

    def is_busy(self) -> bool:
        """Whether the run is at work or a command waits to be carried out."""
        return not self.state.at_rest or self._unseen

    def command(self, goal: Goal) -> None:
        """Set the goal and make sure that a thread works towards it."""
        self.goal = goal
        self._unseen = True
        if self.thread is None:
            if self.state.at_rest:
                self._set_state(RunState.QUEUED)
            self._queue.join(self)  # in the order of the commands, which that of the threads need not be
            name = f"run {self.folder.name}"
            self.thread = threading.Thread(target=self._work, name=name, daemon=True)
            self.thread.start()
        self.changed.notify_all()

    # ------------------------------------------------------------------------------------------ the thread

    def _work(self) -> None:
        while True:
            executor = self._make_executor()
            try:
                state, message = self._drive(executor), ""
                self._save(executor)
            except EngineError as error:
                state, message = RunState.FAILED, error.sentence
            except Exception as error:
                log.exception("run %s failed after step %d", self.folder.name, self.step)
                state, message = RunState.FAILED, failure_message(error)
            self._keep_only_the_picture()
            executor.close()
            self._queue.leave(self)
            self._come_to_rest(state, message)
            with self.changed:
                if not self._unseen:
                    self.thread = None
                    self.changed.notify_all()
                    return

    def _drive(self, executor: LocalExecutor) -> RunState:
        """Carry out orders until the run stops or finishes."""
        self.reopen = True
        while True:
            with self.changed:
                order = self._order()
                self._unseen = False
            if order is _Order.STOP:
                return RunState.STOPPED
            elif order is _Order.PAUSE:
                self._save(executor)
                self._hold(executor, order, RunState.PAUSED)
            elif order is _Order.REST:
                self.unsaved = True
                self._hold(executor, order, RunState.RESTING)
            elif order is _Order.QUEUE:
                self._queue_up(executor)
            elif order is _Order.OPEN:
                self._open(executor)
            elif not self._advance(executor):
                return RunState.FINISHED

    def _order(self) -> _Order:
        if self.goal is Goal.STOP:
            return _Order.STOP
        if self.goal is Goal.PAUSE and self.singles == 0 and self.rewind_to is None:
            return _Order.PAUSE
        if self._is_settled():
            return _Order.REST
        if not self._queue.has(self):
            return _Order.QUEUE
        return _Order.OPEN if self.reopen else _Order.ADVANCE

    def _is_settled(self) -> bool:
        """Whether the newest frame says that only a change of settings brings another, and there was none since."""
        frame = self.latest.frame
        if self.reopen or self.singles or frame is None:
            return False
        return frame.is_resting and self.live.current == self._obeyed

    def _hold(self, executor: LocalExecutor, order: _Order, state: RunState) -> None:
        """The device is given back until there is another order."""
        self._queue.leave(self)
        with self.changed:
            self._set_state(state)
            while self._order() is order:
                if self.save_asked:
                    self._save(executor)
                # While a slider is dragged nothing is written; it is saved when the hand rests.
                disturbed = self.changed.wait(timeout=1.0 if self.unsaved else None)
                if self.unsaved and not disturbed:
                    self._save(executor)

    def _queue_up(self, executor: LocalExecutor) -> None:
        self._queue.join(self)
        with self.changed:
            while self._order() is _Order.QUEUE:
                self._set_state(RunState.QUEUED)
                if self.save_asked:
                    self._save(executor)
                self.changed.wait()

    def _open(self, executor: LocalExecutor) -> None:
        """Bring the engine to the step of the run, or to the step to rewind to."""
        with self.changed:
            self._set_state(RunState.RUNNING)
            asked, shown = self.rewind_to, self.latest.frame
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
        with self.changed:
            self.history.drop_after(target)
            results.forget(self.folder)
            self.reopen = self.rewind_to != asked  # somebody may have changed their mind meanwhile
            if not self.reopen:
                self.rewind_to = None
        self._publish(frame)

    def _replayed(self, executor: LocalExecutor, target: int) -> Frame | None:
        """The frame of step `target`, made again from the checkpoint before it. None when the run is to stop."""
        self.history.check_inputs()
        start, state = self.history.checkpoints.nearest(target) or (0, None)
        self._checkpointed = start if state is not None else None
        self._obeyed = self.history.settings_at(start)
        changes = {when: change for when, change in self.history.changes if when < target}
        executor.open(self._obeyed, state)
        frame = executor.next({})
        while frame is not None and frame.step < target:
            if self.goal is Goal.STOP:
                return None
            change = changes.get(frame.step, {})
            self._obeyed = self._obeyed.replace(**change)
            frame = executor.next(change)
        if frame is None:
            raise EngineError(
                "The saved steps of this run end before step {target}; go back to an earlier step.", target=target
            )
        return frame

    def _advance(self, executor: LocalExecutor) -> bool:
        """One step with the settings of this moment. False when the method is done."""
        began = time.monotonic()
        with self.changed:
            self._set_state(RunState.RUNNING)
            wanted = self.live.current
            change = difference(self._obeyed, wanted)
            if change:
                self.history.changes.append((self.step, change))
            self._obeyed = wanted
        frame = executor.next(change)
        if frame is None:
            return False
        with self.changed:
            self.singles = max(0, self.singles - 1)
        self.history.losses.record(frame.step, time.monotonic() - began, frame.losses)
        self._publish(frame)
        if self.save_asked or time.monotonic() >= self._next_checkpoint:
            self._save(executor)
        self._measure(time.monotonic() - began)
        return True

    def _keep_only_the_picture(self) -> None:
        """Render the newest frame, so that it holds no reference to the engine."""
        frame = self.latest.frame
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
        with self.changed:
            self.latest = Published(frame, self.latest.version)

    def _come_to_rest(self, state: RunState, message: str) -> None:
        """Write the final files and set the state in which the run ends."""
        stands = not self.reopen and self.latest.frame is not None  # the newest frame is that of the newest step
        if stands:
            self._notices.save("time-lapse", lambda: self.history.timeline.record(self.step, self.latest.jpeg))
            self._notices.save("final picture", lambda: results.write_final(self.snapshot(), self._embeds_settings()))
        with self.changed:
            self.singles = 0
            self._set_state(state, message)
            self.write_record()
        if stands and state is RunState.FINISHED:
            self._notices.save(
                "video", lambda: results.write_timelapse(self.snapshot(), abandoned=lambda: self._unseen)
            )

    # ------------------------------------------------------------------------------------------ publishing

    def _set_state(self, state: RunState, message: str = "") -> None:
        with self.changed:
            if (self.state, self._complaint) != (state, message):
                self.state, self._complaint = state, message
                self._show(self.latest.frame)

    def _show(self, frame: Frame | None) -> None:
        with self.changed:
            self.latest = Published(frame, self.latest.version + 1)
            self.changed.notify_all()

    def _publish(self, frame: Frame) -> None:
        with self.changed:
            self.step, self.steps = frame.step, frame.steps
            self.live.update(**self.history.plan.get(frame.step, {}))
            self._show(frame)
        began = time.monotonic()
        if self.history.timeline.wants(frame.step, frame.steps) and began >= self._next_picture:
            self._notices.save("time-lapse", lambda: self.history.timeline.record(frame.step, self.latest.jpeg))
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
        self.write_record()
        if not self.reopen and self._checkpointed != self.step:
            began = time.monotonic()
            state = executor.state_dict()
            self._notices.save("checkpoint", lambda: self.history.checkpoints.save(self.step, state))
            now = time.monotonic()
            self._checkpointed = self.step
            self._next_checkpoint = now + max(CHECKPOINT_SECONDS, (now - began) / CHECKPOINT_SHARE)
        with self.changed:
            self.save_asked = False
            self.changed.notify_all()

    def write_record(self) -> None:
        self.unsaved = False
        self._notices.save("record of the run", lambda: self.record().write(self.folder))

    def record(self) -> Record:
        with self.changed:
            shown = fields_of(self.message, self.latest.frame)
            return self.history.record(self.step, self.live, state=self.state, total=self.steps, **shown)
