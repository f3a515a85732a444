"""Drawings as other programs write them."""

import gzip

import pytest
import torch

from engines.base import EngineError
from engines.vector import Paint, read_svg
from tests.engines.vector import svg_documents as documents

NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
RECT = '<rect x="5.5" y="5.5" width="40" height="40" fill="#06c"/>'


@pytest.fixture
def read(tmp_path):
    def read(body, attributes='viewBox="0 0 100 100"'):
        read.text = f"<svg {NAMESPACES} {attributes}>{body}</svg>"
        (tmp_path / "a.svg").write_text(read.text)
        return read_svg(tmp_path / "a.svg")

    return read


def corners(scene):
    return [*scene.points.min(0).values.tolist(), *scene.points.max(0).values.tolist()]


LOOKS_ALIKE = {
    "descendant and child selectors": "<style>g.layer rect{fill:#e63946} .icon > circle{fill:#2a9d8f}</style>"
    f'<g class="layer"><g>{RECT.replace("fill", "class")}</g></g>'
    '<g class="icon"><circle cx="75" cy="25" r="20"/></g><g class="icon"><g><circle cx="75" cy="75" r="9"/></g></g>',
    "attribute selectors and specificity": '<style><![CDATA[rect.a.b{fill:#00f} .b{fill:red} [class~="q"]{fill:#f80}'
    ' #x{fill:lime !important} rect[width="30"]{stroke:none} /* note */ @font-face{src:url(a.woff)}]]></style>'
    '<rect class="a b" x="5" y="55" width="40" height="40"/><rect class="q" x="55" y="55" width="30" height="30"/>'
    '<rect id="x" class="a b" x="55" y="5" width="20" height="20" style="fill:red"/>',
    "nested svg": '<svg x="50" y="50" width="40" height="40" viewBox="0 0 20 20"><rect x="2" y="2" width="16"'
    ' height="30" fill="#c60"/></svg>',
    "symbol with a viewBox": '<symbol id="i" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4" fill="#06c"/></symbol>'
    '<use href="#i" x="10" y="10" width="60" height="40"/>',
    "percentages": '<rect x="10%" y="5%" width="50%" height="50%" fill="teal"/><circle cx="70%" cy="70%" r="20%"/>',
    "clip path": '<clipPath id="c"><path clip-rule="evenodd" d="M0 0H60V60H0zM20 20H40V40H20z"/></clipPath>'
    '<g clip-path="url(#c)"><circle cx="50" cy="50" r="40" fill="#ed1d3d"/><path d="M5 9L90 50" stroke="navy" '
    'stroke-width="8" stroke-linecap="round"/></g>',
    "clip path in box units": '<clipPath id="c" clipPathUnits="objectBoundingBox"><circle cx=".5" cy=".5" r=".4"/>'
    '</clipPath><rect x="20" y="10" width="60" height="80" clip-path="url(#c)"/>',
    "group opacity": '<g opacity="0.5"><rect x="10.5" y="10.5" width="50" height="50" fill="#f00"/>'
    '<rect x="40.5" y="40.5" width="50" height="50" fill="#00f"/></g>',
    "own opacity": '<circle cx="50" cy="50" r="30" fill="#f00" stroke="#00f" stroke-width="20" opacity=".5"/>',
    "uneven stroke": '<g transform="scale(4,1)">'
    '<path d="M5 20V80" stroke="#000" stroke-width="4" fill="none"/>'
    '<circle cx="18" cy="50" r="4" stroke="red" stroke-width="2" fill="none"/></g>',
    "ellipse with one radius": '<ellipse cx="50" cy="50" rx="30"/>',
    "dots": '<path d="M75 50zM25 50h0" stroke="red" stroke-width="20" stroke-linecap="round"/>'
    '<path d="M50 50z" stroke="blue" stroke-width="20"/><rect width="9" height="9"/>',
    "switch": f'<switch><g systemLanguage="de"><rect width="9" height="90"/></g><g systemLanguage="en-GB">{RECT}</g>'
    '<circle r="50"/></switch>',
    "equal names": "<defs>"
    '<circle id="a" cx="30" cy="30" r="20"/><circle id="a" cx="70" cy="70" r="20"/></defs>'
    '<use xlink:href="#a"/>',
    "names of other namespaces": '<defs><g id="Layer-1" serif:id="Layer 1" xmlns:serif="http://www.serif.com/">'
    '<path d="M60,60L180,60L180,180L60,180Z" style="fill:rgb(255,0,57)"/></g></defs><use xlink:href="#Layer-1"/>'
    '<x:rect xmlns:x="urn:x" width="90" height="9"/>',
    "path up to its error": RECT + '<path d="M60 60 L90 60 L90 90 L nan nan" fill="#c00"/>',
}


@pytest.mark.parametrize("name", LOOKS_ALIKE)
def test_looks_as_in_resvg(read, name):
    assert documents.decibels(read(LOOKS_ALIKE[name]).scene, read.text) >= 30


@pytest.mark.parametrize(
    ("color", "wanted"),
    [
        ("hsl(120,100%,25%)", [0, 0.5, 0, 1]),
        ("hsl(210deg 100% 50%)", [0, 0.5, 1, 1]),
        ("hsla(.5turn, 100%, 50%, .25)", [0, 1, 1, 0.25]),
        ("#f008", [1, 0, 0, 0x88 / 255]),
        ("rgb(10% 20% 90% / 50%)", [0.1, 0.2, 0.9, 0.5]),
        ("hwb(120 10% 20%)", [0.1, 0.8, 0.1, 1]),
        ("lab(100% 0 0)", [1, 1, 1, 1]),
    ],
)
def test_modern_colors(read, color, wanted):
    scene = read(f'<rect width="9" height="9" style="fill: {color}"/>').scene
    assert scene.colors[0].tolist() == pytest.approx(wanted, abs=1e-6)


