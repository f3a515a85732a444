"""The StyleCLIP tab: faces to choose from, before and after, sliders that act at once, edits that stack up."""

from __future__ import annotations

import pytest
import torch
from playwright.sync_api import Page, expect

from engines.stylegan2 import Generator, GeneratorConfig, save_generator

METHODS = ("styleclip-directions",)

pytestmark = pytest.mark.browser

METHOD = "styleclip-directions"


def control(page: Page, setting: str):
    return page.locator(f"#{METHOD}-{setting}")


def canvas(page: Page):
    return control(page, "canvas")


def edit(page: Page, prompt: str = "face with glasses") -> None:
    page.get_by_role("tab", name="StyleCLIP", exact=True).click()
    expect(control(page, "prompt").locator("textarea")).to_be_visible()
    control(page, "prompt").locator("textarea").fill(prompt)
    control(page, "draw").click()
    says(page, "face 9, alpha 7, edits: none")


def says(page: Page, sentence: str) -> None:
    """What the fake engine makes of its settings."""
    expect(canvas(page).locator(".remark")).to_have_text(sentence)


def set_alpha(page: Page, value: float) -> None:
    field = control(page, "alpha").locator("input[type=number]")
    field.fill(str(value))
    field.press("Tab")


def test_an_edit_is_there_at_once_and_follows_the_slider(page, newest):
    edit(page)
    expect(canvas(page).locator(".status")).to_have_text("Ready: every change is shown at once")
    set_alpha(page, 9)
    says(page, "face 9, alpha 9, edits: none")
    run = newest()
    assert run.method == METHOD
    assert run.changes[-1][1] == {"alpha": 9.0}


def test_another_face_is_edited_in_the_same_run(page, newest):
    edit(page)
    run = newest()
    control(page, "seed").locator("[data-number='7']").click()
    says(page, "face 7, alpha 7, edits: none")
    expect(control(page, "seed").locator("[aria-pressed=true]")).to_have_attribute("data-number", "7")
    assert newest().id == run.id


def test_faces_can_be_turned_over_and_typed(page):
    edit(page)
    control(page, "seed").locator("[data-part=after]").click()
    expect(control(page, "seed").locator("[data-number='10']")).to_be_visible()
    number = control(page, "seed").locator("input[type=number]")
    number.fill("123")
    number.press("Tab")
    says(page, "face 123, alpha 7, edits: none")


def test_before_and_after_are_compared_along_a_line(page):
    edit(page)
    before = canvas(page).locator(".before")
    expect(before).to_be_visible()
    assert "url(" in before.locator(".before-picture").evaluate("node => node.style.backgroundImage")
    split = before.locator("input")
    split.focus()
    split.press("Home")
    assert before.evaluate("node => node.style.getPropertyValue('--split')") == "0%"


def test_accepted_edits_stay_and_the_last_can_be_undone(page):
    edit(page)
    control(page, "accept").click()
    says(page, "face 9, alpha 0, edits: face > face with glasses @ 7, auto")
    set_alpha(page, 2)
    control(page, "prompt").locator("textarea").fill("smiling face")
    control(page, "prompt").locator("textarea").blur()
    control(page, "accept").click()
    says(page, "face 9, alpha 0, edits: face > face with glasses @ 7, auto; face > smiling face @ 2, auto")
    control(page, "undo").click()
    says(page, "face 9, alpha 0, edits: face > face with glasses @ 7, auto")


def test_a_chosen_beta_is_accepted_with_its_edit(page):
    edit(page)
    control(page, "auto-beta").locator("input").uncheck()
    control(page, "accept").click()
    says(page, "face 9, alpha 0, edits: face > face with glasses @ 7, 0.15")


def test_a_reload_finds_the_edit_again(page):
    edit(page)
    set_alpha(page, 6)
    says(page, "face 9, alpha 6, edits: none")
    page.reload()
    page.get_by_role("tab", name="StyleCLIP", exact=True).click()
    says(page, "face 9, alpha 6, edits: none")
    expect(control(page, "alpha").locator("input[type=number]")).to_have_value("6")


def shown_faces(page: Page) -> list[str]:
    """Once all ten are there."""
    tiles = control(page, "seed").locator(".faces img[src^=data]")
    expect(tiles).to_have_count(10)
    return tiles.evaluate_all("images => images.map(image => image.src)")


def test_the_row_shows_the_faces_of_an_own_generator(page, tmp_path):
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(channels=(6, 5, 4), z_dim=8, mapping_features=(12, 10)))
    save_generator(generator, tmp_path / "own.safetensors")
    page.get_by_role("tab", name="StyleCLIP", exact=True).click()
    embedded = shown_faces(page)
    upload = control(page, "generator")
    page.locator(f".studio:has(#{METHOD}-seed)").get_by_role("button", name="A generator of your own").click()
    upload.locator("input[type=file]").set_input_files(tmp_path / "own.safetensors")
    expect(control(page, "seed").locator(".faces img").first).not_to_have_attribute("src", embedded[0])
    own = shown_faces(page)
    assert not set(own) & set(embedded)
    assert len(set(own)) > 1
    upload.get_by_role("button", name="Clear").click()
    expect(control(page, "seed").locator(".faces img").first).to_have_attribute("src", embedded[0])
    assert shown_faces(page) == embedded
