"""The pictures to borrow a style from that are part of the program, painted by `training/swatches`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from engines.files import ASSETS

__all__ = ["NO_SWATCH", "SWATCHES", "Swatch", "SwatchOrNone"]

_FOLDER = ASSETS / "styles"
_NAMES = (
    "impasto", "pointillism", "watercolor", "ink-wash", "pencil", "woodcut", "ukiyo-e", "pop-art", "paper-cut",
    "mosaic", "stained-glass", "cubism", "neon", "pixel-art",
)  # fmt: skip

SWATCHES: dict[str, Path] = {name: _FOLDER / f"{name}.png" for name in _NAMES}
"""Name → PNG file, in the order in which they are offered."""

NO_SWATCH = "none"
"""A choice of none."""
Swatch = Literal[tuple(SWATCHES)]
SwatchOrNone = Literal[(NO_SWATCH, *SWATCHES)]
