"""The bytes of SVG files, compressed or not, checked before anything is drawn. Needs no torch: the page uses it too."""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path
from xml.parsers import expat

from engines.errors import EngineError

__all__ = ["MAX_BYTES", "check_svg_file", "read_svg_bytes"]

MAX_BYTES = 16 << 20
"""Size of a file, and of a compressed file once it is unpacked."""

GZIP = b"\x1f\x8b"
LEADING_BYTES = 1 << 20  # of which the root element must begin


def read_svg_bytes(path: str | Path) -> bytes:
    """The XML of an .svg or a gzip-compressed .svgz file, at most `MAX_BYTES`; `EngineError` otherwise."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise EngineError(
                "The SVG file '{file}' is too large ({size} MB); {limit} MB is the limit.",
                file=path.name,
                size=size >> 20,
                limit=MAX_BYTES >> 20,
            )
        data = path.read_bytes()
    except OSError as error:
        raise EngineError(
            "The SVG file '{file}' cannot be read: {value}.", file=path.name, value=error.strerror or error
        ) from None
    return _unpacked(data, path.name) if data.startswith(GZIP) else data


def check_svg_file(path: str | Path) -> None:
    """`EngineError` unless the file's XML begins with an <svg> element, in whatever encoding."""
    data = read_svg_bytes(path)
    tags: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda tag, _attributes: tags.append(tag.rpartition(" ")[2]) if not tags else None
    with suppress(expat.ExpatError, UnicodeError, ValueError, LookupError):  # the reader tells what follows the root
        parser.Parse(data[:LEADING_BYTES], False)
    if tags[:1] != ["svg"]:
        raise EngineError("This file cannot be read as a drawing; use an SVG file.")


def _unpacked(data: bytes, name: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(data, MAX_BYTES + 1)
    except zlib.error:
        raise EngineError("The SVG file '{name}' is damaged: it cannot be unpacked.", name=name) from None
    if len(unpacked) > MAX_BYTES:
        raise EngineError(
            "The SVG file '{name}' is too large when unpacked; {limit} MB is the limit.",
            name=name,
            limit=MAX_BYTES >> 20,
        )
    if not unpacker.eof:
        raise EngineError("The SVG file '{name}' is damaged: its end is missing.", name=name)
    return unpacked
