"""The studio: starts runs, finds them again, and keeps the folder in which they live."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from engines import ENGINES
from engines.engine import Engine
from engines.errors import EngineError, Sentence
from engines.export import read_embedded
from engines.settings import EngineSettings, LiveSettings
from studio.device_queue import DeviceQueue
from studio.executor import LocalExecutor
from studio.inputs import copy_inputs, relative_inputs
from studio.outputs_lock import OutputsLock
from studio.record import Record, RunState, create_folder, title_of, write_settings
from studio.run import Run
from studio.saved_runs import DamagedRun, SavedRuns, thumbnail_of

__all__ = ["HistoryEntry", "Studio"]

log = logging.getLogger(__name__)

MAX_ACTIVE = 32
"""Runs that are queued, running or paused."""
MAX_AT_REST = 32
"""Runs at rest that stay in memory; the others are read from the disk when somebody asks for them."""


@dataclass(frozen=True)
class HistoryEntry:
    """One line of the history. thumbnail: a PNG or JPEG, or None.

    problem: why the run cannot be opened, one sentence; empty for a run that is not damaged.
    """

    id: str
    method: str
    title: str
    folder: Path
    state: RunState
    step: int
    steps: int
    created: datetime
    thumbnail: Path | None
    problem: str = ""


class Studio:
    """All runs of one folder `outputs`, on one device ("auto", "cpu", "cuda").

    Holds a lock on the folder until `shutdown`. `EngineError` when the folder cannot be written or another studio
    holds the lock.

    engines: method → engine class. open_models(family, device): what the engines get their models from.
    embed_settings: whether exported pictures carry the settings that they were made with.
    """

    def __init__(
        self,
        outputs: Path,
        device: str = "auto",
        *,
        engines: Mapping[str, type[Engine]] = ENGINES,
        open_models: Callable[[str, str], Any] | None = None,
        embed_settings: bool = True,
    ):
        self.outputs = Path(outputs).resolve()
        self.device = device
        self.embed_settings = embed_settings
        self._engines = engines
        self._open_models = open_models or _open_models
        self._queue = DeviceQueue()
        self._lock = threading.RLock()
        self._runs: OrderedDict[str, Run] = OrderedDict()  # those that are kept, the most recently used last
        self._known: WeakValueDictionary[str, Run] = WeakValueDictionary()  # and those that somebody else still holds
        self._saved = SavedRuns(self.outputs)
        self._new: set[Path] = set()  # folders that are not yet complete
        try:
            self.outputs.mkdir(parents=True, exist_ok=True)
            self._outputs_lock = OutputsLock(self.outputs)
        except OSError as error:
            raise _unwritable(error) from None

    # ------------------------------------------------------------------------------------------ runs

    def start(
        self,
        method: str,
        settings: EngineSettings | dict[str, Any],
        *,
        models: str = "pocket",
        changes: Iterable[tuple[int, dict[str, Any]]] = (),
    ) -> Run:
        """Begin a run. Files named in the settings are copied into its folder.

        changes: live settings to change when their step comes, as recorded by another run: the run repeats it.
        `EngineError` for an unknown method, a setting that is refused, or too many runs.
        """
        kind = self._engine(method).Settings
        if isinstance(settings, dict):
            settings = kind.parse(settings)
        changes = [(int(step), dict(change)) for step, change in changes]
        planned = LiveSettings(settings)
        for _, change in changes:
            planned.update(**change)
        title = title_of(settings)
        folder, created = self._new_folder(method, title)

        def own(values: dict[str, Any]) -> dict[str, Any]:
            return relative_inputs(kind, copy_inputs(kind, values, folder))

        with self._removed_on_failure(folder):
            return self._begin(
                folder,
                Record(
                    id=secrets.token_urlsafe(16),
                    method=method,
                    title=title,
                    choice=models,
                    created=created,
                    settings=own(settings.model_dump()),
                    plan=[(step, own(change)) for step, change in changes],
                ),
            )

    def branch(self, run_id: str, step: int, **changes: Any) -> Run:
        """A new run that starts from `step` of another one, with some live settings changed. The other stays."""
        source = self.get(run_id)
        source.moment(step, **changes)  # refuse before anything is made
        folder, created = self._new_folder(source.method, source.title)
        with self._removed_on_failure(folder):
            record = source.fork(step, folder)
            kind = type(source.settings)
            pending = relative_inputs(kind, copy_inputs(kind, changes, folder))
            return self._begin(folder, replace(record, id=secrets.token_urlsafe(16), created=created, pending=pending))

    def redo(self, run_id: str, seed: int | None = None) -> Run:
        """The same run again, changes on the way included; with another seed when one is given."""
        source = self.get(run_id)
        settings = source.settings if seed is None else source.settings.replace(seed=seed)
        return self.start(source.method, settings, models=source.models, changes=source.changes)

    def get(self, run_id: str) -> Run:
        """The run of that id. One that is only on disk is attached again; one that was cut off can resume."""
        with self._lock:
            run = self._known.get(run_id)
            if run is not None and run.state.at_rest and not run.folder.is_dir():
                self._forget(run_id)
                run = None
            if run is None:
                folder, record = self._find(run_id)
                if isinstance(record, DamagedRun):
                    raise EngineError(record.problem)
                if not record.state.at_rest:
                    message = Sentence("This run was cut off; resume it to go on from its last saved step.")
                    record = replace(record, state=RunState.STOPPED, message=message)
                run = self._attach(folder, record)
            self._runs[run_id] = run
            self._runs.move_to_end(run_id)
            self._let_go_of_old_ones()
            return run

    def delete(self, run_id: str) -> None:
        """Stop the run and remove its folder."""
        with self._lock:
            run = self._known.get(run_id)
            folder = run.folder if run else self._find(run_id)[0]
        if run is not None:
            run.stop()
            if not run.join(timeout=60):
                raise EngineError("This run is in the middle of a long step; try to delete it again in a minute.")
        with self._lock:
            self._forget(run_id)
            try:
                folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
            except FileNotFoundError:
                pass  # somebody else was faster
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise EngineError(
                    "'{file}' could not be deleted ({reason}); close what uses its files.",
                    file=folder.name,
                    reason=reason,
                ) from None
            with suppress(OSError):  # other runs are in it
                folder.parent.rmdir()

    def history(self) -> list[HistoryEntry]:
        """Every run in the folder, newest first; damaged ones have a `problem`."""
        entries = [self._entry(folder, record) for folder, record in self._scan()]
        return sorted(entries, key=lambda entry: (entry.created, entry.folder.name), reverse=True)

    def unreadable(self) -> int:
        """How many folders hold a run.json that cannot be understood at all; they are not in the history."""
        with self._lock:
            self._scan()
            return self._saved.unreadable

    def announce(self, address: str) -> None:
        """Tell others who want to open the same outputs folder at which address this studio is."""
        self._outputs_lock.announce(address)

    def embedded_settings(self, path: Path) -> dict[str, Any]:
        """{"method", "models", "settings", …} that a PNG or SVG of ours carries; `EngineError` when it carries none."""
        return read_embedded(Path(path))

    def shutdown(self, timeout: float = 60) -> None:
        """Stop every run and wait until all are saved; those that take longer than `timeout` seconds are cut off."""
        with self._lock:
            runs = list(self._known.values())
        for run in runs:
            run.stop()
        for run in runs:
            if not run.join(timeout):
                log.warning("run %s was cut off in the middle of a step", run.folder.name)
        self._outputs_lock.release()

    # ------------------------------------------------------------------------------------------ parts

    def _engine(self, method: str) -> type[Engine]:
        if method not in self._engines:
            raise EngineError(
                "There is no method '{method}'; choose one of {choices}.",
                method=method,
                choices=", ".join(self._engines),
            )
        return self._engines[method]

    def _new_folder(self, method: str, title: str) -> tuple[Path, str]:
        """A folder for one more run, not yet in the history, and when it was made."""
        with self._lock:
            if sum(not run.state.at_rest for run in list(self._known.values())) >= MAX_ACTIVE:
                raise EngineError(
                    "{MAX_ACTIVE} runs are under way already; stop one of them first.", MAX_ACTIVE=MAX_ACTIVE
                )
            now = datetime.now()
            try:
                folder = create_folder(self.outputs, method, title, now)
            except OSError as error:
                raise _unwritable(error) from None
            self._new.add(folder)
            return folder, now.isoformat(timespec="seconds")

    def _begin(self, folder: Path, record: Record) -> Run:
        """Write what a restart needs, then start."""
        write_settings(folder / "settings.json", record.method, record.choice, record.settings)
        record.write(folder)
        with self._lock:
            self._new.discard(folder)
            run = self._attach(folder, record)
            self._runs[run.id] = run
            run.resume()
            self._let_go_of_old_ones()
        return run

    def _attach(self, folder: Path, record: Record) -> Run:
        engine_class = self._engine(record.method)

        def make_executor() -> LocalExecutor:
            return LocalExecutor(engine_class, lambda: self._open_models(record.choice, self.device))

        run = Run(folder, record, engine_class, make_executor, self._queue, lambda: self.embed_settings)
        self._known[run.id] = run
        return run

    def _let_go_of_old_ones(self) -> None:
        resting = [run for run in self._runs.values() if run.state.at_rest]
        for run in resting[: max(0, len(resting) - MAX_AT_REST)]:
            del self._runs[run.id]

    def _forget(self, run_id: str) -> None:
        self._runs.pop(run_id, None)
        self._known.pop(run_id, None)

    def _scan(self) -> list[tuple[Path, Record | DamagedRun]]:
        with self._lock:
            return [(folder, record) for folder, record in self._saved.scan() if folder not in self._new]

    def _find(self, run_id: str) -> tuple[Path, Record | DamagedRun]:
        for folder, record in self._scan():
            if record.id == run_id:
                return folder, record
        raise EngineError("There is no such run; it may have been deleted.")

    def _entry(self, folder: Path, record: Record | DamagedRun) -> HistoryEntry:
        common = {"id": record.id, "method": record.method, "title": record.title, "folder": folder}
        common["thumbnail"] = thumbnail_of(folder)
        if isinstance(record, DamagedRun):
            created = datetime.fromtimestamp(record.modified)
            return HistoryEntry(
                **common, state=RunState.FAILED, step=0, steps=0, created=created, problem=record.problem
            )
        run = self._known.get(record.id)
        return HistoryEntry(
            **common,
            state=run.state if run else record.state if record.state.at_rest else RunState.STOPPED,
            step=run.step if run else record.step,
            steps=run.steps if run else record.total,
            created=datetime.fromisoformat(record.created),
        )

    @contextmanager
    def _removed_on_failure(self, folder: Path) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            with self._lock:
                self._new.discard(folder)
            if isinstance(error, OSError):
                raise _unwritable(error) from None
            raise


def _open_models(family: str, device: str) -> Any:
    from engines.zoo import Models  # here, not above: the page must not wait for torch

    return Models(family, device)


def _unwritable(error: OSError) -> EngineError:
    reason = error.strerror or type(error).__name__
    return EngineError(
        "The outputs folder cannot be written ({reason}); make room on its disk or choose another folder.",
        reason=reason,
    )
