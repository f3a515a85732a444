"""Basic shapes and paths as control points, in the units of their element."""

from __future__ import annotations

from engines.errors import Sentence
from engines.vector.path_data import Chain, arc, read_path
from engines.vector.svg.budget import Budget, Notices
from engines.vector.svg.values import numbers
from engines.vector.svg.viewport import Measure

__all__ = ["SHAPES", "chain_of"]

SHAPES = {"path", "line", "polyline", "polygon", "rect", "circle", "ellipse"}


def chain_of(measure: Measure, budget: Budget, notices: Notices) -> Chain:
    """The outline of a shape; empty where it draws nothing. A broken path is read up to its first error."""
    try:
        return _chain_of(measure, budget, notices)
    except ArithmeticError:
        notices.add(Sentence("A shape was left out: its coordinates are too large."))
        return Chain()


def _chain_of(measure: Measure, budget: Budget, notices: Notices) -> Chain:
    attributes, chain = measure.element, Chain()
    match measure.element.tag:
        case "path":
            left = budget.left["path commands"]
            chain, error, count = read_path(attributes.get("d", ""), left)
            budget.spend("path commands", min(count, left))
            if error:
                notices.add(error.sentence)
        case "line":
            start, end = [(measure.x("x" + k), measure.y("y" + k)) for k in "12"]
            chain.move(start)
            chain.draw(start, end)
        case "polyline" | "polygon":
            values = numbers(attributes.get("points", ""), 2 * budget.left["path commands"] + 2)
            budget.spend("path commands", len(values) // 2)
            corners = list(zip(values[0::2], values[1::2], strict=False))
            _polygon(chain, corners, closed=measure.element.tag == "polygon")
        case "rect":
            _rect(measure, chain)
        case "circle":
            radius = measure.optional("r", measure.diagonal) or 0.0
            _ellipse(chain, measure.x("cx"), measure.y("cy"), radius, radius)
        case "ellipse":
            _ellipse(chain, measure.x("cx"), measure.y("cy"), *_radii(measure))
    return chain


def _radii(measure: Measure) -> tuple[float, float]:
    """rx and ry; one that is missing or negative is "auto" and takes the other's value (SVG 2, section 7.4)."""
    rx, ry = measure.optional("rx", measure.size[0]), measure.optional("ry", measure.size[1])
    rx, ry = (None if radius is not None and radius < 0 else radius for radius in (rx, ry))
    rx = ry if rx is None else rx
    return rx or 0.0, (rx if ry is None else ry) or 0.0


def _rect(measure: Measure, chain: Chain) -> None:
    x, y, width, height = measure.x("x"), measure.y("y"), measure.x("width"), measure.y("height")
    if width <= 0 or height <= 0:
        return
    rx, ry = _radii(measure)
    rx, ry = min(rx, width / 2), min(ry, height / 2)
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
