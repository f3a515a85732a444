import json
from xml.etree import ElementTree

import pytest
import torch

from engines.base import EngineError
from engines.vector import MOVE, Paint, Scene, load_svg, rasterize, save_svg

SVG = "{http://www.w3.org/2000/svg}"


def write(path, body, attributes='viewBox="0 0 10 10"'):
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>')
    return path


@pytest.fixture
def load(tmp_path):
    return lambda *args: load_svg(write(tmp_path / "drawing.svg", *args))


# ---------------------------------------------------------------------------------------------- writing and back


@pytest.mark.parametrize("seed", range(5))
def test_round_trip(random_scene, tmp_path, seed):
    scene = random_scene(seed, count=12, size=200)
    save_svg(scene, tmp_path / "a.svg", background=(1, 0.5, 0))
    back = load_svg(tmp_path / "a.svg")
    assert (back.width, back.height) == (scene.width, scene.height)
    assert torch.equal(back.layout.segments, scene.layout.segments)
    assert torch.equal(back.layout.paints, scene.layout.paints)
    torch.testing.assert_close(back.points, scene.points, rtol=0, atol=1e-3)
    torch.testing.assert_close(back.widths, scene.widths, rtol=0, atol=1e-3)
    torch.testing.assert_close(back.colors, scene.colors, rtol=0, atol=1e-3)


def test_round_trip_of_fills_and_moves(tmp_path):
    points = [[1, 1], [9, 1], [9, 9], [3, 3], [6, 3], [6, 6]]
    scene = Scene.from_paths(
        [points, points[:4]], [[0, 0, MOVE, 0, 0], [2]], [0, 0], [[1, 0, 0, 1], [0, 0, 1, 0.5]], 10, 10,
        paints=[Paint.EVENODD, Paint.NONZERO],
    )  # fmt: skip
    save_svg(scene, tmp_path / "a.svg")
    back = load_svg(tmp_path / "a.svg")
    assert torch.equal(back.layout.paints, scene.layout.paints)
    torch.testing.assert_close(rasterize(back, (40, 40)), rasterize(scene, (40, 40)), rtol=0, atol=1e-3)


def test_file_is_what_other_viewers_need(random_scene, tmp_path):
    scene = random_scene(0, count=1)
    save_svg(scene, tmp_path / "a.svg", background=(1, 1, 1), metadata={"prompt": "a <red> & blue"})
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert json.loads(root.find(f"{SVG}metadata").text) == {"prompt": "a <red> & blue"}
    assert root.find(f"{SVG}rect").get("fill") == "rgb(100%, 100%, 100%)"
    group = root.find(f"{SVG}g")
    assert group.get("stroke-linecap") == group.get("stroke-linejoin") == "round"
    assert float(group[0].get("stroke-width")) == pytest.approx(2 * scene.widths[0].item(), abs=1e-3)


# ---------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("body", "segments"),
    [
        ('<path d="M1 1L2 2"/>', [0]),
        ('<line x1="1" y1="1" x2="9" y2="5"/>', [0]),
        ('<polyline points="1,1 9,1 9,9"/>', [0, 0]),
        ('<polygon points="1 1 9 1 9 9"/>', [0, 0, 0]),
        ('<rect x="1" y="1" width="5" height="5"/>', [0, 0, 0, 0]),
        ('<rect x="1" y="1" width="5" height="5" rx="1"/>', [0, 2] * 4),
        ('<circle cx="5" cy="5" r="3"/>', [2, 2, 2, 2]),
        ('<ellipse cx="5" cy="5" rx="3" ry="20%"/>', [2, 2, 2, 2]),
    ],
)
def test_shapes(load, body, segments):
    scene = load(f'<g stroke="red" fill="none">{body}</g>')
    assert scene.layout.segments.tolist() == segments
    assert scene.layout.paints.tolist() == [Paint.STROKE]
    assert ((scene.points >= 1) & (scene.points <= 9)).all()


def test_fill_and_stroke_become_two_paths(load):
    scene = load('<circle cx="5" cy="5" r="3" fill="#00f8" fill-rule="evenodd" stroke="#ff0000" stroke-width="2"/>')
    assert scene.layout.paints.tolist() == [Paint.EVENODD, Paint.STROKE]
    assert scene.colors.flatten().tolist() == pytest.approx([0, 0, 1, 0x88 / 255, 1, 0, 0, 1])
    assert scene.widths.tolist() == [0, 1]
    disc = rasterize(scene.select([0]).replace(colors=torch.ones(1, 4)), (200, 200))[3].mean().item()
    assert disc == pytest.approx(torch.pi * 0.09, rel=1e-3)


@pytest.mark.parametrize(
    ("style", "color"),
    [
        ('stroke="tomato"', [1, 0x63 / 255, 0x47 / 255, 1]),
        ('stroke="#123"', [0x11 / 255, 0x22 / 255, 0x33 / 255, 1]),
        ('stroke="rgb(0, 51, 102)" stroke-opacity=".5"', [0, 0.2, 0.4, 0.5]),
        ('stroke="rgb(10% 20% 30% / 40%)"', [0.1, 0.2, 0.3, 0.4]),
        ('stroke="red" style="stroke:blue;opacity:0.25"', [0, 0, 1, 0.25]),
        ('stroke="currentColor" color="lime"', [0, 1, 0, 1]),
        ('class="pen"', [1, 1, 0, 0.5]),
        ('stroke="url(#fade)"', [0.5, 0, 0.5, 0.75]),
    ],
)
def test_colors(load, style, color):
    sheet = "<style>/* note */ .pen, .other { stroke: yellow; stroke-opacity: .5 }</style>"
    stops = '<stop stop-color="red"/><stop stop-color="blue" stop-opacity=".5"/>'
    gradient = f'<defs><linearGradient id="fade">{stops}</linearGradient></defs>'
    scene = load(f'{sheet}{gradient}<path fill="none" d="M0 0L1 1" {style}/>')
    assert scene.colors.flatten().tolist() == pytest.approx(color)


