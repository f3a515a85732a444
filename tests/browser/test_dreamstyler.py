"""The DreamStyler tab: three tasks, captions to correct, a row of stages, a shelf of styles, a part of the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.test_layout import NAMELESS

METHODS = ("dreamstyler",)

pytestmark = pytest.mark.browser

METHOD = "dreamstyler"
MIX = "0 0 0 1 1 1"


def control(page: Page, setting: str):
    return page.locator(f"#{METHOD}-{setting}")


def open_tab(page: Page, task: str = "learn") -> None:
    page.get_by_role("tab", name="DreamStyler", exact=True).click()
    expect(control(page, "draw")).to_be_visible()
    control(page, "mode").locator(f"input[value={task}]").click()


def paint(page: Page, **told) -> None:
    open_tab(page, "paint")
    control(page, "prompt").locator("textarea").fill("A painting of a cat in the style of {}")
    control(page, "draw").click()
    says(page, **told)


def says(page: Page, *, task="paint", amount="1", mix=MIX, file="none", region="none") -> None:
    """What the fake engine makes of its settings."""
    sentence = f"{task}, amount {amount}, mix {mix}, file {file}, region {region}"
    expect(control(page, "canvas").locator(".remark")).to_have_text(sentence)


@pytest.fixture
def painting(tmp_path) -> str:
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / "painting.png")
    return str(tmp_path / "painting.png")


def test_a_task_shows_what_it_needs(page):
    needs = {"learn": "painting-1", "restyle": "photo", "paint": "style"}
    for task in needs:
        open_tab(page, task)
        expect(control(page, needs[task])).to_be_visible()
        for other in {"learn": ("photo", "style"), "restyle": ("painting-1",), "paint": ("painting-1", "photo")}[task]:
            expect(control(page, other)).to_be_hidden()


def test_captions_are_written_where_there_are_none(page, painting, monkeypatch):
    monkeypatch.setattr("engines.dreamstyler.captions.caption_of", lambda models, picture: f"{picture.shape[1]} px")
    open_tab(page)
    control(page, "painting-1").locator("input[type=file]").set_input_files(painting)
    expect(control(page, "painting-1").locator("img")).to_be_visible()
    control(page, "write").click()
    caption = control(page, "caption-1").locator("textarea")
    expect(caption).to_have_value("60 px")
    caption.fill("a grey field")
    control(page, "write").click()
    page.wait_for_timeout(500)
    expect(caption).to_have_value("a grey field")
    control(page, "draw").click()
    says(page, task="learn")


def test_nothing_to_learn_from(page):
    open_tab(page)
    control(page, "draw").click()
    expect(control(page, "canvas").locator(".notice")).to_have_text(
        "Setting 'Painting' is empty; choose a painting to learn the style of."
    )


def test_the_row_of_stages_mixes(page, newest):
    paint(page)
    page.get_by_role("button", name="Mix with a second style").click()
    cells = control(page, "mix").locator(".stage-cell")
    expect(cells).to_have_count(6)
    cells.first.click()
    says(page, mix="1 0 0 1 1 1")
    cells.nth(1).locator("input").focus()
    page.keyboard.press("ArrowUp")
    says(page, mix="1 0.05 0 1 1 1")
    control(page, "mix").get_by_role("button", name="Fewer parts").click()
    says(page, mix="1 0.05 0 1 1")
    control(page, "mix").get_by_role("button", name="Half and half").click()
    says(page, mix="0.5 0.5 0.5 0.5 0.5")
    assert newest().live.current.mix == "0.5 0.5 0.5 0.5 0.5"


def test_the_shelf_keeps_gives_and_lets_go(page, studio):
    open_tab(page)
    shelf = control(page, "shelf")
    shelf.locator("[data-part=keep]").click()
    expect(control(page, "canvas").locator(".notice")).to_have_text("There is no drawing on the canvas yet.")
    paint(page)
    shelf.locator("[data-part=keep]").click()
    expect(shelf.locator(".shelf-tile img[src^=data]")).to_have_count(1)
    assert [path.name for path in sorted((studio.outputs / "styles").iterdir())] == ["style.png", "style.safetensors"]
    shelf.locator(".shelf-tile button").first.click()
    says(page, file="style_file-1.safetensors")
    away = shelf.locator(".away")
    away.click()
    expect(away).to_have_text("Really?")
    away.click()
    expect(shelf.locator(".shelf-tile")).to_have_count(0)
    assert not any((studio.outputs / "styles").iterdir())


def test_the_style_is_kept_to_a_part(page):
    open_tab(page, "paint")
    page.get_by_role("button", name="Only a part of the picture").click()
    control(page, "region").locator("canvas").click()
    paint(page, region="region-1.png")


def test_on_a_phone_nothing_sticks_out(page):
    open_tab(page)  # its name is behind a button there
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_everything_on_the_tab_has_a_name(page):
    for task in ("learn", "paint", "restyle"):
        open_tab(page, task)
        assert page.evaluate(NAMELESS) == []
