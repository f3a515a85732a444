"""One drawing of a package, before it has pixels."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Drawing"]


@dataclass(frozen=True)
class Drawing:
    """key: its name inside the package, unique per artist. svg: the whole document.

    names: what the package calls it, best first. tags: further words. emoji: its Unicode characters, if it is one.
    """

    artist: str
    key: str
    svg: str
    names: tuple[str, ...]
    tags: tuple[str, ...] = ()
    emoji: str = ""