@pytest.mark.parametrize(
    ("transform", "end"),
    [
        ("translate(2)", [3, 1]),
        ("translate(2, 3)", [3, 4]),
        ("scale(2)", [2, 2]),
        ("scale(1 -1)", [1, -1]),
        ("rotate(90)", [-1, 1]),
        ("rotate(90, 1, 0)", [0, 0]),
        ("skewX(45)", [2, 1]),
        ("skewY(45)", [1, 2]),
        ("matrix(1 2 3 4 5 6)", [9, 12]),
        ("translate(1,1) scale(2)", [3, 3]),
    ],
)
def test_transforms(load, transform, end):
    scene = load(f'<g transform="{transform}"><path stroke="red" fill="none" d="M0 0L1 1"/></g>')
    assert scene.points[1].tolist() == pytest.approx(end, abs=1e-6)


@pytest.mark.parametrize(
    ("attributes", "size", "point"),
    [
        ('viewBox="0 0 10 20"', (10, 20), [5, 5]),
        ('width="100" height="200" viewBox="0 0 10 20"', (100, 200), [50, 50]),
        ('width="40" viewBox="0 0 10 20"', (40, 80), [20, 20]),
        ('width="100%" height="100%" viewBox="1 2 10 20"', (10, 20), [4, 3]),
        ('width="1in" height="72pt"', (96, 96), [5, 5]),
        ('width="20" height="10" viewBox="0 0 10 10"', (20, 10), [10, 5]),
        ('width="20" height="10" viewBox="0 0 10 10" preserveAspectRatio="none"', (20, 10), [10, 5]),
        ('width="20" height="10" viewBox="0 0 10 10" preserveAspectRatio="xMaxYMid meet"', (20, 10), [15, 5]),
    ],
)
def test_canvas(load, attributes, size, point):
    scene = load('<path stroke="red" fill="none" d="M5 5L6 6"/>', attributes)
    assert (scene.width, scene.height) == pytest.approx(size)
    assert scene.points[0].tolist() == pytest.approx(point)


def test_use_draws_its_target_again(load):
    line = '<path id="a" stroke="red" fill="none" d="M0 0L1 1"/>'
    scene = load(f'{line}<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#a" x="3"/><use href="#none"/>')
    assert scene.points.tolist() == [[0, 0], [1, 1], [3, 0], [4, 1]]


def test_what_is_hidden_is_left_out(load):
    hidden = (
        '<g display="none"><path stroke="red" d="M0 0L1 1"/></g><path visibility="hidden" stroke="red" d="M0 0L1 1"/>'
    )
    scene = load(f'{hidden}<defs><circle r="3"/></defs><path stroke="red" fill="none" d="M0 0L1 2"/>')
    assert len(scene) == 1
    assert scene.points[1].tolist() == [1, 2]


# ---------------------------------------------------------------------------------------------- bad files

BOMB = '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><svg xmlns="http://www.w3.org/2000/svg">&b;</svg>'
EXTERNAL = '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/hostname">]><svg>&a;</svg>'
LOOP = '<svg><g id="a"><use href="#a"/><use href="#a"/></g></svg>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "declares XML entities"),
        (EXTERNAL, "declares XML entities"),
        (LOOP, "repeats its parts too often"),
        ("<svg>" + "<g>" * 200 + "</g>" * 200 + "</svg>", "deeply nested"),
        ("<svg><path", "not a readable SVG"),
        ("", "not a readable SVG"),
        ("\x00\x01\x02", "not a readable SVG"),
        ("<html></html>", "begins with <html>"),
        ("<svg/>", "draws nothing"),
        ('<svg><path stroke="red" d="M0 0L1"/></svg>', "lacks a number"),
        ('<svg><path stroke="red" d="M0 0L1e999 1"/></svg>', "too large"),
        ('<svg><g transform="scale(1e300)"><path d="M0 0L1e300 1"/></g></svg>', "must be finite"),
        ('<svg><g transform="rotate(1,2)"/></svg>', "transform that cannot be read"),
        ('<svg width="1e9" height="5"><path d="M0 0L1 1"/></svg>', "not usable"),
    ],
)
def test_bad_files(tmp_path, text, message):
    (tmp_path / "bad.svg").write_text(text)
    with pytest.raises(EngineError, match=message):
        load_svg(tmp_path / "bad.svg")


def test_missing_and_oversized_files(tmp_path):
    with pytest.raises(EngineError, match=r"'none.svg' cannot be read"):
        load_svg(tmp_path / "none.svg")
    with open(tmp_path / "large.svg", "wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(EngineError, match="too large"):
        load_svg(tmp_path / "large.svg")


def test_plain_doctype_is_harmless(tmp_path):
    doctype = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    (tmp_path / "a.svg").write_text(f'{doctype}<svg><path stroke="red" fill="none" d="M0 0L1 1"/></svg>')
    assert len(load_svg(tmp_path / "a.svg")) == 1
