"""The folder of a run, as a person reads it, and the two JSON files in it that say everything about the run.

outputs/2026-11-21/clipdraw-0007-a-red-apple/
    settings.json     what the run started from
    run.json          what happened: state, step, every change of a live setting, losses
    inputs/           copies of the pictures and drawings that it started from
"""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from engines.errors import EngineError
from engines.files import write_text
from engines.settings import FILE_SUFFIXES, EngineSettings

__all__ = [
    "Changes",
    "Record",
    "RunState",
    "absolute_inputs",
    "copy_inputs",
    "create_folder",
    "read_record",
    "relative_inputs",
    "slug",
    "title_of",
    "without_inputs",
]

Changes = list[tuple[int, dict[str, Any]]]
"""What became of the live settings: (steps done when it changed, the new values)."""

_MAX_INPUT_BYTES = {"image": 64 * 1024**2, "svg": 64 * 1024**2, "checkpoint": 4 * 1024**3}


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    RESTING = "resting"
    """It shows what its settings say, and makes no further step until one of them changes."""
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def at_rest(self) -> bool:
        """Nothing happens any more, nothing is held in memory; the run can be taken up again."""
        return self in (RunState.STOPPED, RunState.FINISHED, RunState.FAILED)


@dataclass
class Record:
    """run.json. `settings` are what the run started from; files among them are named relative to the folder."""

    id: str
    method: str
    title: str
    choice: str
    """Which models were asked for: "pocket" or "full"."""
    created: str
    """Local time, ISO 8601, to the second."""
    settings: dict[str, Any]
    state: RunState = RunState.QUEUED
    message: str = ""
    step: int = 0
    total: int = 0
    changes: Changes = field(default_factory=list)
    pending: dict[str, Any] = field(default_factory=dict)
    """Changes that wait for the next step."""
    plan: Changes = field(default_factory=list)
    """Changes to be made when their step comes: a run that repeats another."""
    models: list[dict[str, str]] = field(default_factory=list)
    """{"name", "sha256"} of the model files."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    """{"step", "seconds", losses…}, thinned; seconds that the step took."""
    seconds: float = 0.0
    device: str = ""
    background: list[float] | None = None
    """RGB in [0, 1] behind the drawing."""
    parent: dict[str, Any] | None = None
    """{"id", "step"} of the run from which this one branched."""

    def write(self, folder: Path) -> None:
        write_text(folder / "run.json", json.dumps(asdict(self), ensure_ascii=False, indent=1))


def read_record(folder: Path) -> Record:
    """The record in `folder`. Raises `EngineError` when there is none or it cannot be understood."""
    try:
        values = json.loads((folder / "run.json").read_text("utf-8"))
        values["state"] = RunState(values["state"])
        datetime.fromisoformat(values["created"])
        for name in ("changes", "plan"):
            values[name] = [(int(step), dict(change)) for step, change in values[name]]
        return Record(**values)
    except (OSError, ValueError, TypeError, KeyError):
        raise EngineError(
            "The run in '{file}' cannot be read; its run.json is missing or damaged.", file=folder.name
        ) from None


# ---------------------------------------------------------------------------------------------- folders


def create_folder(outputs: Path, method: str, title: str, now: datetime) -> Path:
    """A new folder ``outputs/2026-11-21/clipdraw-0007-a-red-apple``; numbers count up per method and day."""
    day = outputs / f"{now:%Y-%m-%d}"
    day.mkdir(parents=True, exist_ok=True)
    taken = [path.name[len(method) + 1 :].partition("-")[0] for path in day.glob(f"{method}-*")]
    number = max((int(text) for text in taken if text.isdecimal()), default=0) + 1
    while True:
        folder = day / f"{method}-{number:04d}-{slug(title)}"
        # The number is what must be free, whatever the title.
        if not any(day.glob(f"{method}-{number:04d}-*")):
            try:
                folder.mkdir()
                return folder
            except FileExistsError:  # another process was faster
                pass
        number += 1


def slug(text: str) -> str:
    """`text` as part of a file name on any system: letters and digits of any script, "-" for the rest, ≤ 40 in all."""
    text = unicodedata.normalize("NFC", text).lower()
    kept = "".join(c if unicodedata.category(c)[0] in "LNM" else "-" for c in text[:200])
    return "-".join(part for part in kept.split("-") if part)[:40].rstrip("-") or "untitled"


def title_of(settings: EngineSettings) -> str:
    """What a person calls the run: its prompt, or else its first text."""
    texts = [spec.name for spec in settings.specs() if spec.kind in ("text", "longtext")]
    name = "prompt" if "prompt" in texts else next(iter(texts), None)
    return " ".join(str(getattr(settings, name)).split())[:120] if name else ""


# ---------------------------------------------------------------------------------------------- inputs


def copy_inputs(settings: type[EngineSettings], values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`values` with every picture and drawing among them replaced by a copy of it in ``folder/inputs``.

    Raises `EngineError` for a file that is missing, too big or of another kind.
    """
    kinds, inputs = _file_settings(settings), folder.resolve() / "inputs"
    copied = dict(values)
    for name, value in values.items():
        if name in kinds and value and Path(value).parent != inputs:
            copied[name] = str(_copy_input(name, kinds[name], Path(value), inputs))
    return copied


