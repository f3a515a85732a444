"""Finds the runs of an outputs folder, the damaged ones too: one damaged file never hides the other runs."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.errors import EngineError
from engines.saved_files import is_file, read_json, steps_in
from studio.record import Record, parse_record

__all__ = ["DamagedRun", "SavedRuns", "thumbnail_of"]

_FOLDER_NAME = re.compile(r"([a-z0-9-]+?)-[0-9]{4,}(?:-.*)?")
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COMMAND_LINE_KEYS = {"method", "settings", "models", "steps", "seconds", "device"}


@dataclass(frozen=True)
class DamagedRun:
    """A folder of a run that cannot be opened. id: its own, or a random one that lasts as long as this process."""

    id: str
    method: str
    title: str
    modified: float
    """Seconds since 1970."""
    problem: str
    """One sentence."""


class SavedRuns:
    """The runs of the folder `outputs`. Not thread-safe: `Studio` calls it under its lock."""

    def __init__(self, outputs: Path):
        self._outputs = outputs
        self._cache: dict[Path, tuple[int, Record | DamagedRun | None]] = {}  # by the time of change of run.json
        self._ids: dict[Path, str] = {}
        self.unreadable = 0
        """Folders with a run.json that cannot be understood at all, as of the last `scan`."""

    def scan(self) -> list[tuple[Path, Record | DamagedRun]]:
        """Every run by the path of its folder; run.json is read again only when it changed."""
        found, cache, owners = [], {}, {}
        self.unreadable = 0
        for folder in sorted(self._folders()):
            modified = _modified(folder / "run.json")
            known = self._cache.get(folder)
            if known is None or known[0] != modified or modified == 0:
                known = modified, self._read(folder, modified)
            cache[folder] = known
            run = known[1]
            if run is None:
                self.unreadable += not _is_of_command_line(folder)
                continue
            owner = owners.setdefault(run.id, folder)
            if owner != folder:
                problem = f"The run in '{folder.name}' is a copy of the one in '{owner.name}'; open that one."
                run = self._damaged(folder, run.method, run.title, modified, problem)
            found.append((folder, run))
        self._cache = cache
        return found

    def _folders(self) -> Iterator[Path]:
        for path in self._outputs.glob("*/*"):
            # A run has checkpoints or recorded pictures only after its run.json was written.
            traces = (path / "run.json", path / "checkpoints", path / "timeline")
            if any(trace.exists() or trace.is_symlink() for trace in traces):
                yield path

    def _read(self, folder: Path, modified: int) -> Record | DamagedRun | None:
        """The run in `folder`; None when nothing says which method it is of."""
        values: Any = None
        try:
            values = read_json(folder / "run.json")
            return parse_record(values, folder)
        except EngineError:
            pass
        if _looks_like_command_line(values):
            return None
        values = values if isinstance(values, dict) else {}
        run_id, method, title = (
            value if isinstance(value := values.get(name), str) else "" for name in ("id", "method", "title")
        )
        named = _FOLDER_NAME.fullmatch(folder.name)
        if not _RUN_ID.fullmatch(run_id):
            run_id = ""
        if not named and not (run_id and method):
            return None
        problem = f"The run in '{folder.name}' cannot be read; its run.json is missing or damaged."
        method = named[1] if named else method[:200]
        return self._damaged(folder, method, title[:120] or folder.name, modified, problem, run_id)

    def _damaged(
        self, folder: Path, method: str, title: str, modified: int, problem: str, run_id: str = ""
    ) -> DamagedRun:
        run_id = run_id or self._ids.setdefault(folder, secrets.token_urlsafe(16))
        return DamagedRun(run_id, method, title, modified / 1e9, problem)


def thumbnail_of(folder: Path) -> Path | None:
    """The final picture of a run, or the last recorded one, undecoded; None when there is none."""
    if is_file(folder / "final.png"):
        return folder / "final.png"
    steps = steps_in(folder / "timeline", ".jpg")
    return folder / "timeline" / f"{steps[-1]:08d}.jpg" if steps else None


def _is_of_command_line(folder: Path) -> bool:
    try:
        return _looks_like_command_line(read_json(folder / "run.json"))
    except EngineError:
        return False


def _looks_like_command_line(values: Any) -> bool:
    """`python -m engines` writes a shorter run.json, without an id; it is not a run of the studio."""
    return isinstance(values, dict) and values.keys() == _COMMAND_LINE_KEYS


def _modified(path: Path) -> int:
    """Nanoseconds since 1970; 0 for a file that is not there."""
    try:
        return path.stat().st_mtime_ns
    except (OSError, ValueError):
        return 0
