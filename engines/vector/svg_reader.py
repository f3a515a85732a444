"""Reads an SVG document: a guarded XML parse, style inheritance, shapes as control points. See `svg.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

import numpy as np
from PIL import ImageColor

from engines.errors import EngineError
from engines.vector.path_data import Chain, arc, finite, parse_path
from engines.vector.scene import Paint, Scene

__all__ = ["read_document"]

MAX_ELEMENTS = 50_000  # after `use` is expanded
MAX_DEPTH = 100
MAX_POINTS = 1_000_000
GROUPS = {"svg", "g", "a", "switch", "use"}
SHAPES = {"path", "line", "polyline", "polygon", "rect", "circle", "ellipse"}
INHERITED = {
    "color": "black",
    "fill": "black",
    "fill-opacity": "1",
    "fill-rule": "nonzero",
    "stroke": "none",
    "stroke-opacity": "1",
    "stroke-width": "1",
    "visibility": "visible",
}
PIXELS_PER = {"": 1, "px": 1, "pt": 4 / 3, "pc": 16, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96, "em": 16, "ex": 8}
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
IDENTITY = np.eye(3)


def read_document(data: bytes, name: str) -> Scene:
    """The scene of an SVG file's bytes; `name` stands in error messages."""
    root = _parse_xml(data, name)
    if root.tag != "svg":
        raise EngineError("The file '{name}' is not an SVG drawing: it begins with <{tag}>.", name=name, tag=root.tag)
    width, height, view = _viewport(root)
    reader = _Reader(root, (width, height))
    reader.walk(root, view, INHERITED, 1.0, 0)
    if not reader.segments:
        raise EngineError(
            "The SVG file '{name}' draws nothing that can be used: no stroked or filled shape was found.", name=name
        )
    return Scene.from_paths(
        reader.points, reader.segments, reader.widths, reader.colors, width, height, paints=reader.paints
    )


# ---------------------------------------------------------------------------------------------- xml


@dataclass
class _Element:
    tag: str
    attributes: dict[str, str]
    children: list[_Element] = field(default_factory=list)
    text: str = ""

    def everything(self) -> Iterator[_Element]:
        yield self
        for child in self.children:
            yield from child.everything()


def _parse_xml(data: bytes, name: str) -> _Element:
    """A plain tree with namespaces dropped. Entities and internal document types are refused."""
    parser = expat.ParserCreate(namespace_separator=" ")
    top = _Element("", {})
    open_elements, count = [top], 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS or len(open_elements) > MAX_DEPTH:
            raise EngineError("The SVG file '{name}' has too many or too deeply nested elements.", name=name)
        element = _Element(_local(tag), {_local(key): value for key, value in attributes.items()})
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def doctype(_name: str, _system: str | None, _public: str | None, has_declarations: int) -> None:
        if has_declarations:
            raise EngineError(
                "The SVG file '{name}' declares XML entities, which are not read; save it as plain SVG.", name=name
            )

    def text(data: str) -> None:
        if open_elements[-1].tag == "style":
            open_elements[-1].text += data

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: open_elements.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, UnicodeError, ValueError) as error:
        raise EngineError(
            "The file '{name}' is not a readable SVG drawing: {reason}.", name=name, reason=error
        ) from None
    return top.children[0]


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


# ---------------------------------------------------------------------------------------------- walking


