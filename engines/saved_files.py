"""Reads the files of a saved run, which may be damaged in any way: every reader answers or raises `EngineError`.

Only regular files are opened (a pipe would block for ever), sizes and nesting are bounded, and a picture is decoded to
its last row before it counts as readable.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shutil
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engines.errors import EngineError, Sentence

__all__ = ["DamagedPicture", "decoded", "is_file", "read_json", "read_picture", "read_saved", "remove", "steps_in"]

log = logging.getLogger(__name__)

MAX_JSON_BYTES = 16 << 20
MAX_PICTURE_BYTES = 256 << 20
MAX_PIXELS = 32_000_000
MAX_DEPTH = 32
MAX_KEY_LENGTH = 200

_STEP = re.compile(r"[0-9]{8,12}")


def is_file(path: Path) -> bool:
    """Whether `path` is a regular file, or a link to one; False as well for a path that cannot be examined."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def steps_in(folder: Path, suffix: str) -> list[int]:
    """The steps of the files ``00000120<suffix>`` in `folder`, ascending; other names and non-files are left out."""
    try:
        names = [path for path in folder.iterdir() if path.suffix == suffix and _STEP.fullmatch(path.stem)]
        return sorted(int(path.stem) for path in names if path.stem == f"{int(path.stem):08d}" and is_file(path))
    except OSError:
        return []


def remove(path: Path) -> None:
    """Remove a file or a whole folder, whatever stands there; what cannot be removed is logged and stays."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("'%s' could not be removed: %s", path.name, error.strerror)


def read_saved(path: Path, max_bytes: int = MAX_PICTURE_BYTES) -> bytes:
    """The content of a regular file of at most `max_bytes`; its size is checked before it takes memory."""
    try:
        with open(path, "rb", opener=_open_regular) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(size) if size <= max_bytes else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or Sentence("not a regular file")
        raise EngineError("'{file}' cannot be read ({reason}).", file=path.name, reason=reason) from None
    if data is None:
        raise EngineError(
            "'{file}' is damaged (it is larger than {max_bytes} MB).", file=path.name, max_bytes=max_bytes >> 20
        )
    return data


def _open_regular(name: str, flags: int) -> int:
    if not stat.S_ISREG(os.stat(name).st_mode):
        raise ValueError(Sentence("not a regular file"))
    return os.open(name, flags)


def read_json(path: Path) -> Any:
    """The value of a UTF-8 JSON file: at most 16 MB, 32 levels, keys of 200 characters, no broken surrogates.

    NaN and infinity pass: they are valid losses in files of earlier versions. Whoever uses a number checks its range.
    """
    data = read_saved(path, MAX_JSON_BYTES)
    try:
        value = json.loads(data.decode("utf-8"))
        _check_tree(value)
    except (ValueError, RecursionError, MemoryError) as error:
        reason = (
            Sentence("it is nested too deep") if isinstance(error, RecursionError) else Sentence("it is not valid JSON")
        )
        raise EngineError("'{file}' is damaged ({reason}).", file=path.name, reason=reason) from None
    return value


def _check_tree(value: Any) -> None:
    """Raise `ValueError` or `RecursionError` for a value that could not be written again."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                item.encode("utf-8")  # refuses lone surrogates, which neither a file nor a browser can take
            elif isinstance(item, dict):
                if any(len(key.encode("utf-8")) > MAX_KEY_LENGTH for key in item):
                    raise ValueError("a key is too long")
                below += item.values()
            elif isinstance(item, list):
                below += item
        if not below:
            return
        level = below
    raise RecursionError


def read_picture(path: Path, max_side: int | None = None) -> np.ndarray:
    """The picture of a PNG or JPEG file as (H, W, 3) uint8 RGB; the longer side at most `max_side` pixels, if given."""
    try:
        return decoded(read_saved(path), max_side)
    except DamagedPicture:
        raise EngineError("'{file}' is damaged; it is not a readable PNG or JPEG picture.", file=path.name) from None


class DamagedPicture(EngineError):
    """Bytes that are no PNG or JPEG, or not a whole one, or one of more than 32 million pixels."""


def decoded(data: bytes, max_side: int | None = None) -> np.ndarray:
    """The same for the bytes of such a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError("too many pixels")
                if max_side is not None:
                    image.draft("RGB", (max_side, max_side))
                picture = image.convert("RGB")
        if max_side is not None:
            picture.thumbnail((max_side, max_side))
        return np.asarray(picture)
    except Exception:  # Pillow's decoders raise almost anything on damaged files
        raise DamagedPicture("This picture is damaged; choose another step.") from None
