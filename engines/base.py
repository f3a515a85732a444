"""What every method shares: settings, live settings, frames and the engine contract.

A method is a generator of frames that reads its settings afresh at every step::

    for frame in CLIPDraw(models).run(settings, live):
        frame.image, frame.scene, frame.losses, frame.step

The caller owns the loop: to pause is not to ask for the next frame, to stop is to close the generator.
Nothing here draws progress bars, writes files, sleeps, or (but for the lock of `LiveSettings`) knows threads.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from engines.vector import Scene
    from engines.zoo import Models

__all__ = [
    "FILE_SUFFIXES",
    "Engine",
    "EngineError",
    "EngineSettings",
    "Frame",
    "LiveSettings",
    "SettingSpec",
    "setting",
]

Kind = Literal[
    "text", "longtext", "integer", "number", "switch", "choice", "swatch", "color", "image", "svg", "checkpoint",
    "press", "task",
]  # fmt: skip
"""A "task" is the choice of what a method shall do; no preset changes it. A "swatch" is a choice between pictures: its
`choices` name files of engines.style.SWATCHES, or "none". A "checkpoint" is a file of weights. A "press" counts how
often a person pressed a button."""


FILE_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "image": (".png", ".jpg", ".jpeg", ".webp"),
    "svg": (".svg", ".svgz"),
    "checkpoint": (".pkl", ".pt", ".pth", ".bin", ".safetensors", ".npy"),
}
"""The kinds of settings that are files, and how such files end."""


class EngineError(Exception):
    """Something a person can mend. The message, one plain sentence, names what to change and is shown."""


# ---------------------------------------------------------------------------------------------- settings


def setting(
    default: Any,
    *,
    label: str,
    help: str,
    group: str,
    live: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    step: float | None = None,
    kind: Kind | None = None,
    max_length: int | None = None,
    advanced: bool = False,
) -> Any:
    """Declare one field of an `EngineSettings`: its default, its range and what a person needs to know of it.

    `live`: may change while a run goes on. `advanced`: folded away on the page. `kind` is derived from the
    annotation unless given (only "text", "integer", "number", "switch" and "choice" can be told from it).
    """
    extra = {
        "label": label,
        "help": help,
        "group": group,
        "live": live,
        "step": step,
        "kind": kind,
        "advanced": advanced,
    }
    return Field(default, ge=minimum, le=maximum, max_length=max_length, json_schema_extra=extra)


@dataclass(frozen=True)
class SettingSpec:
    """One setting as page, command line and API see it. Inclusive bounds; `choices` of a choice, task or swatch."""

    name: str
    kind: Kind
    default: Any
    label: str
    help: str
    group: str
    live: bool
    advanced: bool
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def is_file(self) -> bool:
        return self.kind in FILE_SUFFIXES


class EngineSettings(BaseModel):
    """Immutable, validated settings of one method; the single source for page, command line, API and files."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {}
    """Preset name → the settings it changes."""

    @classmethod
    def parse(cls, values: dict[str, Any]) -> EngineSettings:
        """Validated settings from plain values; `EngineError` names the first setting that is wrong."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise EngineError(_explain(error)) from None

    @classmethod
    def specs(cls) -> list[SettingSpec]:
        """Every setting, in the order in which it is declared."""
        return [_spec(name, info) for name, info in cls.model_fields.items()]

    @classmethod
    def with_default(cls, name: str, default: Any) -> Any:
        """The declaration of setting `name` for a subclass in which it begins with another value."""
        field = copy(cls.model_fields[name])
        field.default = default
        return field

    @classmethod
    def made_live(cls, name: str) -> Any:
        """The declaration of setting `name` for a subclass in which it may change while a run goes on."""
        field = copy(cls.model_fields[name])
        field.json_schema_extra = {**field.json_schema_extra, "live": True}
        return field

    def replace(self, **changes: Any) -> EngineSettings:
        """A validated copy with some settings changed."""
        return type(self).parse({**self.model_dump(), **changes})


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:  # a rule between several settings; it names them itself
        return first["msg"].removeprefix("Value error, ")
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"There is no setting '{name}'."
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    shown = repr(first["input"])
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"Setting '{name}': {reason[0].lower()}{reason[1:]} (got {shown})."


def _spec(name: str, info: Any) -> SettingSpec:
    extra = info.json_schema_extra
    bounds = {key: getattr(item, key) for item in info.metadata for key in ("ge", "le") if hasattr(item, key)}
    is_choice = get_origin(info.annotation) is Literal
    kind = extra["kind"] or (
        "choice" if is_choice else {bool: "switch", int: "integer", float: "number", str: "text"}[info.annotation]
    )
    return SettingSpec(
        name=name,
        kind=kind,
        default=info.default,
        label=extra["label"],
        help=extra["help"],
        group=extra["group"],
        live=extra["live"],
        advanced=extra["advanced"],
        minimum=bounds.get("ge"),
        maximum=bounds.get("le"),
        step=extra["step"],
        choices=get_args(info.annotation) if is_choice else (),
    )


class LiveSettings:
    """The settings of a running engine: `current` is an immutable snapshot, `update` swaps it atomically.

    Thread-safe. Only fields declared `live` may change.
    """

    def __init__(self, settings: EngineSettings):
        self._current = settings
        self._lock = threading.Lock()

    @property
    def current(self) -> EngineSettings:
        return self._current

    def update(self, **changes: Any) -> EngineSettings:
        """Validate `changes`, swap the snapshot and return it. `EngineError` when a value or a field is refused."""
        fields = type(self._current).model_fields
        for name in changes:
            if name not in fields:
                raise EngineError(f"There is no setting '{name}'.")
            if not fields[name].json_schema_extra["live"]:
                raise EngineError(f"Setting '{name}' cannot change while a run goes on; start a new run with it.")
        with self._lock:
            self._current = self._current.replace(**changes)
            return self._current


# ---------------------------------------------------------------------------------------------- frames


@dataclass(frozen=True)
class Frame:
    """What a running method shows after a step.

    step: steps done so far (0: the picture before the first). steps: how many the run will have.
    render: draws the picture, (H, W, 3) uint8 RGB; called at most once, and only if somebody looks (`image`).
    losses: term → value. scene, background: the drawing as vectors and the RGB in [0, 1] behind it, where the method
    has them. before: what the picture was before it was edited, (H, W, 3) uint8, for a view that compares the two.
    status: one short sentence or "". notices: sentences on what of the user's input was left out or not understood.
    is_resting: nothing more happens until a live setting changes; the next frame then obeys it.
    """

    step: int
    steps: int
    render: Callable[[], np.ndarray]
    losses: dict[str, float] = field(default_factory=dict)
    scene: Scene | None = None
    background: tuple[float, float, float] | None = None
    before: np.ndarray | None = None
    status: str = ""
    notices: tuple[str, ...] = ()
    is_resting: bool = False

    @cached_property
    def image(self) -> np.ndarray:
        return self.render()


# ---------------------------------------------------------------------------------------------- engines


class Engine(ABC):
    """One method. `run` may be iterated once per instance; make a new instance for the next run.

    `state_dict()` holds all that the next step depends on: CPU tensors, and JSON values (numbers, strings, lists,
    dicts of these) for the rest. An engine that loaded it goes on as if it had never stopped: same device, same
    pixels. It may be asked for between two frames, not during one.
    """

    name: ClassVar[str]
    """As on the command line: "clipdraw"."""
    title: ClassVar[str]
    """As on the page: "CLIPDraw"."""
    summary: ClassVar[str]
    """One sentence."""
    Settings: ClassVar[type[EngineSettings]]
    draws: ClassVar[bool] = False
    """Whether its frames carry a scene of strokes."""
    makes: ClassVar[str] = ""
    """What a run leaves beside pictures, for other runs to use ("mapper"); `write_model` writes it."""

    def __init__(self, models: Models):
        self.models = models

    @abstractmethod
    def run(self, settings: EngineSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        """Yield a frame for the start (or for the loaded state), then one after every step.

        Settings are read from `live.current` at every step; without `live` they stay as given, and a run that would
        rest (`Frame.is_resting`) ends.
        Raises `EngineError` with one clear sentence when a person can mend what is wrong.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]: ...

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None: ...

    @classmethod
    def write_model(cls, state: dict[str, Any], path: Path) -> None:
        """Write what a run `makes`, as it is in the `state_dict()` of an engine, as safetensors.

        Raises `EngineError` when there is nothing to write yet.
        """
        raise EngineError(f"A run of {cls.title} leaves no model; export a picture instead.")
