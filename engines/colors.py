"""Colours as users, style sheets and drawings write them."""

from __future__ import annotations

import re
from functools import lru_cache

from tinycss2 import color4

from engines.errors import EngineError

__all__ = ["CURRENT_COLOR", "parse_color", "parse_css_color", "parse_palette"]

CURRENT_COLOR = "currentcolor"

_HEX = re.compile(r"#?(?P<digits>[0-9a-fA-F]{6}|[0-9a-fA-F]{3})$")
_LONGEST = 200  # characters of a colour


def parse_color(text: str) -> tuple[float, float, float]:
    """ "#f80", "#ff8800", "ff8800", "rgb(255, 136, 0)" or any other CSS colour (alpha is ignored) → RGB in [0, 1]."""
    text = text.strip()
    color = parse_css_color(f"#{text}" if _HEX.match(text) and text[0] != "#" else text)
    if color is None or color == CURRENT_COLOR:
        raise EngineError("'{text}' is not a colour; write it like #ff8800.", text=text[:40])
    return color[:3]


def parse_palette(text: str) -> list[tuple[float, float, float]]:
    """Colours separated by spaces or commas: "#000 #c00 #fff"."""
    return [parse_color(part) for part in re.split(r"[\s,;]+", text.strip()) if part]


def parse_css_color(text: str) -> tuple[float, float, float, float] | str | None:
    """A colour of CSS Color Level 4 as straight RGBA in [0, 1], `CURRENT_COLOR`, or None for anything else.

    Colours outside sRGB are clipped to it.
    """
    return _parse(text) if len(text) <= _LONGEST else None


@lru_cache(4096)
def _parse(text: str) -> tuple[float, float, float, float] | str | None:
    try:
        color = color4.parse_color(text)
        if color is None or color == CURRENT_COLOR:
            return color
        red, green, blue = _srgb(color)
    except (ValueError, ArithmeticError, NotImplementedError, RecursionError):
        return None
    return (*(min(max(value, 0.0), 1.0) for value in (red, green, blue)), color.alpha)


def _srgb(color: color4.Color) -> tuple[float, float, float]:
    if color.space in ("oklab", "oklch"):
        return _from_xyz(*color.to("xyz-d65").coordinates)
    if color.space in ("lab", "lch"):
        return _from_xyz(*_to_d65(*color.to("xyz-d50").coordinates))
    return color.to("srgb").coordinates


def _to_d65(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Bradford adaptation of XYZ from D50 to D65 (CSS Color 4, §18 sample code)."""
    return (
        0.955473421488075 * x - 0.02309845494876471 * y + 0.06325924320057072 * z,
        -0.0283697093338637 * x + 1.0099953980813041 * y + 0.021041441191917323 * z,
        0.012314014864481998 * x - 0.020507649298898964 * y + 1.330365926242124 * z,
    )


def _from_xyz(x: float, y: float, z: float) -> tuple[float, float, float]:
    """sRGB with its transfer curve from XYZ at D65 (IEC 61966-2-1)."""
    linear = (
        3.2409699 * x - 1.5373832 * y - 0.4986108 * z,
        -0.9692436 * x + 1.8759675 * y + 0.0415551 * z,
        0.0556301 * x - 0.2039770 * y + 1.0569715 * z,
    )
    red, green, blue = (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055 for v in linear)
    return red, green, blue
