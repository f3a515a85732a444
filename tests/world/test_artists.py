"""Readers of packages, pixels and colour variants, with small packages made here."""

import io
import json
import tarfile
from base64 import b64encode
from hashlib import sha512

import numpy as np
import pytest

from engines.base import EngineError
from tests.tiny_world import SHAPES, as_svg, drawings
from world.artists import fetch
from world.artists.build import make_sources_page, pictures
from world.artists.gallery import Gallery, write_gallery
from world.artists.iconify import read_icons
from world.artists.openclipart import read_clip_art
from world.artists.recolour import COLOURS, main_hue, recolour
from world.artists.render import SIDE, render
from world.artists.sources import ICONIFY, SOURCES, TEST, Source

# ------------------------------------------------------------------------------------------------------ sources


def test_share_alike_sets_are_test_artists_and_nothing_else_is():
    for source in SOURCES:
        assert (source.role == TEST) == source.share_alike, source.name
    assert {source.name for source in SOURCES if source.role == TEST} == {"openmoji", "emojione-v1"}
    assert len({source.name for source in ICONIFY}) == len(ICONIFY) == 16


# ------------------------------------------------------------------------------------------------------ readers


@pytest.fixture
def icon_set(tmp_path):
    icons = {
        "cat-16": {"body": '<path fill="currentColor" d="M0 0h8v8z"/>', "width": 16, "height": 16},
        "cat-24": {"body": '<path fill="currentColor" d="M0 0h9v9z"/>', "width": 24, "height": 24},
        "flag-france": {"body": ""},
        "turkey": {"body": ""},
        "man-dark-skin-tone": {"body": ""},
        "hot-dog": {"body": "<g/>"},
    }
    aliases = {"sausage-in-bread": {"parent": "hot-dog"}, "god-toh": {"parent": "hot-dog", "hFlip": True}}
    (tmp_path / "icons.json").write_text(json.dumps({"icons": icons, "aliases": aliases, "width": 32, "height": 32}))
    (tmp_path / "chars.json").write_text(json.dumps({"1f32d": "hot-dog"}))
    (tmp_path / "metadata.json").write_text(json.dumps({"categories": {"Flags": ["turkey", "flag-france"]}}))
    return tmp_path


def test_icons_are_read_once_each_with_names_and_characters(icon_set):
    found = {drawing.key: drawing for drawing in read_icons("someone", icon_set)}
    assert set(found) == {"cat-24", "hot-dog"}
    assert found["cat-24"].names == ("cat",)
    assert "currentColor" not in found["cat-24"].svg
    assert 'viewBox="0 0 24 24"' in found["cat-24"].svg
    assert found["hot-dog"].names == ("hot dog", "sausage in bread")
    assert found["hot-dog"].emoji == "🌭"


def clip_art(title: str, license: str = "http://web.resource.org/cc/PublicDomain") -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg"><metadata><dc:title>{title}</dc:title><rdf:Bag>'
        f'<rdf:li>Animal</rdf:li><rdf:li></rdf:li></rdf:Bag><cc:license rdf:resource="{license}"/></metadata></svg>'
    )


def test_clip_art_has_title_file_name_and_keywords(tmp_path):
    root = tmp_path / "usr/share/openclipart/svg"
    for place, text in {
        "animals/old_cat_01.svg": clip_art("Old &amp; grey cat 01"),
        "animals/gpl.svg": clip_art("dog", "http://creativecommons.org/licenses/GPL/2.0/"),
        "shapes/stars/star.svg": clip_art("star"),
        "food/pie.svg": clip_art("clipart by nicu buculei - apple"),
    }.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text)
    found = {drawing.key: drawing for drawing in read_clip_art("openclipart", tmp_path)}
    assert set(found) == {"animals/old_cat_01", "food/pie"}
    assert found["animals/old_cat_01"].names == ("old & grey cat", "old cat")
    assert found["animals/old_cat_01"].tags == ("animal", "animals")
    assert found["food/pie"].names == ("pie",)


def test_avatars_are_always_the_same_and_name_their_parts():
    from dataclasses import replace

    from world.artists.dicebear import STYLES, draw_avatars, read_license

    assert all(read_license(style).rstrip(".") == style.license for style in STYLES)
    style = replace(next(style for style in STYLES if style.name == "adventurer"), count=2)
    one, two = draw_avatars(style)
    assert one == next(draw_avatars(style))
    assert one.svg != two.svg
    assert any(tag.startswith("hair: ") for tag in one.tags)
    assert render(one.svg) is not None


# ------------------------------------------------------------------------------------------------------ fetching


