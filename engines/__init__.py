"""The methods and the mathematics under them. Knows neither Gradio nor threads nor files of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from engines.engine import Engine

__all__ = ["ENGINES", "register", "unregister"]

_HOMES = {
    "clipdraw": "engines.clipdraw:CLIPDraw",
    "styleclipdraw": "engines.styleclipdraw:StyleCLIPDraw",
    "styleclip-optimize": "engines.styleclip.optimize.engine:StyleCLIPOptimize",
    "styleclip-mapper": "engines.styleclip.mapper.engine:StyleCLIPMapper",
    "styleclip-directions": "engines.styleclip.directions.engine:StyleCLIPDirections",
    "stylegan-nada": "engines.stylegan_nada.engine:StyleGANNada",
    "dreamstyler": "engines.dreamstyler.engine:DreamStyler",
    "unclip": "engines.unclip.engine:UnCLIP",
}
"""Method name → where its engine class lives. Imported on first use: listing the methods must not load torch."""


def register(name: str, home: str) -> None:
    """Add a method. name: as on the command line. home: "module:Class" of its engine, imported on first use."""
    _HOMES[name] = home


def unregister(name: str) -> None:
    """Take a method out again."""
    del _HOMES[name]


class _Engines(Mapping[str, type[Engine]]):
    def __getitem__(self, name: str) -> type[Engine]:
        module, _, attribute = _HOMES[name].partition(":")
        return getattr(import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


ENGINES: Mapping[str, type[Engine]] = _Engines()
"""Method name → engine class, in the order of the tabs."""
