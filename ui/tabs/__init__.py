"""The tabs of the page, one module each.

A module of a tab has a `TITLE` and `METHODS`, method name → the function that lays it out in a context and returns its
session; several methods share the tab as tabs within it. A method outside this program also has `TEXTS`: a JSON file
of its words, {"page": {"en": {…}, "ko": {…}}, "settings.ko": {…}, "sentences.ko": {…}}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ui.tabs import clipdraw, dreamstyler, styleclip, styleclipdraw, stylegan_nada, unclip

__all__ = ["TABS", "Tab", "texts_of"]


class Tab(Protocol):
    """The names that a module of a tab has."""

    TITLE: str
    METHODS: Mapping[str, Callable[[Any], Any]]


TABS: tuple[Tab, ...] = (clipdraw, styleclipdraw, styleclip, stylegan_nada, dreamstyler, unclip)
"""In the order of the page."""


def texts_of(tabs: Sequence[Tab]) -> list[Path]:
    """The files of words that tabs bring."""
    return [tab.TEXTS for tab in tabs if hasattr(tab, "TEXTS")]
