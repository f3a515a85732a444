"""The StyleCLIPDraw tab: swatches, pictures of one's own, a part of one, and the two tabs side by side."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from engines.style import SWATCHES
from tests.browser.test_drawing import draw as draw_on_first_tab
from tests.browser.test_layout import NAMELESS, phone

METHODS = ("clipdraw", "styleclipdraw")

pytestmark = pytest.mark.browser
__all__ = ["phone"]  # a fixture

FIRST, SECOND, THIRD, *_ = SWATCHES


def control(page: Page, setting: str):
    return page.locator(f"#styleclipdraw-{setting}")


def open_tab(page: Page, name: str = "StyleCLIPDraw") -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    expect(page.locator(f"#{name.lower()}-prompt textarea")).to_be_visible()


def pick(page: Page, swatch: str) -> None:
    control(page, "swatch").locator(f"[data-name='{swatch}']").click()


def draw(page: Page, steps: int = 5000) -> None:
    open_tab(page)
    control(page, "prompt").locator("textarea").fill("a red apple")
    field = control(page, "num-steps").locator("input[type=number]")
    field.fill(str(steps))
    field.press("Tab")
    control(page, "draw").click()
    expect(control(page, "canvas").locator(".paper img")).to_be_visible()


def says(page: Page, sentence: str) -> None:
    """What the running fake engine takes as its style."""
    expect(control(page, "canvas").locator(".remark")).to_have_text(sentence)


def picture(tmp_path, width: int = 60, height: int = 40):
    Image.fromarray(np.full((height, width, 3), (30, 90, 160), np.uint8)).save(tmp_path / "own.png")
    return tmp_path / "own.png"


def upload(page: Page, file) -> None:
    page.get_by_role("button", name="A picture of your own").click()
    control(page, "style-image").locator("input[type=file]").set_input_files(file)


def test_a_swatch_is_drawn_with_and_swapped_while_it_draws(page, newest):
    open_tab(page)
    pick(page, SECOND)
    draw(page)
    says(page, f"style: {SECOND}, part: all")
    run = newest()
    assert (run.method, run.settings.swatch) == ("styleclipdraw", SECOND)
    pick(page, THIRD)
    says(page, f"style: {THIRD}, part: all")
    expect(control(page, "canvas").locator(".changes li").first).to_contain_text("Swatch → ")
    expect(control(page, "swatch").locator("[aria-pressed=true]")).to_have_attribute("data-name", THIRD)


def test_a_picture_of_ones_own_goes_before_the_swatch_until_one_is_picked(page, tmp_path):
    draw(page)
    says(page, f"style: {FIRST}, part: all")
    upload(page, picture(tmp_path))
    says(page, "style: style_image-1.png, part: all")
    expect(control(page, "style-image").locator("img")).to_be_visible()
    pick(page, SECOND)
    says(page, f"style: {SECOND}, part: all")
    expect(control(page, "style-image").locator("img")).to_have_count(0)


def test_the_drawing_itself_becomes_the_style(page):
    draw(page)
    page.get_by_role("button", name="A picture of your own").click()
    page.locator(".style-card button.take:visible").click()
    says(page, "style: style_image-1.png, part: all")


def test_a_part_of_the_style_is_painted_over(page, newest):
    draw(page)
    page.get_by_role("button", name="Only a part of the style").click()
    box = control(page, "style-region").locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.2 * box["height"], steps=4)
    page.mouse.up()
    says(page, f"style: {FIRST}, part: style_region-1.png")
    with Image.open(newest().live.current.style_region) as marked:
        white = np.asarray(marked.convert("L")) > 127
    height, width = white.shape
    assert white[int(0.2 * height), int(0.25 * width)]
    assert not white[int(0.2 * height), int(0.8 * width)]
    assert not white[int(0.8 * height)].any()
    page.get_by_role("button", name="All of it", exact=True).click()
    says(page, f"style: {FIRST}, part: all")


def test_another_style_is_whole_again(page):
    draw(page)
    page.get_by_role("button", name="Only a part of the style").click()
    control(page, "style-region").locator("canvas").click()
    says(page, f"style: {FIRST}, part: style_region-1.png")
    pick(page, SECOND)
    says(page, f"style: {SECOND}, part: all")


def test_a_broken_picture_is_refused_and_the_drawing_goes_on(page, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"this is no picture")
    draw(page)
    upload(page, broken)
    expect(control(page, "canvas").locator(".notice")).to_have_text(
        "This file cannot be read as a picture; use a PNG, JPEG or WebP file."
    )
    says(page, f"style: {FIRST}, part: all")
    expect(control(page, "canvas").locator(".status")).to_have_text("Drawing")


def test_a_preset_leaves_the_style_as_it_is(page):
    draw(page)
    pick(page, SECOND)
    preset = page.locator("#styleclipdraw-preset input")
    preset.click()
    page.get_by_role("option", name="Draw first, style after", exact=True).click()
    expect(control(page, "coupling").locator("input")).to_have_value("sequential")
    says(page, f"style: {SECOND}, part: all")
    expect(control(page, "swatch").locator("[aria-pressed=true]")).to_have_attribute("data-name", SECOND)


def test_each_tab_finds_its_own_run_after_a_reload(page, tmp_path):
    draw_on_first_tab(page, "a house", steps=5)
    expect(page.locator("#clipdraw-canvas .status")).to_have_text("Finished after 5 steps")
    draw(page)
    upload(page, picture(tmp_path))
    says(page, "style: style_image-1.png, part: all")
    pick(page, SECOND)
    page.reload()
    expect(page.locator("#clipdraw-canvas .status")).to_have_text("Finished after 5 steps")
    expect(page.locator("#clipdraw-prompt textarea")).to_have_value("a house")
    open_tab(page)
    expect(control(page, "canvas").locator(".meter")).to_have_text(re.compile(r"^[1-9]"))
    expect(control(page, "prompt").locator("textarea")).to_have_value("a red apple")
    expect(control(page, "swatch").locator("[aria-pressed=true]")).to_have_attribute("data-name", SECOND)
    assert control(page, "history").locator("strong").first.inner_text() == "a red apple"


def test_on_a_phone_nothing_sticks_out(phone):
    open_tab(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    places = [control(phone, part).bounding_box()["y"] for part in ("canvas .paper", "prompt", "swatch", "preset")]
    assert places == sorted(places)


def test_everything_on_the_tab_has_a_name(page):
    draw(page, steps=3)
    expect(control(page, "canvas").locator(".status")).to_have_text("Finished after 3 steps")
    assert page.evaluate(NAMELESS) == []
