"""The studio: starts runs, finds them again, and keeps the folder in which they live."""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from engines import ENGINES
from engines.engine import Engine
from engines.errors import EngineError
from engines.export import read_embedded
from engines.files import write_text
from engines.settings import EngineSettings, LiveSettings
from studio.executor import LocalExecutor
from studio.lane import Lane
from studio.record import (
    Record,
    RunState,
    copy_inputs,
    create_folder,
    read_record,
    relative_inputs,
    title_of,
)
from studio.run import Run

__all__ = ["HistoryEntry", "Studio"]

log = logging.getLogger(__name__)

MAX_ACTIVE = 32
"""Runs that are queued, running or paused."""
MAX_AT_REST = 32
"""Runs at rest that stay in memory; the others are read from the disk when somebody asks for them."""


@dataclass(frozen=True)
class HistoryEntry:
    """One line of the history. thumbnail: a PNG or JPEG, or None."""

    id: str
    method: str
    title: str
    folder: Path
    state: RunState
    step: int
    steps: int
    created: datetime
    thumbnail: Path | None


class Studio:
    """All runs of one folder `outputs`, on one device ("auto", "cpu", "cuda"). `EngineError` when it cannot be written.

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
        self._lane = Lane()
        self._lock = threading.RLock()
        self._runs: OrderedDict[str, Run] = OrderedDict()  # those that are kept, the most recently used last
        self._known: WeakValueDictionary[str, Run] = WeakValueDictionary()  # and those that somebody else still holds
        self._records: dict[Path, tuple[int, Record]] = {}  # run.json, by its time of change
        try:
            self.outputs.mkdir(parents=True, exist_ok=True)
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

        with _removed_on_failure(folder):
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
        with _removed_on_failure(folder):
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
            if run is None:
                folder, record = self._find(run_id)
                if not record.state.at_rest:
                    message = "This run was cut off; resume it to go on from its last saved step."
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
            self._runs.pop(run_id, None)
            self._known.pop(run_id, None)
            try:
                shutil.rmtree(folder)
            except OSError as error:
                reason = error.strerror
                raise EngineError(
                    "'{file}' could not be deleted ({reason}); close what uses its files.",
                    file=folder.name,
                    reason=reason,
                ) from None
            if not any(folder.parent.iterdir()):
                folder.parent.rmdir()

    def history(self) -> list[HistoryEntry]:
        """Every run in the folder, newest first."""
        entries = [self._entry(folder, record) for folder, record in self._saved()]
        return sorted(entries, key=lambda entry: (entry.created, entry.folder.name), reverse=True)

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
        """A folder for one more run, and when it was made."""
        with self._lock:
            if sum(not run.state.at_rest for run in list(self._known.values())) >= MAX_ACTIVE:
                raise EngineError(
                    "{MAX_ACTIVE} runs are under way already; stop one of them first.", MAX_ACTIVE=MAX_ACTIVE
                )
            now = datetime.now()
            try:
                return create_folder(self.outputs, method, title, now), now.isoformat(timespec="seconds")
            except OSError as error:
                raise _unwritable(error) from None

    def _begin(self, folder: Path, record: Record) -> Run:
        """Write what a restart needs, then start."""
        started = {"method": record.method, "models": record.choice, "settings": record.settings}
        write_text(folder / "settings.json", json.dumps(started, ensure_ascii=False, indent=2))
        record.write(folder)
        with self._lock:
            run = self._attach(folder, record)
            self._runs[run.id] = run
            run.resume()
            self._let_go_of_old_ones()
        return run

    def _attach(self, folder: Path, record: Record) -> Run:
        engine_class = self._engine(record.method)

        def make_executor() -> LocalExecutor:
            return LocalExecutor(engine_class, lambda: self._open_models(record.choice, self.device))

        run = Run(folder, record, engine_class, make_executor, self._lane, lambda: self.embed_settings)
        self._known[run.id] = run
        return run

    def _let_go_of_old_ones(self) -> None:
        resting = [run for run in self._runs.values() if run.state.at_rest]
        for run in resting[: max(0, len(resting) - MAX_AT_REST)]:
            del self._runs[run.id]

    def _saved(self) -> list[tuple[Path, Record]]:
        """Every readable run.json; each is read again only when it changed."""
        found = []
        with self._lock:
            for path in self.outputs.glob("*/*/run.json"):
                try:
                    changed = path.stat().st_mtime_ns
                    if self._records.get(path, (0,))[0] != changed:
                        self._records[path] = changed, read_record(path.parent)
                    found.append((path.parent, self._records[path][1]))
                except (OSError, EngineError) as error:
                    log.debug("%s is not shown: %s", path, error)
            self._records = {folder / "run.json": self._records[folder / "run.json"] for folder, _ in found}
        return found

    def _find(self, run_id: str) -> tuple[Path, Record]:
        for folder, record in self._saved():
            if record.id == run_id:
                return folder, record
        raise EngineError("There is no such run; it may have been deleted.")

    def _entry(self, folder: Path, record: Record) -> HistoryEntry:
        run = self._known.get(record.id)
        state = run.state if run else record.state if record.state.at_rest else RunState.STOPPED
        final = folder / "final.png"
        pictures = [final] if final.is_file() else sorted((folder / "timeline").glob("[0-9]*.jpg"))
        return HistoryEntry(
            id=record.id,
            method=record.method,
            title=record.title,
            folder=folder,
            state=state,
            step=run.step if run else record.step,
            steps=run.steps if run else record.total,
            created=datetime.fromisoformat(record.created),
            thumbnail=pictures[-1] if pictures else None,
        )


def _open_models(family: str, device: str) -> Any:
    from engines.zoo import Models  # here, not above: the page must not wait for torch

    return Models(family, device)


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise _unwritable(error) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _unwritable(error: OSError) -> EngineError:
    return EngineError(
        "The outputs folder cannot be written ({reason}); make room on its disk or choose another folder.",
        reason=error.strerror,
    )
