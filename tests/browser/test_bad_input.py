"""Whatever comes in: one clear sentence, as a toast and beside the canvas, and the page goes on."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from engines.export import write_png
from tests.browser.test_drawing import draw, number

METHODS = ("clipdraw",)

pytestmark = pytest.mark.browser


def complains(page: Page, sentence: str) -> None:
    expect(page.locator(".studio-toast", has_text=sentence)).to_be_visible()
    expect(page.locator(".canvas .notice")).to_have_text(sentence)


def still_draws(page: Page) -> None:
    draw(page, "a red apple", steps=3)
    expect(page.locator(".status")).to_have_text("Finished after 3 steps")
    expect(page.locator(".canvas .notice")).to_be_hidden()


def huge_png(path: Path, side: int) -> Path:
    """A one-bit PNG of side × side pixels that is only some kilobytes large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = bytes(1 + side // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    return path


def test_empty_prompt(page):
    page.locator("#clipdraw-prompt textarea").fill("   ")
    page.locator("#clipdraw-draw").click()
    complains(page, "The prompt is empty; write what to draw.")
    still_draws(page)


def test_unreadable_image(page, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"this is no picture")
    page.locator("#clipdraw-init-image input[type=file]").set_input_files(broken)
    complains(page, "This file cannot be read as a picture; use a PNG, JPEG or WebP file.")
    expect(page.locator("#clipdraw-init-image input[type=file]")).to_be_attached()  # the upload was taken away
    still_draws(page)


@pytest.mark.parametrize("side", [8000, 20000])
def test_huge_image(page, tmp_path, side):
    bomb = huge_png(tmp_path / "huge.png", side)
    page.locator("#clipdraw-init-image input[type=file]").set_input_files(bomb)
    complains(page, "This picture has too many pixels; use one with at most 32 million pixels.")
    still_draws(page)


def test_not_a_number(page):
    field = page.locator("#clipdraw-fail-at input[type=number]")
    field.fill("")
    field.press_sequentially("NaN")
    field.press("Tab")
    page.locator("#clipdraw-draw").click()
    complains(page, "Setting 'Fail at' needs a number.")
    number(page, "fail-at", -1)
    still_draws(page)


def test_not_a_number_in_a_slider_of_a_running_drawing(page, newest):
    draw(page)
    field = page.locator("#clipdraw-pen-width input[type=number]")
    field.fill("")
    field.press_sequentially("NaN")
    field.press("Tab")
    complains(page, "Setting 'Pen width' needs a number.")
    number(page, "wander", 3)
    expect(page.locator(".changes li").first).to_contain_text("Wander → 3")
    expect(page.locator(".status")).to_have_text("Drawing")
    assert 0.5 <= newest().live.current.pen_width <= 8


def test_a_file_without_settings(page, tmp_path):
    plain = tmp_path / "plain.svg"
    plain.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    page.locator("input[type=file][accept*='.svg']").first.set_input_files(plain)
    complains(page, "'plain.svg' carries no settings; choose a PNG or SVG that was saved here with its settings.")
    still_draws(page)


def test_a_run_that_fails_says_why(page):
    number(page, "fail-at", 3)
    page.locator("#clipdraw-draw").click()
    complains(page, "The strokes fell off the paper; choose a smaller wander.")
    expect(page.locator(".status")).to_have_text("Ended at step 2")
    number(page, "fail-at", -1)
    still_draws(page)


def test_markup_in_a_prompt_stays_text(page):
    draw(page, "<img src=x onerror=\"document.title='run'\"> ${document.title='run'} {{x}} `", steps=3)
    expect(page.locator(".status")).to_have_text("Finished after 3 steps")
    expect(page.locator(".card strong").first).to_contain_text("<img src=x onerror=")
    assert page.title() == "Atelier"


def test_a_file_cannot_make_the_page_show_other_files(page, tmp_path):
    """Settings that name a file of this machine are read without it."""
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), "red").save(secret)
    settings = {"prompt": "a trap", "init_image": str(secret), "mask": str(secret)}
    trap = tmp_path / "trap.png"
    write_png(np.zeros((8, 8, 3), np.uint8), trap, {"method": "clipdraw", "models": "all", "settings": settings})
    page.locator("input[type=file][accept*='.svg']").first.set_input_files(trap)
    expect(page.locator("#clipdraw-prompt textarea")).to_have_value("a trap")
    expect(page.locator("#clipdraw-init-image img")).to_have_count(0)
    still_draws(page)