class _Reader:
    """Collects the paths of a document, in painter's order, in canvas pixels."""

    def __init__(self, root: _Element, size: tuple[float, float]):
        self.points: list[np.ndarray] = []
        self.segments: list[list[int]] = []
        self.widths: list[float] = []
        self.colors: list[tuple[float, float, float, float]] = []
        self.paints: list[Paint] = []
        self._size = size
        self._by_id = {element.attributes["id"]: element for element in root.everything() if "id" in element.attributes}
        self._rules = [rule for element in root.everything() if element.tag == "style" for rule in _rules(element.text)]
        self._visited = self._total_points = 0

    def walk(self, element: _Element, transform: np.ndarray, inherited: dict[str, str], opacity: float, depth: int):
        self._visited += 1
        if self._visited > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise EngineError("The SVG drawing repeats its parts too often; simplify it.")
        own = self._declarations(element)
        style = inherited | {key: value for key, value in own.items() if key in INHERITED and value != "inherit"}
        if own.get("display") == "none" or element.attributes.get("data-role") == "background":
            return
        opacity *= _opacity(own.get("opacity", "1"))
        transform = transform @ _transform(own.get("transform", ""))
        if element.tag in SHAPES and style["visibility"] == "visible":
            self._shape(element, transform, style, opacity)
        if element.tag in GROUPS:
            children = element.children
            if element.tag == "use":
                transform = transform @ _translation(self._x(element, "x"), self._y(element, "y"))
                target = self._by_id.get(element.attributes.get("href", "").removeprefix("#"))
                children = target.children if target and target.tag == "symbol" else [target] if target else []
            for child in children:
                self.walk(child, transform, style, opacity, depth + 1)

    def _declarations(self, element: _Element) -> dict[str, str]:
        """Attributes, then style sheets, then `style=`: the later wins."""
        found = dict(element.attributes)
        names = {element.tag, "*", "#" + element.attributes.get("id", "")}
        names |= {"." + name for name in element.attributes.get("class", "").split()}
        for selector, declarations in self._rules:
            if selector in names or selector in {element.tag + name for name in names if name[0] in ".#"}:
                found |= declarations
        return found | _style(element.attributes.get("style", ""))

    def _shape(self, element: _Element, transform: np.ndarray, style: dict[str, str], opacity: float) -> None:
        chain = self._chain(element)
        if not chain.segments:
            return
        self._total_points += len(chain.points)
        if self._total_points > MAX_POINTS:
            raise EngineError(
                "The SVG drawing has more than {MAX_POINTS:,} points; simplify it.", MAX_POINTS=MAX_POINTS
            )
        with np.errstate(all="ignore"):  # `Scene.from_paths` refuses what overflows
            points = np.array(chain.points, dtype=float) @ transform[:2, :2].T + transform[:2, 2]
        fill = self._color(style["fill"], style)
        if fill and element.tag != "line":
            paint = Paint.EVENODD if style["fill-rule"] == "evenodd" else Paint.NONZERO
            self._add(points, chain.segments, 0.0, fill, opacity * _opacity(style["fill-opacity"]), paint)
        stroke, width = self._color(style["stroke"], style), self._length(style["stroke-width"])
        if stroke and width > 0:
            width *= math.sqrt(abs(np.linalg.det(transform[:2, :2])))
            self._add(
                points, chain.segments, width / 2, stroke, opacity * _opacity(style["stroke-opacity"]), Paint.STROKE
            )

    def _add(self, points, segments, width, color, opacity, paint) -> None:
        self.points.append(points)
        self.segments.append(segments)
        self.widths.append(width)
        self.colors.append((*color[:3], color[3] * opacity))
        self.paints.append(paint)

    # ------------------------------------------------------------------------------ shapes

    def _chain(self, element: _Element) -> Chain:
        attributes, chain = element.attributes, Chain()
        match element.tag:
            case "path":
                return parse_path(attributes.get("d", ""))
            case "line":
                start, end = [(self._x(element, "x" + k), self._y(element, "y" + k)) for k in "12"]
                chain.move(start)
                chain.draw(start, end)
            case "polyline" | "polygon":
                numbers = _numbers(attributes.get("points", ""))
                corners = list(zip(numbers[0::2], numbers[1::2], strict=False))
                _polygon(chain, corners, closed=element.tag == "polygon")
            case "rect":
                self._rect(element, chain)
            case "circle":
                radius = self._length(attributes.get("r", "0"), math.hypot(*self._size) / math.sqrt(2))
                _ellipse(chain, self._x(element, "cx"), self._y(element, "cy"), radius, radius)
            case "ellipse":
                rx, ry = self._x(element, "rx"), self._y(element, "ry")
                _ellipse(chain, self._x(element, "cx"), self._y(element, "cy"), rx, ry)
        return chain

    def _rect(self, element: _Element, chain: Chain) -> None:
        x, y, width, height = (
            self._x(element, "x"),
            self._y(element, "y"),
            self._x(element, "width"),
            self._y(element, "height"),
        )
        if width <= 0 or height <= 0:
            return
        rx, ry = self._x(element, "rx"), self._y(element, "ry")
        rx, ry = min(rx or ry, width / 2), min(ry or rx, height / 2)
        if rx <= 0 or ry <= 0:
            _polygon(chain, [(x, y), (x + width, y), (x + width, y + height), (x, y + height)], closed=True)
            return
        right, bottom = x + width, y + height
        corners = [  # the straight side's end, then the end of the rounded corner after it
            ((right - rx, y), (right, y + ry)),
            ((right, bottom - ry), (right - rx, bottom)),
            ((x + rx, bottom), (x, bottom - ry)),
            ((x, y + ry), (x + rx, y)),
        ]
        here = corners[-1][1]
        chain.move(here)
        for side, turned in corners:
            chain.draw(here, side)
            for piece in arc(side, turned, rx, ry, 0, 0, 1):
                chain.draw(side, *piece)
            here = turned
        chain.close(here)

    # ------------------------------------------------------------------------------ values

    def _x(self, element: _Element, name: str) -> float:
        return self._length(element.attributes.get(name, "0"), self._size[0])

    def _y(self, element: _Element, name: str) -> float:
        return self._length(element.attributes.get(name, "0"), self._size[1])

    def _length(self, text: str, whole: float | None = None) -> float:
        return _length(text, math.hypot(*self._size) / math.sqrt(2) if whole is None else whole)

    def _color(self, text: str, style: dict[str, str]) -> tuple[float, float, float, float] | None:
        """Straight RGBA, or None for no paint."""
        text = text.strip()
        if found := re.match(r"url\(\s*['\"]?#([^'\")]+)['\"]?\s*\)\s*(.*)", text):
            return self._gradient(found[1]) or (self._color(found[2], style) if found[2] else None)
        if text.lower() == "currentcolor":
            text = style["color"]
        return _parse_color(text)

    def _gradient(self, name: str) -> tuple[float, float, float, float] | None:
        """The mean of a gradient's stops."""
        gradient = self._by_id.get(name)
        for _ in range(MAX_DEPTH):  # stops may be borrowed from another gradient
            if gradient is None or any(child.tag == "stop" for child in gradient.children):
                break
            gradient = self._by_id.get(gradient.attributes.get("href", "").removeprefix("#"))
        colors = []
        for stop in gradient.children if gradient else []:
            own = self._declarations(stop)
            color = _parse_color(own.get("stop-color", "black"))
            if color:
                colors.append((*color[:3], color[3] * _opacity(own.get("stop-opacity", "1"))))
        return tuple(np.mean(colors, axis=0).tolist()) if colors else None


