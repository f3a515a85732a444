"""Coordinate systems that SVG establishes: the canvas, nested <svg> and <symbol> with viewBox (SVG 2, chapter 8)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from engines.errors import EngineError
from engines.vector.svg.values import IDENTITY, numbers, parse_length, translation

__all__ = ["Measure", "Viewport", "inner_viewport", "root_viewport"]

MAX_SIDE = 1e5


@dataclass(frozen=True)
class Measure:
    """Reads an element's lengths in px: CSS geometry properties, else attributes; percentages of a viewport `size`."""

    element: Element
    css: dict[str, str]
    size: tuple[float, float]

    def optional(self, name: str, whole: float) -> float | None:
        """The length of a name, None where it is not given or cannot be read."""
        return parse_length(self.css.get(name, self.element.get(name, "")), whole)

    def x(self, name: str) -> float:
        return self.optional(name, self.size[0]) or 0.0

    def y(self, name: str) -> float:
        return self.optional(name, self.size[1]) or 0.0

    @property
    def diagonal(self) -> float:
        """100% of a length that is neither horizontal nor vertical."""
        return diagonal(self.size)


def diagonal(size: tuple[float, float]) -> float:
    return ((size[0] ** 2 + size[1] ** 2) / 2) ** 0.5


@dataclass(frozen=True, eq=False)
class Viewport:
    """An area with its own units. matrix: 3 × 3, from those units to the outer ones. size: 100% in those units.

    corners: (4, 2) the area in outer units.
    """

    matrix: np.ndarray
    size: tuple[float, float]
    corners: np.ndarray


def root_viewport(measure: Measure) -> tuple[float, float, Viewport]:
    """Canvas width and height in px, and the viewport that fills it."""
    box = _view_box(measure.element)
    natural = (box[2], box[3]) if box else (300.0, 150.0)  # CSS' size of a drawing that names none
    width, height = (_own_length(measure, side) for side in ("width", "height"))
    width, height = (
        width or (height * natural[0] / natural[1] if height and box else natural[0]),
        height or (width * natural[1] / natural[0] if width and box else natural[1]),
    )
    if not (0 < width < MAX_SIDE and 0 < height < MAX_SIDE):
        raise EngineError(
            "The SVG drawing's size of {width:g} × {height:g} px is not usable.", width=width, height=height
        )
    return width, height, _viewport(measure.element, 0.0, 0.0, width, height)


def _own_length(measure: Measure, side: str) -> float | None:
    text = measure.css.get(side, measure.element.get(side, ""))
    value = None if "%" in text else parse_length(text, 0.0)
    return value if value and value > 0 else None


def inner_viewport(measure: Measure, given: tuple[float | None, float | None]) -> Viewport | None:
    """The viewport of a nested <svg> or of a <symbol>; `given`: width and height from `use`. None if it is empty."""
    width, height = (
        next(value for value in (outer, measure.optional(side, whole), whole) if value is not None)
        for outer, side, whole in zip(given, ("width", "height"), measure.size, strict=True)
    )
    if width <= 0 or height <= 0:
        return None
    return _viewport(measure.element, measure.x("x"), measure.y("y"), width, height)


def _viewport(element: Element, x: float, y: float, width: float, height: float) -> Viewport:
    corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    box = _view_box(element)
    matrix = translation(x, y) @ (_fit(box, width, height, element.get("preserveAspectRatio", "")) if box else IDENTITY)
    return Viewport(matrix, (box[2], box[3]) if box else (width, height), corners)


def _view_box(element: Element) -> list[float] | None:
    box = numbers(element.get("viewBox", "")[:200])
    return box if len(box) == 4 and box[2] > 0 and box[3] > 0 else None


def _fit(box: list[float], width: float, height: float, rule: str) -> np.ndarray:
    """From a viewBox to a width and height, by `preserveAspectRatio`."""
    words = [word for word in rule[:200].split() if word != "defer"] or ["xMidYMid"]
    sx, sy = width / box[2], height / box[3]
    if words[0] != "none":
        sx = sy = max(sx, sy) if words[1:2] == ["slice"] else min(sx, sy)
    share = {"Min": 0.0, "Mid": 0.5, "Max": 1.0}
    dx = (width - sx * box[2]) * share.get(words[0][1:4], 0.5)
    dy = (height - sy * box[3]) * share.get(words[0][5:8], 0.5)
    return np.array([[sx, 0, dx - sx * box[0]], [0, sy, dy - sy * box[1]], [0, 0, 1]])
