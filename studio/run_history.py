"""The part of a run that outlives the process.

The settings it started from and every change of them, from which any step can be computed again; losses, pictures and
saved states on the way.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from engines.settings import EngineSettings, LiveSettings
from studio.checkpoints import Checkpoints
from studio.inputs import absolute_inputs, check_inputs, copy_folder, relative_inputs
from studio.record import Changes, Record, RunState
from studio.timeline import LossHistory, Timeline

__all__ = ["RunHistory", "difference"]


class RunHistory:
    """Owned by one run and used under its lock.

    settings: those the run started from. changes: every change of a live setting that took effect, with the number of
    steps done before it did. plan: step → changes to make after it. `EngineError` when a setting is not valid any more.
    """

    def __init__(self, folder: Path, record: Record, settings_class: type[EngineSettings]):
        self.folder = folder
        self._record = record
        self.settings = settings_class.parse(self._absolute(settings_class, record.settings))
        self.changes: Changes = [(step, self._absolute(settings_class, change)) for step, change in record.changes]
        self._pending = self._absolute(settings_class, record.pending)
        self.plan = {step: self._absolute(settings_class, change) for step, change in record.plan}
        self.losses = LossHistory([_row(entry) for entry in record.steps])
        self.timeline = Timeline(folder / "timeline")
        self.checkpoints = Checkpoints(folder / "checkpoints")
        self.seconds = record.seconds
        self.models = record.models
        self.device = record.device

    def last_settings(self) -> LiveSettings:
        """The live settings at the time of the record, those that wait for the next step included."""
        live = LiveSettings(self.settings)
        for change in [*(change for _, change in self.changes), self._pending]:
            live.update(**change)
        return live

    def settings_at(self, step: int) -> EngineSettings:
        """The settings that made the picture after `step`."""
        settings = self.settings
        for when, change in self.changes:
            if when < step:
                settings = settings.replace(**change)
        return settings

    def check_inputs(self) -> None:
        """Raise `EngineError` when something that is not a file stands where an input was."""
        settings = self.settings
        check_inputs(settings)
        for _, change in self.changes:
            settings = settings.replace(**change)
            check_inputs(settings)

    def drop_after(self, step: int) -> None:
        """Remove changes, losses, pictures and states after `step`."""
        self.changes = [(when, change) for when, change in self.changes if when < step]
        self.losses.drop_after(step)
        self.timeline.drop_after(step)
        self.checkpoints.drop_after(step)

    def record(self, step: int, live: LiveSettings, **now: Any) -> Record:
        """The record after `step`. now: the fields of `Record` that only the run knows, such as its state."""
        return replace(
            self._record,
            step=step,
            changes=[(when, self._relative(change)) for when, change in self.changes],
            pending=self._relative(difference(self.settings_at(step + 1), live.current)),
            models=self.models,
            device=self.device,
            steps=[{"step": step, "seconds": seconds, **losses} for step, seconds, losses in self.losses.rows],
            seconds=self.seconds,
            **now,
        )

    def fork(self, step: int, record: Record, folder: Path) -> Record:
        """Copy into `folder` what a branch from `step` needs. Returns its record, still with the id of this run.

        record: the present record of this run.
        """
        copy_folder(self.folder / "inputs", folder / "inputs")
        self.checkpoints.copy_nearest(step, folder / "checkpoints")
        self.timeline.copy_until(step, folder / "timeline")
        steps = [row for row in record.steps if row["step"] <= step]
        return replace(
            record,
            parent={"id": record.id, "step": step},
            state=RunState.STOPPED,
            message="",
            step=step,
            changes=[(when, change) for when, change in record.changes if when < step],
            pending={},
            plan=[],
            steps=steps,
            seconds=sum(row["seconds"] for row in steps),
        )

    def _absolute(self, settings_class: type[EngineSettings], values: dict[str, Any]) -> dict[str, Any]:
        return absolute_inputs(settings_class, values, self.folder)

    def _relative(self, values: dict[str, Any]) -> dict[str, Any]:
        return relative_inputs(type(self.settings), values)


def difference(old: EngineSettings, new: EngineSettings) -> dict[str, Any]:
    """The settings that are not the same, with their new values."""
    return {name: value for name, value in new.model_dump().items() if value != getattr(old, name)}


def _row(entry: dict[str, Any]) -> tuple[int, float, dict[str, float]]:
    losses = {name: value for name, value in entry.items() if name not in ("step", "seconds")}
    return entry["step"], entry["seconds"], losses
