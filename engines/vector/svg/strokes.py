"""Shapes as painted items: the fill, and the stroke as a stroke or, where a stroke cannot say it, as its outline."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from engines.errors import Sentence
from engines.vector.scene import MOVE, Paint
from engines.vector.svg.budget import Budget, Notices
from engines.vector.svg.geometry import BASE_COST, RGBA, Item, Pen, flatten, outline, path_of
from engines.vector.svg.shapes import chain_of
from engines.vector.svg.style import Stylist
from engines.vector.svg.values import parse_length
from engines.vector.svg.viewport import Measure, diagonal

__all__ = ["Brush"]

LARGEST = 1e30
"""px; coordinates beyond it overflow in float32 arithmetic."""
UNIFORM = 1.01
"""Up to this ratio between the two scales of a transform a stroke stays a stroke."""
THIN = 2.0
"""px; up to this width the ends of a straight line may be round whatever the transform makes of them."""

Path = tuple[np.ndarray, list[int]]


class Brush:
    """Paints shapes. tolerance: px by which outlines may leave curves."""

    def __init__(self, stylist: Stylist, tolerance: float, budget: Budget, notices: Notices):
        self._stylist, self._tolerance, self._budget, self._notices = stylist, tolerance, budget, notices
        self._chains: dict[tuple[Element, tuple[float, float]], Path | None] = {}

    def paint(
        self, element: Element, transform: np.ndarray, style: dict[str, str], size: tuple[float, float]
    ) -> list[Item]:
        """The items of a shape, back to front."""
        if style["visibility"] != "visible":
            return []
        path = self.path(element, transform, size)
        if path is None:
            return []
        if any(style[f"marker-{place}"] != "none" for place in ("start", "mid", "end")):
            self._notices.add(Sentence("Markers are left out."))
        items = [] if element.tag == "line" else self._fill(path, style)
        stroke = self._stroke(element, path, transform, style, size)
        if style["paint-order"].startswith(("stroke", "markers stroke")):
            return stroke + items
        return items + stroke

    def path(self, element: Element, transform: np.ndarray, size: tuple[float, float]) -> Path | None:
        """Points in canvas px and segments of a shape; None where it has none."""
        own = self._own_path(element, size)
        if own is None:
            return None
        self._budget.spend("points", len(own[0]))
        points = own[0] @ transform[:2, :2].T + transform[:2, 2]
        if not (np.abs(points) < LARGEST).all():
            self._notices.add(Sentence("A shape was left out: its coordinates must be finite numbers below 10^30."))
            return None
        return points, own[1]

    def _own_path(self, element: Element, size: tuple[float, float]) -> Path | None:
        """The path in the element's units."""
        key = element, size
        if key not in self._chains:
            chain = chain_of(Measure(element, self._stylist.css(element), size), self._budget, self._notices)
            self._chains[key] = (np.array(chain.points, dtype=float), chain.segments) if chain.segments else None
        return self._chains[key]

    def _fill(self, path: Path, style: dict[str, str]) -> list[Item]:
        color = self._stylist.paint(style, "fill")
        if color is None or not np.ptp(path[0], axis=0).any():
            return []
        return [Item(*path, 0.0, color, Paint.EVENODD if style["fill-rule"] == "evenodd" else Paint.NONZERO)]

    # ------------------------------------------------------------------------------ strokes

    def _stroke(
        self, element: Element, path: Path, transform: np.ndarray, style: dict[str, str], size: tuple[float, float]
    ) -> list[Item]:
        color = self._stylist.paint(style, "stroke")
        width = parse_length(style["stroke-width"], diagonal(size))
        width = 1.0 if width is None else width
        if color is None or width <= 0:
            return []
        if style["stroke-linecap"] not in ("round", "square"):
            path = _without_dots(*path)
        if not path[1]:
            return []
        if style["stroke-dasharray"] not in ("none", "0", ""):
            self._notices.add(Sentence("Dashed lines are drawn solid."))
        is_fixed = self._stylist.own(element).get("vector-effect") == "non-scaling-stroke"
        large, small = np.linalg.svd(transform[:2, :2], compute_uv=False)
        own, scale = self._own_path(element, size), float(np.sqrt(large * small))
        if is_fixed:
            scale = 1.0
        elif large > UNIFORM * small:
            scale = _scale_across(own[0], transform[:2, :2])
            if scale is None or width * scale > THIN:
                return self._outlined(own, transform, _pen(style, width), color)
        self._tell_ends(path, style)
        return [Item(*path, width * scale / 2, color, Paint.STROKE)]

    def _outlined(self, own: Path, transform: np.ndarray, pen: Pen, color: RGBA) -> list[Item]:
        """A stroke under a transform that scales its width differently along its way, as a filled area."""
        linear = transform[:2, :2]
        large, small = np.linalg.svd(linear, compute_uv=False)
        if small < 1e-9 * large:
            return []
        tolerance = self._tolerance / float(large)
        area = None
        if self._budget.afford("geometry", BASE_COST):
            area = outline(flatten(*own, tolerance), pen, tolerance, self._budget)
        found = path_of(area) if area is not None else None
        if found is None:
            if area is None:
                self._notices.add(
                    Sentence("A stroke under an uneven scale is too complicated; it is drawn with its mean width.")
                )
                points = own[0] @ linear.T + transform[:2, 2]
                return [Item(points, own[1], pen.half_width * float(np.sqrt(large * small)), color, Paint.STROKE)]
            return []
        self._budget.spend("points", len(found[0]))
        return [Item(found[0] @ linear.T + transform[:2, 2], found[1], 0.0, color, Paint.EVENODD)]

    def _tell_ends(self, path: Path, style: dict[str, str]) -> None:
        points, segments = path
        is_open = MOVE in segments or (points[0] != points[-1]).any()
        has_corners = len(segments) > 1
        if (is_open and style["stroke-linecap"] != "round") or (has_corners and style["stroke-linejoin"] != "round"):
            self._notices.add(Sentence("Line ends and corners are drawn round."))


def _scale_across(points: np.ndarray, linear: np.ndarray) -> float | None:
    """By how much a transform scales the width of a straight line; None for a path that is not straight."""
    along = points - points[0]
    longest = along[np.abs(along).sum(1).argmax()]
    span = float(np.hypot(*longest))
    if span == 0 or np.abs(along[:, 0] * longest[1] - along[:, 1] * longest[0]).max() > 1e-9 * span * span:
        return None
    stretched = float(np.hypot(*(linear @ longest))) / span
    return abs(float(np.linalg.det(linear))) / stretched if stretched > 0 else None


def _pen(style: dict[str, str], width: float) -> Pen:
    limit = parse_length(style["stroke-miterlimit"], 0.0)
    return Pen(width / 2, style["stroke-linecap"], style["stroke-linejoin"], 4.0 if limit is None else limit)


def _without_dots(points: np.ndarray, segments: list[int]) -> Path:
    """The path without subpaths of no length, which flat caps leave invisible."""
    kept_points, kept_segments = [], []
    at = first = begin = 0
    for index, inner in enumerate([*segments, MOVE]):
        if inner != MOVE:
            at += inner + 1
            continue
        own = points[first : at + 1]
        if np.ptp(own, axis=0).any():
            kept_segments += ([MOVE] if kept_segments else []) + segments[begin:index]
            kept_points.append(own)
        at += 1
        first, begin = at, index + 1
    return np.concatenate(kept_points) if kept_points else points[:0], kept_segments