@pytest.fixture
def published(monkeypatch, tmp_path):
    """An npm package as the registry would send it; `npm pack` is replaced by a copy of it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in {"info.json": json.dumps({"license": {"spdx": "MIT"}}), "icons.json": "{}"}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    monkeypatch.setattr(fetch, "_call", lambda *_, folder: (folder / "set.tgz").write_bytes(packed.getvalue()))
    digest = b64encode(sha512(packed.getvalue()).digest()).decode()
    return Source("set", "@iconify-json/set", "1.0", f"sha512-{digest}", "MIT", "somebody", "")


def test_a_package_is_fetched_once_and_checked(published, tmp_path, monkeypatch):
    folder = fetch.fetch_npm(published, tmp_path)
    assert (folder / "icons.json").exists()
    monkeypatch.setattr(fetch, "_call", None)
    assert fetch.fetch_npm(published, tmp_path) == folder


def test_a_wrong_hash_and_a_wrong_licence_are_refused(published, tmp_path):
    from dataclasses import replace

    with pytest.raises(EngineError, match="hash is wrong"):
        fetch.fetch_npm(replace(published, integrity="sha512-AAAA"), tmp_path / "one")
    with pytest.raises(EngineError, match="declares the licence MIT"):
        fetch.fetch_npm(replace(published, license="CC-BY-4.0"), tmp_path / "two")


# ------------------------------------------------------------------------------------------------------ pixels


def test_a_drawing_is_cut_out_and_centred():
    corner = '<rect x="5" y="5" width="20" height="10" fill="#f00"/>'
    picture = render(as_svg(corner))
    assert picture.shape == (SIDE, SIDE, 4)
    assert picture[SIDE // 2, SIDE // 2].tolist() == [255, 0, 0, 255]
    assert picture[4, SIDE // 2, 3] == 0
    across = np.flatnonzero(picture[SIDE // 2, :, 3])
    assert across[-1] - across[0] > 0.9 * SIDE


def test_what_shows_nothing_is_no_picture():
    assert render(as_svg("")) is None
    assert render("no svg at all") is None


def test_a_colour_variant_keeps_the_shape_and_what_has_another_colour():
    svg = as_svg(SHAPES["cat"] + '<rect x="60" y="60" width="10" height="10" fill="#20c040"/>')
    picture = render(svg)
    hue, lightness = main_hue(picture)
    assert hue == pytest.approx(0.08, abs=0.05)
    blue = render(recolour(svg, hue, lightness, "blue"))
    assert np.array_equal(blue[..., 3], picture[..., 3])
    red, green, other = blue[SIDE // 2, SIDE // 4, :3].astype(int)
    assert other > red + 40
    assert other > green
    before, after = picture[85, 85, :3].astype(int), blue[85, 85, :3].astype(int)
    assert np.abs(before - after).max() < 3


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_is_reached(colour):
    picture = render(as_svg('<rect x="10" y="10" width="80" height="80" fill="rgb(208, 32, 32)"/>'))
    svg = recolour(as_svg('<rect x="10" y="10" width="80" height="80" fill="#d02020"/>'), *main_hue(picture), colour)
    hue, saturation, lightness = COLOURS[colour]
    pixel = render(svg)[64, 64, :3].astype(float) / 255
    assert (pixel.max() + pixel.min()) / 2 == pytest.approx(lightness, abs=0.06)
    assert (pixel.max() - pixel.min() < 0.05) == (hue is None)


def test_grey_drawings_have_no_main_hue():
    assert main_hue(render(as_svg(SHAPES["war axe"]))) is None


# ------------------------------------------------------------------------------------------------------ the gallery


def test_the_gallery_keeps_rows_and_pixels(gallery):
    plain = [row for row in gallery.rows if not row.colour]
    assert len(plain) == 3 * len(SHAPES)
    assert {row.artist for row in gallery.rows if row.colour} == {"noto"}
    assert not any(row.colour for row in gallery.rows if "red apple" in row.names)
    assert gallery.pixels.shape == (len(gallery), SIDE, SIDE, 4)
    cat = next(place for place, row in enumerate(gallery.rows) if row.emoji == "🐈")
    assert np.array_equal(gallery.pixels[cat], render(as_svg(SHAPES["cat"])))


def test_a_second_build_takes_what_has_not_changed_from_the_first(gallery, tmp_path, monkeypatch):
    monkeypatch.setattr("world.artists.build.render", lambda svg: pytest.fail("rendered again"))
    count = write_gallery(pictures(drawings(), gallery), tmp_path)
    again = Gallery.open(tmp_path)
    assert count == len(gallery)
    assert again.rows == gallery.rows
    assert np.array_equal(again.pixels, gallery.pixels)


def test_a_missing_gallery_says_how_to_make_it(tmp_path):
    with pytest.raises(EngineError, match="make world"):
        Gallery.open(tmp_path)


def test_the_page_of_sources_has_a_line_for_every_artist(gallery):
    page = make_sources_page(gallery.rows)
    for source in ICONIFY:
        assert f"| {source.name} | [{source.package}]({source.url}) | {source.version} | {source.license} |" in page
    assert "| openmoji " in page
    assert "| test |" in page
    assert f"{len(gallery)} pictures by 3 artists" in page
