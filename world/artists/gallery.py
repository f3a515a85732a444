"""All pictures of all artists in one memory-mapped file, and an index that says what each is called."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engines.base import EngineError
from world.artists.fetch import cache_folder
from world.artists.render import SIDE

__all__ = ["INDEX", "Gallery", "Picture", "write_gallery"]

PICTURES, INDEX = "pictures.u8", "pictures.json"


@dataclass(frozen=True)
class Picture:
    """A row of the index. names, tags, emoji: as in `Drawing`. role: "training" or "test". colour: of a variant.

    style: style words. digest: of the SVG and the way it was rendered.
    """

    artist: str
    key: str
    role: str
    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    emoji: str = ""
    colour: str = ""
    style: tuple[str, ...] = ()
    digest: int = 0


class Gallery:
    """rows: the index. pixels: (pictures, SIDE, SIDE, 4) uint8 straight RGBA, read from disk as they are asked for."""

    def __init__(self, rows: list[Picture], pixels: np.ndarray):
        self.rows, self.pixels = rows, pixels

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def open(cls, folder: Path | None = None) -> Gallery:
        """The gallery that `make world` wrote. Raises EngineError when there is none."""
        folder = folder or cache_folder()
        if not (folder / INDEX).exists():
            raise EngineError("The pictures of the world are not there yet; make them with: make world.")
        listed = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        rows = [Picture(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for row in listed]
        pixels = np.memmap(folder / PICTURES, np.uint8, "r", shape=(len(rows), SIDE, SIDE, 4))
        return cls(rows, pixels)


def write_gallery(pictures: Iterable[tuple[Picture, np.ndarray]], folder: Path) -> int:
    """Write pictures and index, whole or not at all; returns how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / (PICTURES + ".new")
    rows = []
    with fresh.open("wb") as file:
        for row in _written(pictures, file):
            rows.append(asdict(row))
    fresh.replace(folder / PICTURES)
    listed = (folder / INDEX).with_suffix(".new")
    listed.write_text("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n", "utf-8")
    listed.replace(folder / INDEX)
    return len(rows)


def _written(pictures: Iterable[tuple[Picture, np.ndarray]], file) -> Iterator[Picture]:
    for row, pixels in pictures:
        file.write(np.ascontiguousarray(pixels, np.uint8).tobytes())
        yield row
