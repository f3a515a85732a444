"""Reads the Open Clip Art Library: SVG files with a title and keywords each, nearly all in the public domain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from world.artists.drawing import Drawing

__all__ = ["read_clip_art"]

LEFT_OUT = re.compile(
    r"^(computer/(icons|buttons|folders|network|connectors|diagrams)|shapes|signs_and_symbols/(flags|map_symbols|led)"
    r"|special|buttons|logos|decorations|transportation/(roadsigns|aiga-symbols)|recreation/games/(cards|dice)"
    r"|unsorted/duplicates|signs_and_symbols/(clocks|hazard|disability|money))(/|$)"
)
"""Folders of icons, stars, arrows, buttons, flags, playing cards and signs."""
PUBLIC_DOMAIN = re.compile(r"PublicDomain|publicdomain", re.IGNORECASE)
LONGEST = 400_000
"""Characters; a longer file takes seconds to render."""
_TITLE = re.compile(r"<dc:title[^>]*>(.*?)</dc:title>", re.DOTALL)
_KEYWORD = re.compile(r"<rdf:li[^>]*>(.*?)</rdf:li>", re.DOTALL)
_LICENSE = re.compile(r"<(?:cc:)?license[^>]*resource=\"([^\"]*)\"")
_SERIES = re.compile(
    r"^clipart by|^various cliparts|etiquette icons|lemon svg theme|^map symbols|road signs|^homes? clip"
)
"""Titles of whole series, copied from one picture to the next."""
_VERSION = re.compile(r"[\s_.-]*(v?\d[\d.]*|remix|final|architetto|francesco\w*|\w{1,3}\.)$", re.IGNORECASE)


def read_clip_art(artist: str, folder: Path) -> Iterator[Drawing]:
    """Drawings of the unpacked package whose file declares the public domain."""
    root = folder / "usr" / "share" / "openclipart" / "svg"
    for file in sorted(root.rglob("*.svg")):
        place = file.relative_to(root)
        if LEFT_OUT.search(place.parent.as_posix()):
            continue
        svg = file.read_text(encoding="utf-8", errors="replace")
        license = _LICENSE.search(svg)
        if len(svg) > LONGEST or not license or not PUBLIC_DOMAIN.search(license[1]):
            continue
        title = _TITLE.search(svg)
        keywords = [_plain(word) for word in _KEYWORD.findall(svg)]
        said = _plain(title[1] if title else "")
        titled = "" if _SERIES.search(said) else _without_version(said)
        names = (titled, _without_version(file.stem.replace("_", " ")))
        tags = dict.fromkeys([word for word in keywords if word and word != "hash"] + list(place.parent.parts))
        yield Drawing(artist, place.with_suffix("").as_posix(), svg, tuple(filter(None, names)), tuple(tags))


def _plain(words: str) -> str:
    return re.sub(r"[\s_]+", " ", unescape(re.sub(r"<[^>]*>", "", words))).strip().lower()


def _without_version(title: str) -> str:
    """ "apple 01" → "apple"."""
    while shorter := _VERSION.search(title):
        if shorter.start() == 0:
            break
        title = title[: shorter.start()]
    return title.strip()