def _polygon(chain: Chain, corners: list[tuple[float, float]], closed: bool) -> None:
    if len(corners) < 2:
        return
    chain.move(corners[0])
    for start, end in zip(corners, corners[1:], strict=False):
        chain.draw(start, end)
    if closed:
        chain.close(corners[-1])


def _ellipse(chain: Chain, cx: float, cy: float, rx: float, ry: float) -> None:
    if rx <= 0 or ry <= 0:
        return
    left, right = (cx - rx, cy), (cx + rx, cy)
    here = right
    chain.move(here)
    for end in (left, right):
        for piece in arc(here, end, rx, ry, 0, 0, 1):
            chain.draw(here, *piece)
            here = piece[-1]


# ---------------------------------------------------------------------------------------------- values


def _viewport(root: _Element) -> tuple[float, float, np.ndarray]:
    """Canvas width and height in px, and the map from user units to it (viewBox, preserveAspectRatio)."""
    box = _numbers(root.attributes.get("viewBox", ""))
    box = box if len(box) == 4 and box[2] > 0 and box[3] > 0 else None
    natural = (box[2], box[3]) if box else (300.0, 150.0)  # CSS' size of a drawing that names none
    given = [root.attributes.get(side, "") for side in ("width", "height")]
    width, height = (_length(text) if text and "%" not in text else None for text in given)
    width, height = (
        width or (height * natural[0] / natural[1] if height and box else natural[0]),
        height or (width * natural[1] / natural[0] if width and box else natural[1]),
    )
    if not (0 < width < 1e5 and 0 < height < 1e5):
        raise EngineError(
            "The SVG drawing's size of {width:g} × {height:g} px is not usable.", width=width, height=height
        )
    if not box:
        return width, height, IDENTITY
    sx, sy = width / box[2], height / box[3]
    align, _, fit = root.attributes.get("preserveAspectRatio", "xMidYMid").strip().partition(" ")
    if align != "none":
        sx = sy = max(sx, sy) if fit.strip() == "slice" else min(sx, sy)
    shift = {"Min": 0.0, "Mid": 0.5, "Max": 1.0}
    dx = (width - sx * box[2]) * shift.get(align[1:4], 0.5)
    dy = (height - sy * box[3]) * shift.get(align[5:8], 0.5)
    return width, height, np.array([[sx, 0, dx - sx * box[0]], [0, sy, dy - sy * box[1]], [0, 0, 1]])


