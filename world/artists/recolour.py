"""True colour variants: the fills of a drawing's main hue are changed in its SVG, shading and details stay."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Callable

import numpy as np

__all__ = ["COLOURS", "main_hue", "recolour"]

COLOURS: dict[str, tuple[float | None, float, float]] = {
    "red": (0.0, 0.85, 0.45),
    "orange": (0.08, 0.95, 0.52),
    "yellow": (0.145, 0.95, 0.55),
    "green": (0.35, 0.6, 0.4),
    "turquoise": (0.49, 0.7, 0.45),
    "blue": (0.61, 0.75, 0.48),
    "purple": (0.77, 0.55, 0.47),
    "pink": (0.93, 0.85, 0.72),
    "brown": (0.06, 0.5, 0.32),
    "black": (None, 0.0, 0.13),
    "grey": (None, 0.0, 0.55),
    "white": (None, 0.0, 0.93),
}
"""Name → hue (None: no hue), saturation and lightness, all in [0, 1] (HLS)."""
WIDTH = 0.11
"""Hues so near to the main one change with it."""
LEAST = 0.3
"""Share of the drawn area that the main hue must fill."""
_HEX = re.compile(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b")
_RGB = re.compile(r"rgb\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)")


def main_hue(picture: np.ndarray) -> tuple[float, float] | None:
    """(hue, mean lightness) of the hue that fills most of a (H, W, 4) uint8 drawing; None when none fills LEAST."""
    pixels = picture[picture[..., 3] > 128][:, :3].astype(np.float32) / 255
    if not len(pixels):
        return None
    high, low = pixels.max(1), pixels.min(1)
    is_coloured = high - low > 0.16
    coloured = pixels[is_coloured]
    hues = np.array([colorsys.rgb_to_hls(*pixel)[0] for pixel in coloured[:: max(1, len(coloured) // 400)]])
    if not len(hues):
        return None
    bins = np.bincount((hues * 24).astype(int) % 24, minlength=24)
    smooth = bins + np.roll(bins, 1) + np.roll(bins, -1)
    hue = (int(smooth.argmax()) + 0.5) / 24
    near = _distance(hues, hue) < WIDTH
    if near.mean() * is_coloured.mean() < LEAST:
        return None
    lightness = ((high + low) / 2)[is_coloured]
    return hue, float(lightness.mean())


def recolour(svg: str, hue: float, lightness: float, colour: str) -> str:
    """The SVG with what is near `hue` in `colour`, lighter and darker parts around that colour's own lightness.

    hue, lightness: of `main_hue`. colour: a name of COLOURS.
    """
    target_hue, saturation, target_lightness = COLOURS[colour]

    def change(red: float, green: float, blue: float) -> tuple[float, float, float]:
        own, light, strength = colorsys.rgb_to_hls(red, green, blue)
        if strength * min(light, 1 - light) * 2 < 0.12 or _distance(own, hue) >= WIDTH:
            return red, green, blue
        moved = min(0.97, max(0.04, target_lightness + (light - lightness) * 0.8))
        if target_hue is None:
            return colorsys.hls_to_rgb(0.0, moved, 0.0)
        return colorsys.hls_to_rgb((target_hue + (own - hue + 0.5) % 1 - 0.5) % 1, moved, saturation)

    return _map_colours(svg, change)


def _map_colours(svg: str, change: Callable) -> str:
    def of_hex(match: re.Match) -> str:
        digits = match[1] if len(match[1]) == 6 else "".join(digit * 2 for digit in match[1])
        return _as_hex(change(*(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))))

    def of_rgb(match: re.Match) -> str:
        return _as_hex(change(*(int(value) / 255 for value in match.groups())))

    return _RGB.sub(of_rgb, _HEX.sub(of_hex, svg))


def _as_hex(rgb: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * value):02x}" for value in rgb)


def _distance(hue, other):
    """Around the circle of hues, in [0, 0.5]."""
    return abs((hue - other + 0.5) % 1 - 0.5)
