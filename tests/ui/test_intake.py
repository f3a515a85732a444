"""Pictures, drawings, text and colours from outside."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest
from PIL import Image

from engines.base import EngineError
from ui import intake


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def saved(tmp_path, image: Image.Image, name: str, **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def test_a_picture_is_shrunk_and_becomes_rgb_png(tmp_path):
    path = saved(tmp_path, Image.new("L", (3000, 1500), 200), "wide.jpg")
    with Image.open(intake.picture(path)) as clean:
        assert clean.size == (1024, 512)
        assert (clean.format, clean.mode) == ("PNG", "RGB")


def test_the_camera_s_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = saved(tmp_path, Image.new("RGB", (40, 20), "red"), "turned.jpg", exif=exif)
    with Image.open(intake.picture(path)) as clean:
        assert clean.size == (20, 40)


def test_transparency_lies_on_white(tmp_path):
    path = saved(tmp_path, Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "clear.png")
    with Image.open(intake.picture(path)) as clean:
        assert np.asarray(clean).min() == 255


def test_the_same_picture_is_kept_once(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (8, 8), "red"), "red.png")
    assert intake.picture(path) == intake.picture(path)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(50), b"<svg/>"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "file.png"
    path.write_bytes(content)
    with pytest.raises(EngineError, match="cannot be read as a picture"):
        intake.picture(path)


def test_too_many_pixels_are_refused_unread(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("1", (200, 200)), "large.png")
    monkeypatch.setattr(intake, "MAX_PIXELS", 200 * 200 - 1)
    with pytest.raises(EngineError, match="too many pixels"):
        intake.picture(path)


def test_drawings_are_svg_of_bounded_size(tmp_path, monkeypatch):
    good, bad = tmp_path / "good.svg", tmp_path / "bad.svg"
    good.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    bad.write_text("hello")
    assert intake.drawing(good) == good
    wide = tmp_path / "wide.svg"
    wide.write_text("<?xml version='1.0' encoding='utf-16'?><svg xmlns='http://www.w3.org/2000/svg'/>", "utf-16")
    assert intake.drawing(wide) == wide
    with pytest.raises(EngineError, match="use an SVG file"):
        intake.drawing(bad)
    monkeypatch.setattr(intake, "_MAX_SVG_BYTES", 10)
    with pytest.raises(EngineError, match="too large"):
        intake.drawing(good)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("  a red\napple \x00\x1b", "a red apple"), ("사과\u2028배", "사과 배"), ("👩‍🎨 paints", "👩‍🎨 paints"), ("", "")],
)
def test_text_is_one_clean_line(text, wanted):
    assert intake.line_of_text(text) == wanted


@pytest.mark.parametrize(
    ("color", "wanted"),
    [("#a1b2c3", "#a1b2c3"), ("rgba(12.3, 255, 0, 1)", "#0cff00"), ("rgb(1, 2, 3)", "#010203"), ("red", "red")],
)
def test_colors_become_hexadecimal(color, wanted):
    assert intake.hex_color(color) == wanted