def _copy_input(name: str, kind: str, source: Path, inputs: Path) -> Path:
    suffix = source.suffix.lower()
    if suffix not in FILE_SUFFIXES[kind]:
        wanted = ", ".join(FILE_SUFFIXES[kind])
        raise EngineError(
            "Setting '{name}': '{file}' cannot be read; choose a file that ends with {wanted}.",
            name=name,
            file=source.name,
            wanted=wanted,
        )
    if not source.is_file():
        raise EngineError("Setting '{name}': there is no file '{file}'; choose it again.", name=name, file=source.name)
    if source.stat().st_size > _MAX_INPUT_BYTES[kind]:
        limit = _MAX_INPUT_BYTES[kind] // 1024**2
        raise EngineError(
            "Setting '{name}': '{file}' is bigger than {limit} MB; choose a smaller file.",
            name=name,
            file=source.name,
            limit=limit,
        )
    inputs.mkdir(exist_ok=True)
    number = len(list(inputs.glob(f"{name}-*"))) + 1  # earlier ones stay: a replay needs them
    target = inputs / f"{name}-{number}{suffix}"
    try:
        _copy(source, target, is_large=kind == "checkpoint")
    except OSError as error:
        sentence = f"Setting '{name}': '{source.name}' could not be copied ({error.strerror}); choose another file."
        raise EngineError(sentence) from None
    return target


def _copy(source: Path, target: Path, *, is_large: bool) -> None:
    """Large files are never written to, so one on the same disk can stand in two places."""
    if is_large:
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def relative_inputs(settings: type[EngineSettings], values: dict[str, Any]) -> dict[str, Any]:
    """`values` as they are written: files by their place in the run's folder, so that the folder can move."""
    files = _file_settings(settings)
    return {name: f"inputs/{Path(value).name}" if name in files and value else value for name, value in values.items()}


def absolute_inputs(settings: type[EngineSettings], values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The reverse of `relative_inputs`."""
    files, inputs = _file_settings(settings), folder.resolve() / "inputs"
    return {
        name: str(inputs / Path(value).name) if name in files and value else value for name, value in values.items()
    }


def without_inputs(settings: type[EngineSettings], values: dict[str, Any]) -> dict[str, Any]:
    """`values` as they are put into a picture that leaves this machine: the files stay here."""
    return {name: value for name, value in values.items() if name not in _file_settings(settings)}


def _file_settings(settings: type[EngineSettings]) -> dict[str, str]:
    return {spec.name: spec.kind for spec in settings.specs() if spec.is_file}
