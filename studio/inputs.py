"""Settings that are files: a run keeps copies of them in its own folder and names them relative to it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from engines.errors import EngineError
from engines.saved_files import is_file
from engines.settings import FILE_SUFFIXES, EngineSettings

__all__ = ["absolute_inputs", "check_inputs", "copy_folder", "copy_inputs", "relative_inputs", "without_inputs"]

_MAX_INPUT_BYTES = {"image": 64 * 1024**2, "svg": 64 * 1024**2, "checkpoint": 4 * 1024**3}


def copy_inputs(settings: type[EngineSettings], values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`values` in which every file is replaced by its copy in ``folder/inputs``.

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
    if not is_file(source):
        raise EngineError("Setting '{name}': there is no file '{file}'; choose it again.", name=name, file=source.name)
    try:
        if source.stat().st_size > _MAX_INPUT_BYTES[kind]:
            limit = _MAX_INPUT_BYTES[kind] // 1024**2
            raise EngineError(
                "Setting '{name}': '{file}' is bigger than {limit} MB; choose a smaller file.",
                name=name,
                file=source.name,
                limit=limit,
            )
        inputs.mkdir(exist_ok=True)
        # Earlier copies stay: a replay needs them.
        target = next(free for number in count(1) if not (free := inputs / f"{name}-{number}{suffix}").exists())
        _copy(source, target, is_large=kind == "checkpoint")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        sentence = f"Setting '{name}': '{source.name}' could not be copied ({reason}); choose another file."
        raise EngineError(sentence) from None
    return target


def _copy(source: Path, target: Path, *, is_large: bool) -> None:
    """Large files are never written to, so one on the same disk can stand in two places."""
    if is_large:
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def copy_folder(source: Path, target: Path) -> None:
    """Copy the files of the inputs folder `source`; what is not a regular file is left out. Raises `OSError`."""
    files = [path for path in source.iterdir() if is_file(path)] if source.is_dir() else []
    if files:
        target.mkdir(exist_ok=True)
    for path in files:
        _copy(path, target / path.name, is_large=path.suffix.lower() in FILE_SUFFIXES["checkpoint"])


def relative_inputs(settings: type[EngineSettings], values: dict[str, Any]) -> dict[str, Any]:
    """`values` as they are written: files by their place in the run's folder, so that the folder can move."""
    files = _file_settings(settings)
    return {name: f"inputs/{Path(value).name}" if name in files and value else value for name, value in values.items()}


def absolute_inputs(settings: type[EngineSettings], values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The reverse of `relative_inputs`. Only the name of a file is used, so that no file outside `inputs` is read.

    `values` come from a file: a setting that does not exist, or a file without a name, is an `EngineError`.
    """
    files, inputs = _file_settings(settings), folder.resolve() / "inputs"
    absolute = dict(values)
    for name, value in values.items():
        if name not in settings.model_fields:
            raise EngineError("There is no setting '{name}'.", name=name)
        if name in files and isinstance(value, str) and value:
            if Path(value).name in ("", "..") or "\0" in value:
                raise EngineError("Setting '{name}': the name of its file is damaged; choose it again.", name=name)
            absolute[name] = str(inputs / Path(value).name)
    return absolute


def check_inputs(settings: EngineSettings) -> None:
    """Raise `EngineError` for an input that is no regular file any more: an engine that opens a pipe waits for ever."""
    for name in _file_settings(type(settings)):
        path = getattr(settings, name)
        if path and os.path.exists(path) and not is_file(Path(path)):
            raise EngineError(
                "Setting '{name}': there is no file '{name_2}'; choose it again.", name=name, name_2=Path(path).name
            )


def without_inputs(settings: type[EngineSettings], values: dict[str, Any]) -> dict[str, Any]:
    """`values` for a picture that leaves this machine: without the settings that are files."""
    return {name: value for name, value in values.items() if name not in _file_settings(settings)}


def _file_settings(settings: type[EngineSettings]) -> dict[str, str]:
    return {spec.name: spec.kind for spec in settings.specs() if spec.is_file}
