"""Areas of painted paths as polygons, where a path alone cannot say what is visible: clips, outlines, overlaps.

Areas are shapely geometries in canvas px. Functions return None when the work exceeds the budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import LinearRing, LineString, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from engines.vector.scene import MOVE, Paint
from engines.vector.svg.budget import Budget

__all__ = ["CAPS", "JOINS", "Item", "Pen", "flatten", "item_area", "outline", "path_area", "path_of", "share"]

CAPS = {"butt": "flat", "square": "square", "round": "round"}
JOINS = {"miter": "mitre", "round": "round", "bevel": "bevel", "miter-clip": "mitre", "arcs": "mitre"}
MAX_LINES = 20_000
MAX_PIECES = 32
MAX_PAIRS = 50_000
"""Of lines in one path whose boxes meet, beside neighbours."""
BASE_COST = 50
CHUNK = 256

RGBA = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Item:
    """One painted path. points: (n, 2) control points in canvas px; segments as in `Scene.from_paths`."""

    points: np.ndarray
    segments: list[int]
    half_width: float
    color: RGBA
    paint: Paint

    @property
    def bounds(self) -> np.ndarray:
        """x0, y0, x1, y1 of the control points, widened by a stroke's half-width."""
        grow = self.half_width
        return np.concatenate([self.points.min(0) - grow, self.points.max(0) + grow])


@dataclass(frozen=True)
class Pen:
    """How a line is stroked, in the units of its points; SVG's names of caps and joins."""

    half_width: float
    cap: str = "round"
    join: str = "round"
    miter_limit: float = 4.0


def flatten(points: np.ndarray, segments: list[int], tolerance: float) -> list[np.ndarray]:
    """The subpaths of a path as polylines, (n, 2) each, that leave its curves by at most `tolerance`."""
    subpaths, current, at = [], [points[:1]], 0
    for inner in segments:
        if inner == MOVE:
            subpaths.append(np.concatenate(current))
            at += 1
            current = [points[at : at + 1]]
            continue
        control = points[at : at + inner + 2]
        current.append(_curve(control, tolerance) if inner > 0 else control[1:])
        at += inner + 1
    subpaths.append(np.concatenate(current))
    return subpaths


def _curve(control: np.ndarray, tolerance: float) -> np.ndarray:
    """Points along a Bézier curve after its first, enough of them for the bound by its second differences."""
    bend = np.abs(np.diff(control, n=2, axis=0)).sum(1).max()
    degree = len(control) - 1
    pieces = math.sqrt(min(degree * (degree - 1) * bend / (8 * tolerance), MAX_PIECES**2))
    t = np.linspace(0, 1, max(1, math.ceil(pieces)) + 1)[1:, None]
    s = 1 - t
    weights = [s**2, 2 * s * t, t**2] if degree == 2 else [s**3, 3 * s**2 * t, 3 * s * t**2, t**3]
    return sum(weight * point for weight, point in zip(weights, control, strict=True))


# ---------------------------------------------------------------------------------------------- areas


def item_area(item: Item, tolerance: float, budget: Budget) -> BaseGeometry | None:
    """What an item covers."""
    if not budget.afford("geometry", BASE_COST):
        return None
    subpaths = flatten(item.points, item.segments, tolerance)
    if item.paint == Paint.STROKE:
        return outline(subpaths, Pen(item.half_width), tolerance, budget)
    return path_area(subpaths, item.paint == Paint.EVENODD, budget)


