import math

import pytest

from engines.base import EngineError
from engines.vector import MOVE
from engines.vector.path_data import arc, format_path, parse_path


def flat(points):
    return [value for point in points for value in point]


@pytest.mark.parametrize(
    ("data", "points", "segments"),
    [
        ("M1 2L3 4", [(1, 2), (3, 4)], [0]),
        ("m1,2 3-4 5.5.5", [(1, 2), (4, -2), (9.5, -1.5)], [0, 0]),
        ("M0 0h3v4H1V2z", [(0, 0), (3, 0), (3, 4), (1, 4), (1, 2), (0, 0)], [0] * 5),
        ("M0 0C1 1 2 1 3 0s2-1 3 0", [(0, 0), (1, 1), (2, 1), (3, 0), (4, -1), (5, -1), (6, 0)], [2, 2]),
        ("M0 0Q1 2 2 0t2 0T6 0", [(0, 0), (1, 2), (2, 0), (3, -2), (4, 0), (5, 2), (6, 0)], [1, 1, 1]),
        ("M0 0S1 1 2 2", [(0, 0), (0, 0), (1, 1), (2, 2)], [2]),
        ("M0 0L1 0M5 5L6 5", [(0, 0), (1, 0), (5, 5), (6, 5)], [0, MOVE, 0]),
        ("M1 1h2zl0 5", [(1, 1), (3, 1), (1, 1), (1, 1), (1, 6)], [0, 0, MOVE, 0]),
        ("M9 9M0 0L1e1-2E-1", [(0, 0), (10, -0.2)], [0]),
        ("M3 3", [], []),
        ("", [], []),
    ],
)
def test_parse(data, points, segments):
    chain = parse_path(data)
    assert chain.segments == segments
    assert flat(chain.points) == pytest.approx(flat(points))


def test_arc_flags_need_no_separators():
    spaced, packed = parse_path("M0 0A5 5 0 0 1 10 0"), parse_path("M0 0a5 5 0 0110 0")
    assert flat(packed.points) == pytest.approx(flat(spaced.points))
    assert spaced.segments == [2, 2]


@pytest.mark.parametrize("large", [0, 1])
@pytest.mark.parametrize("sweep", [0, 1])
def test_arc_lies_on_its_ellipse(large, sweep):
    start, end, rx, ry, rotation = (3.0, 1.0), (6.0, 4.0), 4.0, 3.0, 30
    pieces = arc(start, end, rx, ry, rotation, large, sweep)
    points, here = [start], start
    for one, two, last in pieces:
        cubic = list(zip(here, one, two, last, strict=True))
        for t in (0.25, 0.5, 0.75, 1.0):
            s = 1 - t
            points.append(tuple(s**3 * a + 3 * s * s * t * b + 3 * s * t * t * c + t**3 * d for a, b, c, d in cubic))
        here = last
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    unit = [((cos * x + sin * y) / rx, (cos * y - sin * x) / ry) for x, y in points]  # on a unit circle
    (ax, ay), (bx, by), (cx, cy) = unit[0], unit[len(unit) // 2], unit[-1]
    twice = 2 * (ax * (by - cy) + bx * (cy - ay) + cx * (ay - by))
    squares = [x * x + y * y for x, y in (unit[0], unit[len(unit) // 2], unit[-1])]
    u = (squares[0] * (by - cy) + squares[1] * (cy - ay) + squares[2] * (ay - by)) / twice
    v = (squares[0] * (cx - bx) + squares[1] * (ax - cx) + squares[2] * (bx - ax)) / twice
    assert [math.hypot(x - u, y - v) for x, y in unit] == pytest.approx([1.0] * len(unit), abs=1e-3)
    turned = sum(
        math.remainder(math.atan2(y1 - v, x1 - u) - math.atan2(y0 - v, x0 - u), 2 * math.pi)
        for (x0, y0), (x1, y1) in zip(unit, unit[1:], strict=False)
    )
    assert (turned > 0) == bool(sweep)
    assert (abs(turned) > math.pi) == bool(large)


def test_arc_that_is_too_small_grows_and_without_radius_is_a_line():
    assert max(y for piece in arc((0, 0), (10, 0), 1, 1, 0, 0, 0) for _, y in piece) == pytest.approx(5.0)
    assert arc((0, 0), (3, 3), 0, 5, 0, 0, 1) == [((1, 1), (2, 2), (3, 3))]
    assert arc((1, 1), (1, 1), 5, 5, 0, 0, 1) == []


def test_format_is_read_back():
    points, segments = [[0.12345, -1], [2, 3e-7], [4, 5], [6, 7], [8, 9]], [0, MOVE, 1]
    text = format_path(points, segments, decimals=3)
    assert text == "M0.123 -1L2 0M4 5Q6 7 8 9"
    assert parse_path(text).segments == segments
    assert format_path(points[:2], [0], 1, close=True) == "M0.1 -1L2 0Z"


@pytest.mark.parametrize("data", ["L1 2", "M1", "M1 2L3", "M1 2 hello", "M1 1e999", "M0 0A1 1 0 2 0 5 5", "M0 0 #"])
def test_exceptions(data):
    with pytest.raises(EngineError, match="SVG"):
        parse_path(data)
