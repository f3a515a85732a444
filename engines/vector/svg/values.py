"""Numbers, lengths and transforms as SVG and CSS write them. Every scan is linear in the text."""

from __future__ import annotations

import math
import re

import numpy as np

from engines.errors import Sentence
from engines.vector.svg.budget import Budget, shown

__all__ = ["IDENTITY", "length", "numbers", "opacity", "parse_length", "parse_transform", "translation"]

NUMBER = re.compile(r"[-+]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]++)?")
LENGTH = re.compile(rf"\s*+({NUMBER.pattern})\s*+(%|[a-zA-Z]*+)\s*+")
FUNCTION = re.compile(r"[\s,]*+([a-zA-Z]++)\s*+\(([^()]*+)\)")
SEPARATOR = re.compile(r"[\s,]++")
PIXELS_PER = {
    "": 1, "px": 1, "pt": 4 / 3, "pc": 16, "mm": 96 / 25.4, "cm": 96 / 2.54, "q": 96 / 101.6, "in": 96, "em": 16,
    "rem": 16, "ex": 8, "ch": 8,
}  # fmt: skip
DEGREES_PER = {"": 1, "deg": 1, "grad": 0.9, "rad": 180 / math.pi, "turn": 360}
IDENTITY = np.eye(3)


def numbers(text: str, limit: int = 6) -> list[float]:
    """The leading finite numbers, at most `limit`, of a list such as a viewBox or the points of a polygon."""
    values, position = [], 0
    while len(values) < limit:
        found = SEPARATOR.match(text, position)
        position = found.end() if found else position
        found = NUMBER.match(text, position)
        if not found or not math.isfinite(value := float(found[0])):
            break
        values.append(value)
        position = found.end()
    return values


def parse_length(text: str, whole: float) -> float | None:
    """A length in px; `whole` is 100%. None where the text is no length."""
    found = LENGTH.fullmatch(text)
    if not found:
        return None
    unit = found[2].lower()
    factor = whole / 100 if unit == "%" else PIXELS_PER.get(unit)
    value = float(found[1]) * factor if factor is not None else math.nan
    return value if math.isfinite(value) else None


def length(text: str, whole: float) -> float:
    """A length in px, 0 where the text is none."""
    return parse_length(text, whole) or 0.0


def opacity(text: str) -> float:
    """A number or percentage clamped to [0, 1]; 1 where the text is neither."""
    value = parse_length(text, 1.0)
    return 1.0 if value is None else min(max(value, 0.0), 1.0)


# ---------------------------------------------------------------------------------------------- transforms


def translation(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def parse_transform(text: str, size: tuple[float, float], budget: Budget) -> np.ndarray:
    """A transform list, of SVG's attribute or CSS's property, as a 3 × 3 matrix.

    `size`: of the viewport in px, for percentages. Raises `ValueError` with a `Sentence` for an unreadable list.
    """
    result, position = IDENTITY, 0
    text = text.strip()
    while position < len(text) and text != "none":
        found = FUNCTION.match(text, position)
        if not found:
            raise ValueError(_unreadable(text))
        budget.spend("transforms")
        try:
            result = result @ _function(found[1], _arguments(found[1], found[2], size))
        except (KeyError, ValueError):
            raise ValueError(_unreadable(found[0])) from None
        position = found.end()
    if not np.isfinite(result).all():
        raise ValueError(_unreadable(text))
    return result


def _unreadable(text: str) -> Sentence:
    return Sentence("The SVG drawing has a transform that cannot be read: {transform}.", transform=shown(text))


def _arguments(name: str, text: str, size: tuple[float, float]) -> list[float]:
    """Arguments in px and degrees."""
    if len(text) > 1000:
        raise ValueError
    values = []
    for index, part in enumerate(_parts(text)):
        found = LENGTH.fullmatch(part)
        if not found:
            raise ValueError
        unit = found[2].lower()
        if name.lower().startswith(("rotate", "skew")) and (index == 0 or name.startswith("skew")):
            factor = DEGREES_PER[unit]
        elif unit == "%" and name.startswith("translate"):
            factor = size[1 if name == "translateY" else index % 2] / 100
        else:
            factor = 0.01 if unit == "%" else PIXELS_PER[unit]
        values.append(float(found[1]) * factor)
    return values


def _parts(text: str) -> list[str]:
    """Numbers with their units; "1-2" is two of them."""
    return re.findall(rf"{NUMBER.pattern}(?:%|[a-zA-Z]*+)|[^\s,]", text)


def _function(name: str, values: list[float]) -> np.ndarray:
    match name, values:
        case "matrix", [a, b, c, d, e, f]:
            return np.array([[a, c, e], [b, d, f], [0, 0, 1]])
        case (("translate" | "translateX"), [x]):
            return translation(x, 0)
        case "translateY", [y]:
            return translation(0, y)
        case "translate", [x, y]:
            return translation(x, y)
        case "scale", [s]:
            return np.diag([s, s, 1.0])
        case "scaleX", [x]:
            return np.diag([x, 1, 1.0])
        case "scaleY", [y]:
            return np.diag([1, y, 1.0])
        case "scale", [x, y]:
            return np.diag([x, y, 1.0])
        case (("rotate" | "rotateZ"), [angle]):
            cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        case "rotate", [angle, x, y]:
            return translation(x, y) @ _function("rotate", [angle]) @ translation(-x, -y)
        case "skewX", [angle]:
            return _skew(angle, 0)
        case "skewY", [angle]:
            return _skew(0, angle)
        case "skew", [x]:
            return _skew(x, 0)
        case "skew", [x, y]:
            return _skew(x, y)
    raise ValueError


def _skew(x: float, y: float) -> np.ndarray:
    return np.array([[1, math.tan(math.radians(x)), 0], [math.tan(math.radians(y)), 1, 0], [0, 0, 1]])


def parse_origin(text: str, size: tuple[float, float]) -> tuple[float, float]:
    """The point of `transform-origin` in px; percentages and keywords refer to a viewport of `size`."""
    named = {"left": "0%", "top": "0%", "center": "50%", "right": "100%", "bottom": "100%"}
    words = text[:200].lower().split()[:2]
    if len(words) == 2 and (words[0] in ("top", "bottom") or words[1] in ("left", "right")):
        words.reverse()
    if len(words) == 1:
        words = ["center", words[0]] if words[0] in ("top", "bottom") else [words[0], "center"]
    x, y = (length(named.get(word, word), whole) for word, whole in zip(words, size, strict=True))
    return x, y
