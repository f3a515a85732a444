"""Files for a pen plotter."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from engines.plotter import format_plotter_svg
from engines.vector import Paint, Scene

SVG = "{http://www.w3.org/2000/svg}"
INKSCAPE = "{http://www.inkscape.org/namespaces/inkscape}"
RED, BLUE, YELLOW = (1, 0, 0), (0, 0, 1), (1, 1, 0)


def lines(specs, width=100, height=50, paints=None) -> Scene:
    """A scene of straight lines: (start, end, rgb, alpha)."""
    return Scene.from_paths(
        [[start, end] for start, end, _, _ in specs],
        [[0]] * len(specs),
        [2.0] * len(specs),
        [(*rgb, alpha) for _, _, rgb, alpha in specs],
        width,
        height,
        paints=paints,
    )


def read(scene, **options):
    root = ET.fromstring(format_plotter_svg(scene, **options))
    layers = {}
    for group in root.iter(f"{SVG}g"):
        assert group.get(f"{INKSCAPE}groupmode") == "layer"
        layers[group.get("stroke")] = [path.get("d") for path in group.iter(f"{SVG}path")]
    return root, layers


def test_size_is_in_millimetres():
    root, layers = read(lines([((0, 0), (100, 50), RED, 1)]), longest_side=180)
    assert (root.get("width"), root.get("height")) == ("180.000mm", "90.000mm")
    assert root.get("viewBox") == "0 0 180.000 90.000"
    assert [float(number) for number in re.findall(r"[\d.]+", layers["#ff0000"][0])] == [0, 0, 180, 90]


def test_one_hairline_width_no_opacity_no_background_no_fill():
    text = format_plotter_svg(lines([((0, 0), (9, 9), RED, 0.3), ((5, 5), (9, 1), BLUE, 1)]))
    assert set(re.findall(r'stroke-width="([^"]*)"', text)) == {"0.3"}
    assert "opacity" not in text
    assert "<rect" not in text
    assert set(re.findall(r'fill="([^"]*)"', text)) == {"none"}


def test_layers_by_colour_lightest_first():
    specs = [((0, 0), (9, 9), color, 1) for color in (RED, BLUE, YELLOW, RED, BLUE)]
    root, layers = read(lines(specs))
    assert list(layers) == ["#ffff00", "#ff0000", "#0000ff"]
    assert [len(paths) for paths in layers.values()] == [1, 2, 2]
    labels = [group.get(f"{INKSCAPE}label") for group in root.iter(f"{SVG}g")]
    assert labels == ["1 #ffff00", "2 #ff0000", "3 #0000ff"]


def test_many_colours_become_few_pens():
    random = np.random.default_rng(0)
    specs = [((0, 0), (9, 9), tuple(random.random(3)), 1) for _ in range(60)]
    _, layers = read(lines(specs), pens=5)
    assert 1 < len(layers) <= 5
    assert sum(map(len, layers.values())) == 60


def test_strokes_that_nobody_sees_are_left_out():
    _, layers = read(lines([((0, 0), (9, 9), RED, 0.01), ((0, 0), (9, 9), BLUE, 0.5)]))
    assert list(layers) == ["#0000ff"]


def test_pen_goes_on_to_the_nearest_stroke():
    specs = [((x, 0), (x + 5, 0), RED, 1) for x in (60, 0, 30, 90)]
    _, layers = read(lines(specs), longest_side=100)
    starts = [float(re.match(r"M\s*([\d.]+)", path)[1]) for path in layers["#ff0000"]]
    assert starts == [0, 30, 60, 90]


def test_areas_become_outlines():
    scene = Scene.from_paths([[(0, 0), (9, 0), (9, 9)]], [[0, 0]], [0.0], [(*RED, 1)], 10, 10, paints=[Paint.NONZERO])
    _, layers = read(scene)
    assert layers["#ff0000"][0].rstrip().endswith("Z")


@pytest.mark.parametrize("specs", [[], [((0, 0), (9, 9), RED, 0.0)]])
def test_nothing_to_draw(specs):
    scene = lines(specs) if specs else Scene.from_paths([], [], [], np.zeros((0, 4)), 10, 10)
    root, layers = read(scene)
    assert layers == {}
    assert root.get("width") == "180.000mm"
