import math

import pytest
import torch

from engines.base import EngineError
from engines.vector import MOVE, Paint, Scene

LINE, CUBIC = [[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [1.0, 5.0], [2.0, -5.0], [9.0, 9.0]]


def two_paths(**changes) -> Scene:
    values = {
        "points": [LINE, CUBIC],
        "segments": [[0], [2]],
        "widths": [1.0, 2.0],
        "colors": [[1, 0, 0, 1], [0, 1, 0, 0.5]],
        "width": 10,
        "height": 8,
    }
    return Scene.from_paths(**values | changes)


def test_shapes():
    scene = two_paths()
    assert len(scene) == 2
    assert scene.points.shape == (6, 2)
    assert scene.widths.shape == (2,)
    assert scene.colors.shape == (2, 4)
    assert scene.layout.point_offsets.tolist() == [0, 2, 6]
    assert (scene.width, scene.height) == (10, 8)
    assert scene.points.dtype == torch.float32


def test_packed_points_are_accepted():
    assert torch.equal(two_paths(points=torch.tensor(LINE + CUBIC)).points, two_paths().points)


def test_gradients_reach_the_given_tensors():
    own = [torch.tensor(LINE, requires_grad=True), torch.tensor(CUBIC, requires_grad=True)]
    widths = [torch.tensor(1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)]
    scene = two_paths(points=own, widths=widths)
    (scene.points.sum() + scene.widths.sum()).backward()
    assert torch.equal(own[1].grad, torch.ones(4, 2))
    assert widths[0].grad == 1


def test_float64_is_kept():
    assert two_paths(points=torch.tensor(LINE + CUBIC, dtype=torch.float64)).widths.dtype == torch.float64


def test_segments_as_cubics_are_the_same_curves():
    scene = Scene.from_paths([LINE, LINE + LINE[:1]], [[0], [1]], [1, 1], [[0] * 4] * 2, 9, 9)
    line, quadratic = scene.layout.strokes.cubics(scene.points)
    assert line[1].tolist() == pytest.approx([5 / 3, 8 / 3])
    assert quadratic[1].tolist() == pytest.approx([7 / 3, 10 / 3])


def test_moves_and_closing_lines():
    points = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [1.0, 1.0], [2.0, 1.0], [2.0, 2.0]]
    scene = Scene.from_paths([points], [[0, 0, MOVE, 0, 0]], [0], [[0, 0, 0, 1]], 5, 5, paints=[Paint.NONZERO])
    ends = scene.layout.fills.cubics(scene.points)[:, [0, 3]]
    assert len(scene.layout.strokes) == 0
    assert len(ends) == 6
    assert ends[4:].tolist() == [[points[2], points[0]], [points[5], points[3]]]


def test_select_and_concatenate():
    scene = two_paths()
    picked = scene.select([1, 0, 1])
    assert picked.widths.tolist() == [2, 1, 2]
    assert picked.points.tolist() == CUBIC + LINE + CUBIC
    assert picked.layout.segments.tolist() == [2, 0, 2]
    assert len(scene.select(torch.tensor([True, False]))) == 1
    assert len(scene.select([])) == 0
    joined = Scene.concatenate([scene.select([0]), scene.select([1])])
    assert torch.equal(joined.points, scene.points)
    assert torch.equal(joined.layout.segment_starts, scene.layout.segment_starts)
    with pytest.raises(EngineError, match="selected"):
        scene.select([7])


def test_scaled():
    scene = two_paths().scaled(3)
    assert (scene.width, scene.height) == (30, 24)
    assert scene.widths.tolist() == [3, 6]
    assert scene.points[1].tolist() == [9, 12]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": [LINE]}, "1 point lists but 2 segment lists"),
        ({"points": [LINE, LINE]}, "points of path 1"),
        ({"points": [LINE, [["a", 1]] * 4]}, "must be numbers"),
        ({"points": torch.zeros(5, 2)}, "points have shape"),
        ({"points": [LINE, [[math.nan, 0.0]] * 4]}, "points must be finite"),
        ({"widths": [1.0]}, "widths have shape"),
        ({"widths": [1.0, math.inf]}, "widths must be finite"),
        ({"colors": [[1, 0, 0, 1]]}, "colors have shape"),
        ({"colors": [[1, 0, 0], [1, 0, 0]]}, "colors have shape"),
        ({"segments": [[0], []]}, "Path 1 has no segment"),
        ({"segments": [[0], [3]]}, "3 inner control points"),
        ({"paints": [Paint.STROKE]}, "1 paints"),
        ({"width": 0}, "canvas width"),
        ({"height": math.nan}, "canvas height"),
    ],
)
def test_exceptions_name_what_is_wrong(changes, message):
    with pytest.raises(EngineError, match=message):
        two_paths(**changes)
