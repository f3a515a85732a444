"""Pictures and videos as files, and the settings that such a file carries.

A PNG carries them in the text chunk "atelier", an SVG in <metadata>, both as one JSON object with at least "method"
and "settings". Every file is written whole or not at all (engines/files.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, repeat
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from engines.errors import EngineError
from engines.files import replacing

__all__ = ["read_embedded", "write_animation", "write_png", "write_video"]

_CHUNK = "atelier"
_MAX_SVG_BYTES = 16 << 20
_MAX_METADATA = 1 << 20


def write_png(image: np.ndarray, path: Path, metadata: dict[str, Any] | None = None) -> None:
    """Write an (H, W, 3) uint8 picture, with `metadata` as JSON inside when it is given."""
    chunks = PngImagePlugin.PngInfo()
    if metadata is not None:
        chunks.add_text(_CHUNK, json.dumps(metadata, ensure_ascii=False))
    with replacing(Path(path)) as temporary:
        Image.fromarray(image).save(temporary, "PNG", pnginfo=chunks)


# ---------------------------------------------------------------------------------------------- moving pictures


def write_video(frames: Iterable[np.ndarray], path: Path, fps: int = 25, hold: float = 2.0) -> None:
    """H.264 in MP4 from (H, W, 3) uint8 pictures of one size; the last one stays for `hold` seconds.

    An odd width or height is made even by repeating the last column or row: players want 4:2:0 chroma.
    `EngineError` when there is no picture.
    """
    import av  # a tenth of a second that only a video needs

    frames = _held(frames, round(fps * hold))
    first = next(frames)
    height, width = (side + side % 2 for side in first.shape[:2])
    with replacing(Path(path)) as temporary, av.open(str(temporary), "w", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", rate=fps, options={"crf": "16", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, fps)
        for image in chain([first], frames):
            fitted = _fitted(image, *first.shape[:2])
            margins = ((0, height - fitted.shape[0]), (0, width - fitted.shape[1]), (0, 0))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.pad(fitted, margins, "edge"), "rgb24")))
        file.mux(stream.encode())


def write_animation(frames: Iterable[np.ndarray], path: Path, fps: int = 25, hold: float = 2.0) -> None:
    """An endless GIF or animated WebP, by the suffix of `path`; the last picture stays for `hold` seconds."""
    pictures = [_as_palette(image) if path.suffix == ".gif" else Image.fromarray(image) for image in frames]
    if not pictures:
        raise EngineError("There is no picture to make an animation of; let the run make a step first.")
    durations = [round(1000 / fps)] * (len(pictures) - 1) + [round(1000 * hold)]
    options = {"disposal": 1} if path.suffix == ".gif" else {"quality": 82, "method": 2}
    with replacing(Path(path)) as temporary:
        pictures[0].save(temporary, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options)


def _fitted(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture of another size than the first, in the middle of a white sheet of that size."""
    if image.shape[:2] == (height, width):
        return image
    small = ImageOps.contain(Image.fromarray(image), (width, height), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (width, height), "white")
    sheet.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return np.asarray(sheet)


def _held(frames: Iterable[np.ndarray], times: int) -> Iterator[np.ndarray]:
    last = None
    for last in frames:
        yield last
    if last is None:
        raise EngineError("There is no picture to make a video of; let the run make a step first.")
    yield from repeat(last, times)


def _as_palette(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image).quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


# ---------------------------------------------------------------------------------------------- settings in files


def read_embedded(path: Path) -> dict[str, Any]:
    """The JSON object inside a PNG or SVG of ours. The file may come from anybody: the picture itself is not decoded.

    `EngineError` when the file cannot be read or carries no settings.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_png = file.read(8) == b"\x89PNG\r\n\x1a\n"
        text = _png_text(path) if is_png else _svg_text(path)
        values = json.loads(text) if text else None
    except OSError as error:
        raise EngineError(
            "'{file}' cannot be read: {value}.", file=path.name, value=error.strerror or "not a picture"
        ) from None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not isinstance(values.get("method"), str):
        values = None
    if values is None or not isinstance(values.get("settings"), dict):
        raise EngineError(
            "'{file}' carries no settings; choose a PNG or SVG that was saved here with its settings.", file=path.name
        )
    return values


def _png_text(path: Path) -> str:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return str(image.info.get(_CHUNK, ""))
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError):
        return ""


def _svg_text(path: Path) -> str:
    """The text of the first <metadata>. Documents that declare entities are refused: they can grow without bound."""
    if path.stat().st_size > _MAX_SVG_BYTES:
        return ""
    parser = expat.ParserCreate(namespace_separator=" ")
    parts: list[str] = []
    open_elements: list[str] = []
    room = _MAX_METADATA

    def start(name: str, _attributes: dict[str, str]) -> None:
        open_elements.append(name.rpartition(" ")[2])

    def text(data: str) -> None:
        nonlocal room
        if open_elements[-1:] == ["metadata"] and room > 0:
            parts.append(data)
            room -= len(data)

    def refuse(*_: Any) -> None:
        raise ValueError("entities")

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _name: open_elements.pop()
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError:
        return ""
    return "".join(parts)
