"""Reads the icon sets of `@iconify-json/*`: SVG bodies, their names and, for some sets, their Unicode characters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from world.artists.drawing import Drawing

__all__ = ["read_icons"]

LEFT_OUT = re.compile(
    r"skin-tone|tone[1-5]|-(light|medium|dark|medium-light|medium-dark)$|^flag-(?!in-hole)|[a-z]{5}flag$"
    r"|^(regional-indicator|letter|digit|keycap)-|oclock$|-thirty$|^emoji-modifier"
)
"""Skin tones, flags, letters, digits and clock faces: alike but for what a small drawing cannot show."""
_SIZE = re.compile(r"-(16|20|24|28|32|48)$")
_INK = "#222"
"""Colour of what a package draws in the colour of the text around it."""


def read_icons(artist: str, folder: Path) -> Iterator[Drawing]:
    """Drawings of an unpacked package, one per icon; of one icon in several sizes the largest."""
    icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    flags = _country_flags(folder / "metadata.json")
    names = list(_largest(name for name in icons["icons"] if name not in flags and not LEFT_OUT.search(name)))
    aliases = _aliases(icons.get("aliases", {}))
    characters = _characters(folder / "chars.json")
    for name in names:
        body = icons["icons"][name]
        width, height = (body.get(side, icons.get(side, 16)) for side in ("width", "height"))
        left, top = body.get("left", 0), body.get("top", 0)
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}" color="{_INK}">'
            f"{body['body'].replace('currentColor', _INK)}</svg>"
        )
        words = [name, *aliases.get(name, ())]
        yield Drawing(artist, name, svg, tuple(map(_spoken, words)), emoji=characters.get(name, ""))


def _country_flags(file: Path) -> set[str]:
    """Icons of a category of flags that do not say so: "turkey" is a country there."""
    categories = json.loads(file.read_text(encoding="utf-8")).get("categories") or {} if file.exists() else {}
    return {name for name in categories.get("Flags", ()) if "flag" not in name}


def _largest(names) -> Iterator[str]:
    """Of "star-16" and "star-48" only the latter."""
    best: dict[str, tuple[int, str]] = {}
    for name in names:
        size = _SIZE.search(name)
        best_known = best.get(_SIZE.sub("", name), (-1, ""))
        best[_SIZE.sub("", name)] = max(best_known, (int(size[1]) if size else 0, name))
    return (name for _, name in best.values())


def _aliases(aliases: dict[str, dict]) -> dict[str, list[str]]:
    """Icon → its other names; mirrored and turned copies are no names."""
    plain = {name: alias["parent"] for name, alias in aliases.items() if set(alias) == {"parent"}}
    others: dict[str, list[str]] = {}
    for name, parent in plain.items():
        others.setdefault(parent, []).append(name)
    return others


def _characters(file: Path) -> dict[str, str]:
    """Icon → Unicode characters; "1f600" and "1f468-200d-1f373" as the package spells them."""
    if not file.exists():
        return {}
    listed = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(listed, dict):
        return {}
    return {name: "".join(chr(int(code, 16)) for code in codes.split("-")) for codes, name in listed.items()}


def _spoken(name: str) -> str:
    return _SIZE.sub("", name).replace("-", " ").replace("_", " ").strip()
