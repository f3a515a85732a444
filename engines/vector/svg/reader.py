"""Walks an SVG document and collects what it paints, in painter's order, in canvas px."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from engines.errors import EngineError, Sentence
from engines.vector.scene import Scene
from engines.vector.svg.budget import MAX_DEPTH, REASONS, Budget, Notices
from engines.vector.svg.document import parse_document
from engines.vector.svg.effects import Effects
from engines.vector.svg.geometry import Item, flatten, path_area
from engines.vector.svg.shapes import SHAPES
from engines.vector.svg.strokes import Brush
from engines.vector.svg.style import INHERITED, Stylist, reference
from engines.vector.svg.values import opacity, parse_origin, parse_transform, translation
from engines.vector.svg.viewport import Measure, Viewport, inner_viewport, root_viewport

__all__ = ["SvgDocument", "read_document"]

GROUPS = {"svg", "g", "a", "switch", "use"}
LEFT_OUT = {
    "text": Sentence("Text is left out."),
    "image": Sentence("Pictures are left out."),
    "foreignObject": Sentence("Embedded documents are left out."),
}
EFFECTS_LEFT_OUT = {
    "mask": Sentence("Masks are left out."),
    "filter": Sentence("Filters are left out."),
    "mix-blend-mode": Sentence("Blend modes are left out."),
}
ANIMATIONS = {"animate", "animateTransform", "animateMotion", "set"}
LANGUAGE = "en"
TOLERANCE = 2e-4  # of the canvas' diagonal: how far polygons may leave the curves that they replace


@dataclass(frozen=True, eq=False)
class SvgDocument:
    """A drawing that was read.

    scene: what it paints. background: RGB in [0, 1] of the rectangle that `save_svg` wrote behind it, if it did.
    notices: sentences on what was left out or not understood.
    """

    scene: Scene
    background: tuple[float, float, float] | None
    notices: tuple[str, ...]


def read_document(data: bytes, name: str) -> SvgDocument:
    """The drawing in an SVG file's XML; `name` stands in error messages."""
    budget, notices = Budget(), Notices()
    document = parse_document(data, name, budget, notices)
    with np.errstate(all="ignore"):  # shapes that overflow are left out with a notice
        reader = _Reader(document, Stylist(document, budget, notices), budget, notices)
        reader.read()
    if not reader.items:
        empty = Sentence("no stroked or filled shape was found.")
        if document.declares_entities:
            empty = Sentence("it declares XML entities, and no stroked or filled shape was found.")
        reason = next(iter(notices), empty)
        raise EngineError("The SVG file '{name}' draws nothing that can be used: {reason}", name=name, reason=reason)
    items = reader.items
    scene = Scene.from_paths(
        [item.points for item in items],
        [item.segments for item in items],
        [item.half_width for item in items],
        [item.color for item in items],
        *reader.canvas,
        paints=[item.paint for item in items],
    )
    return SvgDocument(scene, reader.background, tuple(notices))


@dataclass(frozen=True, eq=False)
class _Context:
    """What an element inherits. transform: 3 × 3, from its units to canvas px. size: of its viewport, in its units."""

    transform: np.ndarray
    style: dict[str, str]
    size: tuple[float, float]