def _numbers(text: str) -> list[float]:
    return [finite(number) for number in NUMBER.findall(text)]


def _length(text: str, whole: float = 0.0) -> float:
    found = NUMBER.match(text.strip())
    if not found:
        return 0.0
    unit = text.strip()[found.end() :].strip().lower()
    return finite(found[0]) * (whole / 100 if unit == "%" else PIXELS_PER.get(unit, 1))


def _opacity(text: str) -> float:
    return min(max(_length(text, 1.0), 0.0), 1.0) if NUMBER.match(text.strip()) else 1.0


def _parse_color(text: str) -> tuple[float, float, float, float] | None:
    text = text.strip().lower()
    if text in ("none", "transparent", ""):
        return None
    if found := re.fullmatch(r"rgba?\(([^)]*)\)", text):
        parts = re.split(r"[\s,/]+", found[1].strip())
        if len(parts) >= 3 and all(NUMBER.match(part) for part in parts[:4]):
            red, green, blue = (min(max(_length(part, 255.0) / 255, 0.0), 1.0) for part in parts[:3])
            return red, green, blue, _opacity(parts[3]) if len(parts) > 3 else 1.0
    try:
        values = ImageColor.getrgb(text)
    except ValueError:
        return 0.0, 0.0, 0.0, 1.0  # what viewers show where they know no better: the initial value
    red, green, blue, alpha = (value / 255 for value in (*values, 255)[:4])
    return red, green, blue, alpha


def _style(text: str) -> dict[str, str]:
    pairs = (entry.partition(":") for entry in text.split(";"))
    return {key.strip(): value.replace("!important", "").strip() for key, colon, value in pairs if colon}


def _rules(sheet: str) -> list[tuple[str, dict[str, str]]]:
    """(simple selector, declarations) of a style sheet, in order."""
    sheet = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    blocks = re.findall(r"([^{}]+)\{([^{}]*)\}", sheet)
    return [(selector.strip(), _style(body)) for names, body in blocks for selector in names.split(",")]


def _translation(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def _transform(text: str) -> np.ndarray:
    """SVG's transform list as a 3 × 3 matrix; `EngineError` for what is no transform."""
    result = IDENTITY
    for name, arguments in re.findall(r"([a-zA-Z]+)\s*\(([^)]*)\)", text):
        result = result @ _single_transform(name, _numbers(arguments))
    return result


def _single_transform(name: str, values: list[float]) -> np.ndarray:
    match name, values:
        case "matrix", [a, b, c, d, e, f]:
            return np.array([[a, c, e], [b, d, f], [0, 0, 1]])
        case "translate", [x]:
            return _translation(x, 0)
        case "translate", [x, y]:
            return _translation(x, y)
        case "scale", [s]:
            return np.diag([s, s, 1.0])
        case "scale", [x, y]:
            return np.diag([x, y, 1.0])
        case "rotate", [angle]:
            cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        case "rotate", [angle, x, y]:
            return _translation(x, y) @ _single_transform("rotate", [angle]) @ _translation(-x, -y)
        case "skewX", [angle]:
            return np.array([[1, math.tan(math.radians(angle)), 0], [0, 1, 0], [0, 0, 1]])
        case "skewY", [angle]:
            return np.array([[1, 0, 0], [math.tan(math.radians(angle)), 1, 0], [0, 0, 1]])
    raise EngineError(
        "The SVG drawing has a transform that cannot be read: {name}({choices}).",
        name=name,
        choices=", ".join(map(str, values)),
    )
