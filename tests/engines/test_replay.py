"""A drawing made again stroke by stroke."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch

from engines.replay import format_replay_svg, stroke_frames
from engines.vector import MOVE, Paint, Scene, composite, rasterize

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def scene():
    random = torch.Generator().manual_seed(0)
    points = torch.rand(12, 4, 2, generator=random) * torch.tensor([60.0, 40.0])
    colors = torch.rand(12, 4, generator=random)
    return Scene.from_paths(list(points), [[2]] * 12, [1.5] * 12, colors, 60, 40)


@pytest.mark.parametrize("count", [3, 12, 200])
def test_frames_end_with_the_drawing(scene, count):
    frames = list(stroke_frames(scene, (0.9, 0.8, 0.7), count, longest_side=120))
    assert len(frames) == 1 + min(count, 12)
    assert {frame.shape for frame in frames} == {(80, 120, 3)}
    assert np.array_equal(np.unique(frames[0].reshape(-1, 3), axis=0), [[230, 204, 178]])
    whole = composite(rasterize(scene, (80, 120)), (0.9, 0.8, 0.7)).mul(255).round().byte().permute(1, 2, 0).numpy()
    assert np.abs(frames[-1].astype(int) - whole).max() <= 1


def test_every_frame_is_the_drawing_of_its_first_strokes(scene):
    for strokes, frame in enumerate(stroke_frames(scene, (1, 1, 1), longest_side=60)):
        prefix = rasterize(scene.select(slice(0, strokes))) if strokes else torch.zeros(4, 40, 60)
        wanted = composite(prefix, (1, 1, 1)).mul(255).round().byte().permute(1, 2, 0).numpy()
        assert np.abs(frame.astype(int) - wanted).max() <= 1


def test_empty_drawing_is_bare_paper():
    empty = Scene.from_paths([], [], [], torch.zeros(0, 4), 20, 10)
    assert len(list(stroke_frames(empty, (1, 1, 1)))) == 1
    assert "<path" not in format_replay_svg(empty)


def test_strokes_follow_each_other_without_gap(scene):
    root = ET.fromstring(format_replay_svg(scene, (1, 1, 1), seconds=6))
    pattern = re.compile(r"animation-delay:([\d.]+)s;animation-duration:([\d.]+)s")
    times = [tuple(map(float, pattern.match(path.get("style")).groups())) for path in root.iter(f"{SVG}path")]
    assert len(times) == 12
    assert times[0][0] == 0
    for (begin, duration), (following, _) in zip(times, times[1:], strict=False):
        assert begin + duration == pytest.approx(following, abs=0.003)
    assert sum(times[-1]) == pytest.approx(6, abs=0.01)


def test_areas_and_lifted_pens(scene):
    mixed = Scene.from_paths(
        [[(0, 0), (5, 0), (5, 5)], [(1, 1), (2, 2), (6, 6), (7, 7)]], [[0, 0], [0, MOVE, 0]], [0, 1],
        [(1, 0, 0, 0.5), (0, 1, 0, 1)], 10, 10, paints=[Paint.EVENODD, Paint.STROKE],
    )  # fmt: skip
    area, line = ET.fromstring(format_replay_svg(mixed)).iter(f"{SVG}path")
    assert (area.get("class"), area.get("fill"), area.get("fill-rule")) == ("area", "#ff0000", "evenodd")
    assert (line.get("class"), line.get("fill"), line.get("stroke-width")) == ("stroke", "none", "2.000")
    assert line.get("d").count("M") == 2
    assert ET.fromstring(format_replay_svg(mixed)).find(f"{SVG}rect") is None