class _Reader:
    """Collects the items of a document."""

    def __init__(self, document, stylist: Stylist, budget: Budget, notices: Notices):
        self.items: list[Item] = []
        self.background: tuple[float, float, float] | None = None
        self._document, self._stylist, self._budget, self._notices = document, stylist, budget, notices
        root = document.root
        width, height, self._view = root_viewport(Measure(root, stylist.css(root), (0.0, 0.0)))
        self.canvas = width, height
        tolerance = TOLERANCE * float(np.hypot(width, height))
        self._brush = Brush(stylist, tolerance, budget, notices)
        self._effects = Effects(tolerance, budget, notices)
        self._active: set[Element] = set()
        self._regions: dict[tuple, BaseGeometry | None] = {}

    def read(self) -> None:
        if any(element.tag in ANIMATIONS for element in self._document.root.iter()):
            self._notices.add(Sentence("Animations are left out."))
        self._walk(self._document.root, _Context(self._view.matrix, INHERITED, self._view.size))

    def _walk(
        self, element: Element, context: _Context, given: tuple[float | None, float | None] = (None, None)
    ) -> None:
        """Draw an element. `given`: the size that `use` wants of a <symbol> or <svg>."""
        self._budget.spend("visits")
        if len(self._active) > MAX_DEPTH:
            raise EngineError(REASONS["visits"])
        own = self._stylist.own(element)
        if own.get("display") == "none" or not _speaks_to_us(element):
            return
        if element.get("data-role") == "background":
            self.background = (self._stylist.paint(self._stylist.computed(element, INHERITED), "fill") or (1, 1, 1))[:3]
            return
        if element in self._active:
            self._notices.add(Sentence("A <use> that contains itself repeats its parts too often; it is left out."))
            return
        self._active.add(element)
        first = len(self.items)
        context = _Context(
            context.transform @ self._transform(own, context.size),
            self._stylist.computed(element, context.style),
            context.size,
        )
        self._draw(element, context, given)
        if len(self.items) > first:
            self.items[first:] = self._with_effects(self.items[first:], own, context)
        self._active.discard(element)

    def _draw(self, element: Element, context: _Context, given: tuple[float | None, float | None]) -> None:
        tag = element.tag
        if tag in SHAPES:
            self.items += self._brush.paint(element, context.transform, context.style, context.size)
        elif tag == "use":
            self._use(element, context)
        elif tag == "symbol" or (tag == "svg" and element is not self._document.root):
            self._nested(element, context, given)
        elif tag == "switch":
            for child in [child for child in element if _is_drawable(child) and _speaks_to_us(child)][:1]:
                self._walk(child, context)
        elif tag in GROUPS:
            self._children(element, context)
        elif tag in LEFT_OUT and context.style["visibility"] == "visible":
            self._notices.add(LEFT_OUT[tag])

    def _children(self, element: Element, context: _Context) -> None:
        for child in element:
            if child.tag != "symbol":
                self._walk(child, context)

    def _use(self, element: Element, context: _Context) -> None:
        measure = self._measure(element, context)
        target = self._document.target(element.get("href"))
        if target is None:
            self._notices.add(Sentence("A <use> whose target is not in the file is left out."))
            return
        moved = dataclasses.replace(context, transform=context.transform @ translation(measure.x("x"), measure.y("y")))
        width, height = measure.optional("width", measure.size[0]), measure.optional("height", measure.size[1])
        self._walk(target, moved, (width, height))

    def _nested(self, element: Element, context: _Context, given: tuple[float | None, float | None]) -> None:
        view = inner_viewport(self._measure(element, context), given)
        if view is None:
            return
        first = len(self.items)
        inner = dataclasses.replace(context, transform=context.transform @ view.matrix, size=view.size)
        self._children(element, inner)
        if len(self.items) > first and self._stylist.own(element).get("overflow", "hidden") not in ("visible", "auto"):
            self.items[first:] = self._effects.clipped(self.items[first:], _area_of(view, context.transform))

    def _measure(self, element: Element, context: _Context) -> Measure:
        return Measure(element, self._stylist.css(element), context.size)

    def _transform(self, own: dict[str, str], size: tuple[float, float]) -> np.ndarray:
        try:
            matrix = parse_transform(own.get("transform", ""), size, self._budget)
        except ValueError as error:
            self._notices.add(error.args[0])
            return np.eye(3)
        if origin := own.get("transform-origin"):
            x, y = parse_origin(origin, size)
            matrix = translation(x, y) @ matrix @ translation(-x, -y)
        return matrix

    # ------------------------------------------------------------------------------ effects

    def _with_effects(self, items: list[Item], own: dict[str, str], context: _Context) -> list[Item]:
        """The items of an element after its clip path and opacity; masks and filters are left out."""
        for name, notice in EFFECTS_LEFT_OUT.items():
            if own.get(name, "none") not in ("none", "normal"):
                self._notices.add(notice)
        clip = own.get("clip-path", "none")
        if clip != "none":
            target = self._document.by_id.get(reference(clip) or "")
            if target is not None and target.tag == "clipPath":
                items = self._effects.clipped(items, self._region(target, items, context))
            else:
                self._notices.add(Sentence("A clip path that is not in the file, or of a basic shape, is left out."))
        alpha = opacity(own.get("opacity", "1"))
        return self._effects.faded(items, alpha) if alpha < 1 else items

    def _region(self, clip: Element, items: list[Item], context: _Context) -> BaseGeometry | None:
        """The area of a <clipPath> on the canvas; None when it is too complicated or refers to itself."""
        if clip in self._active:
            return None
        transform, size = context.transform, context.size
        if clip.get("clipPathUnits") == "objectBoundingBox":
            transform, size = transform @ _unit_box(items, transform, self._effects.tolerance), (1.0, 1.0)
        key = clip, transform.tobytes(), size
        if key not in self._regions:
            self._active.add(clip)
            self._regions[key] = self._fresh_region(clip, items, _Context(transform, INHERITED, size))
            self._active.discard(clip)
        return self._regions[key]

    def _fresh_region(self, clip: Element, items: list[Item], context: _Context) -> BaseGeometry | None:
        own = self._stylist.own(clip)
        transform = context.transform @ self._transform(own, context.size)
        inner = _Context(transform, self._stylist.computed(clip, INHERITED), context.size)
        areas = []
        for child in clip:
            areas.append(self._silhouette(child, inner))
            if areas[-1] is None:
                return None
        region = shapely.unary_union(areas)
        outer = self._document.by_id.get(reference(own.get("clip-path", "none")) or "")
        if outer is not None and outer.tag == "clipPath":
            other = self._region(outer, items, context)
            region = other and shapely.intersection(region, other)
        return region

    def _silhouette(self, element: Element, context: _Context) -> BaseGeometry | None:
        """The area that a child of a <clipPath> adds to it."""
        self._budget.spend("visits")
        own = self._stylist.own(element)
        style = self._stylist.computed(element, context.style)
        transform = context.transform @ self._transform(own, context.size)
        if own.get("display") == "none" or style["visibility"] != "visible" or element in self._active:
            return Polygon()
        if element.tag == "use" and (target := self._document.target(element.get("href"))) is not None:
            measure = self._measure(element, context)
            moved = transform @ translation(measure.x("x"), measure.y("y"))
            self._active.add(element)
            area = self._silhouette(target, _Context(moved, style, context.size))
            self._active.discard(element)
            return area
        if element.tag not in SHAPES:
            if element.tag in LEFT_OUT:
                self._notices.add(Sentence("Text is left out."))
            return Polygon()
        path = self._brush.path(element, transform, context.size)
        if path is None:
            return Polygon()
        subpaths = flatten(path[0], path[1], self._effects.tolerance)
        return path_area(subpaths, style["clip-rule"] == "evenodd", self._budget)


def _speaks_to_us(element: Element) -> bool:
    """Whether the conditions of `systemLanguage` and `requiredExtensions` hold (SVG 2, section 5.9)."""
    if element.get("requiredExtensions", "").strip():
        return False
    languages = element.get("systemLanguage")
    if languages is None:
        return True
    return any(language.strip().lower().split("-")[0] == LANGUAGE for language in languages[:1000].split(","))


def _is_drawable(element: Element) -> bool:
    return element.tag in SHAPES | GROUPS or element.tag in ("text", "image")


def _area_of(view: Viewport, transform: np.ndarray) -> Polygon:
    return Polygon(view.corners @ transform[:2, :2].T + transform[:2, 2])


def _unit_box(items: list[Item], transform: np.ndarray, tolerance: float) -> np.ndarray:
    """The map from the unit square to the box around items, in the units before `transform`."""
    try:
        back = np.linalg.inv(transform)
    except np.linalg.LinAlgError:
        return np.eye(3)
    points = np.concatenate([line for item in items for line in flatten(item.points, item.segments, tolerance)])
    points = points @ back[:2, :2].T + back[:2, 2]
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    return np.array([[x1 - x0, 0, x0], [0, y1 - y0, y0], [0, 0, 1]])