def path_area(subpaths: list[np.ndarray], even_odd: bool, budget: Budget) -> BaseGeometry | None:
    """The inside of closed polylines by the even-odd or the nonzero rule."""
    rings = [ring for ring in map(_closed, subpaths) if len(ring) >= 4]
    if not rings:
        return Polygon()
    starts, ends = np.concatenate([ring[:-1] for ring in rings]), np.concatenate([ring[1:] for ring in rings])
    if not share(starts, ends, 0.0, budget):
        return None
    try:
        if len(rings) == 1 and (polygon := Polygon(rings[0])).is_valid:
            return polygon
        lines = shapely.unary_union([LineString(ring) for ring in rings])
        faces = [face for face in shapely.polygonize([lines]).geoms if face.area > 0]
        if not budget.afford("geometry", len(faces) * len(starts) // 200):
            return None
        inside = [face for face in faces if _is_inside(_winding(face, starts, ends), even_odd)]
        return shapely.unary_union(inside) if inside else Polygon()
    except shapely.errors.GEOSException:
        return None


def _closed(points: np.ndarray) -> np.ndarray:
    ring = np.concatenate([points, points[:1]])
    different = np.concatenate([[True], (np.diff(ring, axis=0) != 0).any(1)])
    return ring[different]


def _winding(face: Polygon, starts: np.ndarray, ends: np.ndarray) -> int:
    """How often the lines turn around a point of the face."""
    inside = face.representative_point()
    below, after = starts[:, 1] <= inside.y, ends[:, 1] <= inside.y
    crosses = below != after
    (x0, y0), (x1, y1) = starts[crosses].T, ends[crosses].T
    is_right = x0 + (inside.y - y0) * (x1 - x0) / (y1 - y0) > inside.x
    return int(np.where(below[crosses], 1, -1)[is_right].sum())


def _is_inside(winding: int, even_odd: bool) -> bool:
    return bool(winding % 2 if even_odd else winding)


def outline(subpaths: list[np.ndarray], pen: Pen, tolerance: float, budget: Budget) -> BaseGeometry | None:
    """What a stroke along polylines covers."""
    arc = math.acos(max(0.0, 1 - tolerance / pen.half_width)) if pen.half_width > 0 else 0.0
    style = {
        "quad_segs": min(MAX_PIECES, math.ceil(math.pi / 4 / arc)) if arc else 1,
        "join_style": JOINS.get(pen.join, "mitre"),
        "mitre_limit": max(pen.miter_limit, 1.0),
    }
    areas = []
    for points in subpaths:
        points = points[np.concatenate([[True], (np.diff(points, axis=0) != 0).any(1)])]
        if not share(points[:-1], points[1:], pen.half_width, budget):
            return None
        try:
            areas.append(_stroked(points, pen, style))
        except shapely.errors.GEOSException:
            return None
    return shapely.unary_union(areas)


def _stroked(points: np.ndarray, pen: Pen, style: dict) -> BaseGeometry:
    cap = CAPS.get(pen.cap, "flat")
    if len(points) == 1:  # a dot
        is_seen = cap != "flat"
        return Point(points[0]).buffer(pen.half_width, style["quad_segs"], cap_style=cap) if is_seen else Polygon()
    is_ring = len(points) > 3 and (points[0] == points[-1]).all()
    line = LinearRing(points) if is_ring else LineString(points)
    return line.buffer(pen.half_width, cap_style=cap, **style)


def share(starts: np.ndarray, ends: np.ndarray, margin: float, budget: Budget) -> bool:
    """Whether the budget has room for lines that are compared with each other; takes the pairs whose boxes meet."""
    count = len(starts)
    if not budget.afford("geometry", BASE_COST + count) or count > MAX_LINES:
        return False
    if count <= 64:
        return budget.afford("geometry", count * count // 16)
    low, high = np.minimum(starts, ends) - margin, np.maximum(starts, ends) + margin
    boxes = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
    tree, pairs = shapely.STRtree(boxes), 0
    for at in range(0, count, CHUNK):
        pairs += tree.query(boxes[at : at + CHUNK]).shape[1] // 2
        if pairs > MAX_PAIRS + 3 * count:
            return False
    return budget.afford("geometry", pairs)


def path_of(area: BaseGeometry) -> tuple[np.ndarray, list[int]] | None:
    """Points and segments of an area as closed subpaths for the even-odd rule; None where there is none."""
    polygons = [part for part in getattr(area, "geoms", [area]) if isinstance(part, Polygon | MultiPolygon)]
    rings = []
    for polygon in polygons:
        for part in getattr(polygon, "geoms", [polygon]):
            rings += [np.asarray(ring.coords)[:-1] for ring in (part.exterior, *part.interiors) if not ring.is_empty]
    if not rings:
        return None
    segments: list[int] = []
    for ring in rings:
        segments += ([MOVE] if segments else []) + [0] * (len(ring) - 1)
    return np.concatenate(rings), segments
