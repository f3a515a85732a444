"""Colours as people write them."""

from __future__ import annotations

import re

from engines.errors import EngineError

__all__ = ["parse_color", "parse_palette"]

_HEX = re.compile(r"#?(?P<digits>[0-9a-fA-F]{6}|[0-9a-fA-F]{3})$")
_RGB = re.compile(r"rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)")


def parse_color(text: str) -> tuple[float, float, float]:
    """ "#f80", "#ff8800" or "rgb(255, 136, 0)" (alpha is ignored) → RGB in [0, 1]."""
    text = text.strip()
    if match := _HEX.match(text):
        digits = match["digits"]
        digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
        return tuple(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    if match := _RGB.match(text):
        return tuple(min(float(value), 255) / 255 for value in match.groups())
    raise EngineError("'{text}' is not a colour; write it like #ff8800.", text=text[:40])


def parse_palette(text: str) -> list[tuple[float, float, float]]:
    """Colours separated by spaces or commas: "#000 #c00 #fff"."""
    return [parse_color(part) for part in re.split(r"[\s,;]+", text.strip()) if part]