def test_unknown_color_is_inherited(read):
    scene = read('<g fill="#00f"><rect width="9" height="9" fill="bluish"/></g>').scene
    assert scene.colors.tolist() == [[0, 0, 1, 1]]


def test_transform_and_origin_of_css(read):
    turned = '<rect x="40" y="40" width="20" height="40" style="transform:rotate(90deg);transform-origin:50px 60px"/>'
    wide = '<rect width="20" height="20" style="transform:translate(10px,10%) scaleX(2)" transform="scale(9)"/>'
    scene = read(turned + wide).scene
    assert corners(scene.select([0])) == pytest.approx([30, 50, 70, 70], abs=1e-4)
    assert corners(scene.select([1])) == pytest.approx([10, 10, 50, 30])


def test_stroke_that_does_not_scale(read):
    line = '<path vector-effect="non-scaling-stroke" d="M5 5H10V9" stroke="red" stroke-width="4" fill="none"/>'
    scene = read(f'<g transform="scale(3 2)">{line}</g>').scene
    assert scene.layout.paints.tolist() == [Paint.STROKE]
    assert scene.widths.tolist() == [2]


def test_bad_transform_is_ignored_with_a_notice(read):
    drawing = read(RECT + '<rect x="50" y="50" width="30" height="30" transform="rotate(45,10)"/>')
    assert corners(drawing.scene.select([1])) == [50, 50, 80, 80]
    assert drawing.notices == ("The SVG drawing has a transform that cannot be read: rotate(45,10).",)


@pytest.mark.parametrize(
    ("body", "notice"),
    [
        ("<text>hi</text>", "Text is left out."),
        ('<image href="a.png"/>', "Pictures are left out."),
        ('<mask id="m"/><g mask="url(#m)"><circle r="9"/></g>', "Masks are left out."),
        ('<filter id="m"/><circle filter="url(#m)" r="9"/>', "Filters are left out."),
        ('<pattern id="m"/><circle fill="url(#m)" r="9"/>', "Patterns are left out."),
        ('<linearGradient id="m"><stop/></linearGradient><circle fill="url(#m)" r="9"/>', "Gradients are drawn in"),
        ('<circle clip-path="circle(3px)" r="9"/>', "A clip path that is not in the file"),
        ('<circle stroke="red" stroke-dasharray="1 2" r="9"/>', "Dashed lines are drawn solid."),
        ('<path stroke="red" d="M0 0L9 0"/>', "Line ends and corners are drawn round."),
        ('<path marker-end="url(#m)" d="M0 0L9 0L9 9"/>', "Markers are left out."),
        ('<circle r="9"><animate/></circle>', "Animations are left out."),
        ('<use href="other.svg#a"/>', "A <use> whose target is not in the file is left out."),
        ("<style>rect:nth-last-of-type(2n){}</style>", "The style selector 'rect:nth-last-of-type(2n)' is not"),
        ('<circle r="9" fill="bluish"/>', "The colour 'bluish' is not understood."),
    ],
)
def test_notices(read, body, notice):
    drawing = read(RECT + body)
    assert [own for own in drawing.notices if own.startswith(notice)]
    assert all(own.endswith(".") for own in drawing.notices)
    assert read(RECT).notices == ()


def test_plain_entities_are_expanded(tmp_path):
    doctype = '<!DOCTYPE svg [<!ENTITY ns_svg "http://www.w3.org/2000/svg"><!ENTITY red "fill:#f00">]>'
    (tmp_path / "a.svg").write_text(f'{doctype}<svg xmlns="&ns_svg;"><path style="&red;" d="M10,10h80v80z"/></svg>')
    drawing = read_svg(tmp_path / "a.svg")
    assert drawing.scene.colors.tolist() == [[1, 0, 0, 1]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "iso-8859-1"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_encodings_and_compressed_files(tmp_path, encoding, pack):
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    text = f"{declared}<svg {NAMESPACES}><title>Größe</title>{RECT}</svg>"
    (tmp_path / "a.svgz").write_bytes(pack(text.encode(encoding)))
    assert len(read_svg(tmp_path / "a.svgz").scene) == 1


def test_prefixed_elements(tmp_path):
    size = 'width="9" height="9"'
    text = f'<s:svg xmlns:s="http://www.w3.org/2000/svg" {size}><s:rect width="5" height="5"/></s:svg>'
    (tmp_path / "a.svg").write_text(text)
    assert corners(read_svg(tmp_path / "a.svg").scene) == [0, 0, 5, 5]


def test_background_is_named_and_not_drawn(read):
    drawing = read(f'<rect data-role="background" width="100" height="100" fill="#f00"/>{RECT}')
    assert drawing.background == (1, 0, 0)
    assert len(drawing.scene) == 1


def test_what_is_clipped_away_is_nothing(read):
    with pytest.raises(EngineError, match="draws nothing"):
        read(f'<clipPath id="c"/><g clip-path="url(#c)">{RECT}</g>')


def test_what_a_clip_path_contains_keeps_its_curves(read):
    clip = '<clipPath id="c"><rect width="100" height="100"/></clipPath>'
    scene = read(f'{clip}<circle clip-path="url(#c)" cx="50" cy="50" r="20"/>').scene
    assert scene.layout.segments.tolist() == [2, 2, 2, 2]
    assert torch.isfinite(scene.points).all()
