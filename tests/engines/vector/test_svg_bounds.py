"""Files made to cost time or memory: each ends at once, with a sentence or with what can be shown."""

import gzip
import random

import pytest

from engines.base import EngineError
from engines.svg_file import MAX_BYTES
from engines.vector import read_svg
from engines.vector.svg.budget import Budget, Notices
from engines.vector.svg.css import Styles
from engines.vector.svg.document import parse_document

RECT = "<rect width='9' height='9'/>"
LONG = 400_000
COPIES = "".join(f"<g id='a{k + 1}'>" + f"<use href='#a{k}'/>" * 10 + "</g>" for k in range(9))
RING = "".join(f"<linearGradient id='g{k}' href='#g{(k + 1) % 9}'/>" for k in range(9))
CLIPS = "<clipPath id='c' clip-path='url(#d)'/><clipPath id='d' clip-path='url(#c)'/>"


def scribble(count):
    points = random.Random(0)
    return "M" + " ".join(f"{points.random() * 100:.2f}" for _ in range(2 * count))


def entities(levels):
    declared = "".join(f"<!ENTITY a{k + 1} '" + f"&a{k};" * 10 + "'>" for k in range(levels))
    return f"<!DOCTYPE svg [<!ENTITY a0 'hahahahaha'>{declared}]>"


def read(tmp_path, body, before=""):
    (tmp_path / "a.svg").write_text(f"{before}<svg viewBox='0 0 100 100'>{body}</svg>")
    return read_svg(tmp_path / "a.svg")


@pytest.mark.parametrize(
    "body",
    [
        f"<style>{'{' * (LONG // 10)}</style>",
        f"<style>{'/*' * (LONG // 10)}</style>",
        f"<style>a{{b:{'(' * (LONG // 10)}}}</style>",
        f"<style>{'a:not(' * (LONG // 40)}</style>",
        f"<style>{'x' * LONG}</style>",
        f"<style>a{{b:{'1' * LONG}}}</style>",
        f"<style>{'@media screen{' * (LONG // 40)}</style>",
        f"<g style='{';' * LONG}' transform='{'a' * LONG}'/>",
        f"<g transform='{'rotate(' * LONG}'/>",
        f"<g transform='rotate({'1' * LONG})' style='{'(' * 40_000}'/>",
        "<!-- -->" * LONG,
        f"<path d='M0 0{' ' * LONG}{',' * LONG}x'/>",
        f"<path d='M {'1' * LONG}'/>",
        f"{CLIPS}<circle r='9' clip-path='url(#c)'/>",
        f"{RING}<circle r='9' fill='url(#g0)'/>",
    ],
)
def test_the_rest_is_shown(tmp_path, body):
    assert read(tmp_path, body + RECT).scene.layout.segments.tolist()[-4:] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<g/>" * 50_001, "too many or too deeply nested"),
        ("<g>" * 101 + "</g>" * 101, "too deeply nested"),
        (f"<style>{'a{b:c}' * 50_000}</style>", "too much text in its style sheets"),
        (f"<style>{'a,' * 6000}b{{x:y}}</style>", "too many style rules"),
        (f"<style>{'rect{x:1}' * 2000}</style>" + RECT * 2000, "too many style rules for its elements"),
        ("<style>a ~ g ~ g ~ g ~ g{x:1}</style>" + "<g/>" * 40_000, "too many style rules for its elements"),
        (f"<g transform='{'rotate(1)' * 100_001}'/>", "too many transforms"),
        (f"<polygon points='{'1 2 ' * 500_002}'/>", "more than 500,000 commands"),
        ("<path id='p' d='M0 0" + "L1 1" * 20_000 + "'/>" + "<use href='#p'/>" * 60, "more than 1,000,000 points"),
        (f"<g id='a0'>{RECT}</g>{COPIES}", "repeats its parts too often"),
        ("<g opacity='.9'>" * 95 + RECT * 5_000 + "</g>" * 95, "too deeply"),
    ],
)
def test_too_much_is_one_sentence(tmp_path, body, message):
    with pytest.raises(EngineError, match=message) as caught:
        read(tmp_path, body + RECT)
    assert len(str(caught.value)) < 300
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("body", ["<style>&a12;</style>", "<g class='&a12;'/>", "&a12;"])
def test_entities_that_grow(tmp_path, body):
    with pytest.raises(EngineError, match="declares XML entities"):
        read(tmp_path, body + RECT, entities(12))


def test_attributes_that_a_document_type_adds(tmp_path):
    before = f"<!DOCTYPE svg [<!ATTLIST rect z CDATA '{'a' * LONG}'>]>"
    with pytest.raises(EngineError, match="declares XML entities"):
        read(tmp_path, RECT * 1000, before)


def test_entities_of_other_files_are_not_read(tmp_path):
    (tmp_path / "secret.txt").write_text("fill:red")
    before = f"<!DOCTYPE svg [<!ENTITY a SYSTEM '{tmp_path / 'secret.txt'}'>]>"
    drawing = read(tmp_path, f"<style>rect{{&a;}}</style>{RECT}", before)
    assert drawing.scene.colors.tolist() == [[0, 0, 0, 1]]
    assert drawing.notices == ("The SVG drawing declares XML entities of other files, which are not read.",)


def test_a_path_with_too_many_commands_is_drawn_in_part(tmp_path):
    drawing = read(tmp_path, "<path d='M0 0" + "a9 5 3 1 1 1 1" * 70_000 + "'/>" + RECT)
    assert drawing.notices == ("The SVG drawing has too many path commands; simplify it.",)
    assert len(drawing.scene) == 2


def test_geometry_that_is_too_complicated_is_drawn_whole(tmp_path):
    clip = f"<clipPath id='c'><path d='{scribble(3000)}'/></clipPath>"
    drawing = read(tmp_path, clip + "<rect width='99' height='99' clip-path='url(#c)'/>")
    assert drawing.scene.layout.segments.tolist() == [0, 0, 0, 0]
    assert drawing.notices == ("A clip path or an overlap is too complicated; the shapes are drawn whole.",)
    pen = f"<g transform='scale(1,5)'><path fill='none' stroke='red' stroke-width='30' d='{scribble(3000)}'/></g>"
    assert len(read(tmp_path, pen).scene) == 1


@pytest.mark.parametrize(
    "selector", ["g " * 14 + "b rect", "g > " * 14 + "b rect", "g " * 40 + "rect", "* " * 15 + "b"]
)
def test_long_selectors_cost_little(selector):
    body = "<g>" * 95 + RECT * 20 + "</g>" * 95
    budget = Budget()
    before = budget.left["selector tests"]
    document = parse_document(
        f"<svg><style>{selector}{{fill:red}}</style>{body}</svg>".encode(), "a", budget, Notices()
    )
    styles = Styles(document, budget, Notices())
    assert all(styles.declarations(element) == {} for element in document.root.iter())
    assert before - budget.left["selector tests"] < 150_000


def test_compressed_files_are_unpacked_within_bounds(tmp_path):
    (tmp_path / "a.svgz").write_bytes(gzip.compress(b"<svg>" + b" " * MAX_BYTES + b"</svg>"))
    with pytest.raises(EngineError, match="too large when unpacked"):
        read_svg(tmp_path / "a.svgz")
    whole = gzip.compress(f"<svg>{RECT}</svg>".encode())
    for broken in (whole[:-9], whole[:12], b"\x1f\x8bnonsense"):
        (tmp_path / "a.svgz").write_bytes(broken)
        with pytest.raises(EngineError, match="damaged"):
            read_svg(tmp_path / "a.svgz")
