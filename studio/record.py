"""The folder of a run, as a person reads it, and run.json, which says everything about the run.

outputs/2026-11-21/clipdraw-0007-a-red-apple/
    settings.json     the settings the run started from
    run.json          what happened: state, step, every change of a live setting, losses
    inputs/           copies of the pictures and drawings that it started from
"""

from __future__ import annotations

import json
import math
import unicodedata
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from engines.engine import Frame
from engines.errors import EngineError, Sentence
from engines.files import write_text
from engines.saved_files import read_json
from engines.settings import EngineSettings

__all__ = [
    "Changes",
    "Record",
    "RunState",
    "create_folder",
    "fields_of",
    "parse_record",
    "read_record",
    "slug",
    "title_of",
    "write_settings",
]

MAX_STEP = 10**9


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    RESTING = "resting"
    """The picture follows its settings; the next step comes when one of them changes."""
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def at_rest(self) -> bool:
        """Whether nothing happens any more and nothing is held in memory. The run can be resumed."""
        return self in (RunState.STOPPED, RunState.FINISHED, RunState.FAILED)


# ---------------------------------------------------------------------------------------------- types of run.json


def _local_time(text: str) -> str:
    """ISO 8601 in local time without a time zone, so that all times can be compared. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return text
    try:
        return moment.astimezone().replace(tzinfo=None).isoformat(timespec="seconds")
    except (OverflowError, OSError):
        raise ValueError("the time is out of range") from None


def _loss_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by ascending step; losses that are not finite numbers are left out."""
    for row in rows:
        if not _is_step(row.get("step")) or not _is_finite(row.get("seconds")):
            raise ValueError("a row of losses has no step or no time")
    return sorted(
        ({name: value for name, value in row.items() if _is_finite(value)} for row in rows), key=lambda row: row["step"]
    )


def _parent(parent: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(parent.get("id"), str) or not _is_step(parent.get("step")):
        raise ValueError("the parent has no id or no step")
    return parent


def _is_step(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_STEP


def _is_finite(value: Any) -> bool:
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) <= 2**63)


def _by_step(changes: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
    return sorted(changes, key=lambda change: change[0])


Step = Annotated[int, Field(ge=0, le=MAX_STEP)]
RunId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Short and safe in an address."""
ShortText = Annotated[str, Field(max_length=200)]
Changes = Annotated[list[tuple[Step, dict[str, Any]]], AfterValidator(_by_step)]
"""Changes of live settings: (steps done when it changed, the new values), by ascending step."""


@dataclass
class Record:
    """run.json. `settings` are those the run started from; files among them are named relative to the folder."""

    __pydantic_config__: ClassVar = ConfigDict(allow_inf_nan=False)

    id: RunId
    method: ShortText
    title: Annotated[str, Field(max_length=1000)]
    choice: ShortText
    """Family of models that was chosen: "pocket" or "full"."""
    created: Annotated[str, Field(max_length=40), AfterValidator(_local_time)]
    """Local time, ISO 8601, to the second."""
    settings: dict[str, Any]
    state: RunState = RunState.QUEUED
    message: Annotated[str, Field(max_length=2000)] = ""
    message_parts: dict[str, Any] | None = None
    """Template and values of the message, by which the page translates it (`Sentence.to_plain`)."""
    notices: Annotated[list[ShortText], Field(max_length=100)] = field(default_factory=list)
    """What was left out or not understood."""
    step: Step = 0
    total: Step = 0
    changes: Changes = field(default_factory=list)
    pending: dict[str, Any] = field(default_factory=dict)
    """Changes that wait for the next step."""
    plan: Changes = field(default_factory=list)
    """Changes to make when their step comes: those of a run that repeats another."""
    models: list[dict[str, str]] = field(default_factory=list)
    """{"name", "sha256"} of the model files."""
    steps: Annotated[list[dict[str, Any]], AfterValidator(_loss_rows)] = field(default_factory=list)
    """{"step", "seconds", losses…}, thinned; `seconds` is how long the step took."""
    seconds: Annotated[float, Field(ge=0, le=1e12)] = 0.0
    device: ShortText = ""
    background: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=3, max_length=3)] | None = None
    """RGB in [0, 1] behind the drawing."""
    parent: Annotated[dict[str, Any], AfterValidator(_parent)] | None = None
    """{"id", "step"} of the run from which this one branched."""
    unknown: dict[str, Any] = field(default_factory=dict, repr=False)
    """Keys of a newer version of the file; written back as they were."""

    @property
    def sentence(self) -> str:
        """The message, with its template where that is saved."""
        try:
            sentence = Sentence.from_plain(self.message_parts)
            return sentence if sentence == self.message else self.message
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return self.message

    def write(self, folder: Path) -> None:
        values = asdict(self)
        write_text(folder / "run.json", json.dumps(values.pop("unknown") | values, ensure_ascii=False, indent=1))


def fields_of(message: str, frame: Frame | None) -> dict[str, Any]:
    """The fields of a record that say what the page shows: message, notices, background."""
    return {
        "message": str(message),
        "message_parts": message.to_plain() if isinstance(message, Sentence) else None,
        "notices": [str(notice)[:200] for notice in frame.notices] if frame is not None else [],
        "background": list(frame.background) if frame is not None and frame.background else None,
    }


_RECORD = TypeAdapter(Record)
_NAMES = {item.name for item in fields(Record)} - {"unknown"}


def read_record(folder: Path) -> Record:
    """The record in `folder`; `EngineError` when run.json is missing or damaged."""
    try:
        values = read_json(folder / "run.json")
    except EngineError:
        values = None
    return parse_record(values, folder)


def parse_record(values: Any, folder: Path) -> Record:
    """The record with the values of a run.json; `EngineError` when one of them is missing or not valid."""
    try:
        if not isinstance(values, dict):
            raise ValueError("run.json holds no object")
        known = {name: value for name, value in values.items() if name in _NAMES}
        defaults = {"title": "", "choice": "pocket", "created": _modified(folder)}
        unknown = {name: value for name, value in values.items() if name not in _NAMES and name != "unknown"}
        return _RECORD.validate_python({**defaults, **known, "unknown": unknown})
    except (ValidationError, ValueError):
        raise EngineError(
            "The run in '{file}' cannot be read; its run.json is missing or damaged.", file=folder.name
        ) from None


def _modified(folder: Path) -> str:
    """When run.json was written last: the best guess for a record that does not say when it was made."""
    try:
        return datetime.fromtimestamp((folder / "run.json").stat().st_mtime).isoformat(timespec="seconds")
    except (OSError, OverflowError, ValueError):
        return "1970-01-01T00:00:00"


def write_settings(path: Path, method: str, family: str, settings: dict[str, Any]) -> None:
    """Write settings.json. settings: plain values, files named relative to the folder of the run."""
    values = {"method": method, "models": family, "settings": settings}
    write_text(path, json.dumps(values, ensure_ascii=False, indent=2))


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
    """The name of a run for people: its prompt, or else its first text; at most 120 characters, one line."""
    texts = [spec.name for spec in settings.specs() if spec.kind in ("text", "longtext")]
    name = "prompt" if "prompt" in texts else next(iter(texts), None)
    return " ".join(str(getattr(settings, name)).split())[:120] if name else ""
