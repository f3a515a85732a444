"""The settings of a method: one schema for page, command line, API, validation and the settings kept in files."""

from __future__ import annotations

import threading
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engines.errors import EngineError

__all__ = ["FILE_SUFFIXES", "EngineSettings", "Kind", "LiveSettings", "SettingSpec", "setting"]

Kind = Literal[
    "text",
    "longtext",
    "integer",
    "number",
    "switch",
    "choice",
    "swatch",  # a choice between pictures: `choices` name files of engines.style.SWATCHES, or "none"
    "color",  # "#rrggbb"
    "image",  # a path
    "svg",  # a path
    "checkpoint",  # a path of a file with weights
    "press",  # counts how often a button was pressed
    "task",  # the choice of what a method does; no preset changes it
]

FILE_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "image": (".png", ".jpg", ".jpeg", ".webp"),
    "svg": (".svg", ".svgz"),
    "checkpoint": (".pkl", ".pt", ".pth", ".bin", ".safetensors", ".npy"),
}
"""The kinds of settings that are files, with the file names' endings."""


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
    tasks: tuple[str, ...] = (),
    alias: str | None = None,
) -> Any:
    """Declare one field of an `EngineSettings`: default, range, and the words that the user sees.

    live: may change during a run. advanced: folded away on the page. tasks: the tasks of the method to which the
    setting belongs; empty for all. alias: an earlier name under which saved files may hold the setting. kind: derived
    from the annotation unless given ("text", "integer", "number", "switch" and "choice" can be derived).
    """
    extra = {
        "label": label,
        "help": help,
        "group": group,
        "live": live,
        "step": step,
        "kind": kind,
        "advanced": advanced,
        "tasks": tasks,
        "alias": alias,
    }
    return Field(default, ge=minimum, le=maximum, max_length=max_length, json_schema_extra=extra)


@dataclass(frozen=True)
class SettingSpec:
    """One setting as page, command line and API see it.

    minimum, maximum: inclusive. choices: of a choice, task or swatch. tasks: where the setting counts; empty for all.
    """

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
    tasks: tuple[str, ...] = ()

    @property
    def is_file(self) -> bool:
        return self.kind in FILE_SUFFIXES


class EngineSettings(BaseModel):
    """Immutable, validated settings of one method."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {}
    """Preset name → the settings it changes."""

    @classmethod
    def parse(cls, values: dict[str, Any]) -> EngineSettings:
        """Validate plain values. Earlier names of settings are understood.

        Raises `EngineError` that names the first setting that is wrong.
        """
        try:
            return cls.model_validate(cls._with_present_names(values))
        except ValidationError as error:
            raise _explain(error) from None

    @classmethod
    def specs(cls) -> list[SettingSpec]:
        """Every setting, in the order of declaration."""
        return [_spec(name, info) for name, info in cls.model_fields.items()]

    @classmethod
    def with_default(cls, name: str, default: Any) -> Any:
        """The declaration of setting `name` for a subclass in which it has another default."""
        field = copy(cls.model_fields[name])
        field.default = default
        return field

    @classmethod
    def made_live(cls, name: str) -> Any:
        """The declaration of setting `name` for a subclass in which it may change during a run."""
        field = copy(cls.model_fields[name])
        field.json_schema_extra = {**field.json_schema_extra, "live": True}
        return field

    @classmethod
    def present_name(cls, name: str) -> str:
        """The name that a setting has today, from one under which an earlier version saved it."""
        return next((new for new, info in cls.model_fields.items() if info.json_schema_extra["alias"] == name), name)

    @classmethod
    def _with_present_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {cls.present_name(name): value for name, value in values.items()}

    def replace(self, **changes: Any) -> EngineSettings:
        """A validated copy with some settings changed."""
        return type(self).parse({**self.model_dump(), **changes})


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
        """Validate `changes`, swap the snapshot and return it. Raises `EngineError` for a refused value or field."""
        settings = type(self._current)
        changes = {settings.present_name(name): value for name, value in changes.items()}
        for name in changes:
            if name not in settings.model_fields:
                raise EngineError("There is no setting '{name}'.", name=name)
            if not settings.model_fields[name].json_schema_extra["live"]:
                raise EngineError(
                    "Setting '{name}' cannot change during a run; start a new run with it.", name=name
                )  # fmt: skip
        with self._lock:
            self._current = self._current.replace(**changes)
            return self._current


# ---------------------------------------------------------------------------------------------- parts

_REASONS = {
    "bool_parsing": "Setting '{name}' is a switch; write true or false (got {value}).",
    "bool_type": "Setting '{name}' is a switch; write true or false (got {value}).",
    "finite_number": "Setting '{name}' needs a finite number (got {value}).",
    "float_parsing": "Setting '{name}' needs a number (got {value}).",
    "float_type": "Setting '{name}' needs a number (got {value}).",
    "greater_than_equal": "Setting '{name}' has to be at least {ge:g} (got {value}).",
    "int_from_float": "Setting '{name}' needs a whole number (got {value}).",
    "int_parsing": "Setting '{name}' needs a whole number (got {value}).",
    "int_parsing_size": "Setting '{name}' needs a smaller number (got {value}).",
    "int_type": "Setting '{name}' needs a whole number (got {value}).",
    "less_than_equal": "Setting '{name}' has to be at most {le:g} (got {value}).",
    "literal_error": "Setting '{name}' has to be {expected} (got {value}).",
    "string_too_long": "Setting '{name}' has more than {max_length} characters; write less.",
    "string_type": "Setting '{name}' needs a text (got {value}).",
}
"""Error type of pydantic → sentence."""


def _explain(error: ValidationError) -> EngineError:
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return EngineError("There is no setting '{name}'.", name=name)
    template = _REASONS.get(first["type"], "Setting '{name}' cannot be {value}; choose another value.")
    return EngineError(template, name=name, value=_shown(first["input"]), **first.get("ctx", {}))


def _shown(value: Any) -> str:
    """A plain value, shortened; only the type of anything else."""
    if not isinstance(value, str | int | float | bool | None):
        return type(value).__name__
    if isinstance(value, int) and value.bit_length() > 200:
        return "a very large number"
    text = repr(value[:61] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


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
        tasks=extra["tasks"],
    )
