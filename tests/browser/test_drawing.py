"""From pressing Draw to the saved file, as a person does it."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

METHODS = ("clipdraw",)

pytestmark = pytest.mark.browser

LONG = 5000  # steps: a run that does not end by itself during a test


def draw(page: Page, prompt: str = "a red apple", *, steps: int = LONG, step_seconds: float = 0.02) -> None:
    """Fill in what the test needs and press Draw; back when the first steps are on the page."""
    page.locator("#clipdraw-prompt textarea").fill(prompt)
    number(page, "num-steps", steps)
    number(page, "step-seconds", step_seconds)
    page.locator("#clipdraw-draw").click()
    expect(page.locator(".paper img")).to_be_visible()
    expect(page.locator(".meter")).to_have_text(re.compile(r"^[1-9]"))


def number(page: Page, setting: str, value: float | str) -> None:
    field = page.locator(f"#clipdraw-{setting} input[type=number]")
    field.fill(str(value))
    field.press("Tab")


def step_on_page(page: Page) -> int:
    return int(page.locator(".meter").inner_text().split("/")[0])


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_draw_shows_the_drawing_evolving(page, newest):
    draw(page)
    expect(page.locator(".status")).to_have_text("Drawing")
    first = page.locator(".paper img").get_attribute("src")
    assert first.startswith("data:image/svg+xml;base64,")
    before = step_on_page(page)
    expect(page.locator(".paper img")).not_to_have_attribute("src", first)
    page.wait_for_function(f"parseInt(document.querySelector('.meter').textContent) > {before}")
    assert newest().live.current.prompt == "a red apple"
    expect(page.locator(".losses polyline")).to_have_count(2)


def test_a_slider_takes_hold_of_the_running_drawing(page, newest):
    draw(page)
    run = newest()
    assert run.live.current.pen_width == 2.0
    slider = page.locator("#clipdraw-pen-width input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.2 * box["width"], middle)
    page.mouse.down()
    for part in (0.4, 0.6, 0.8):
        page.mouse.move(box["x"] + part * box["width"], middle)
    page.mouse.up()
    expect(page.locator(".changes li").first).to_contain_text("Pen width → ")
    assert run.live.current.pen_width > 4
    assert any("pen_width" in change for _, change in run.changes)
    expect(page.locator(".losses .mark").first).to_be_attached()


def test_the_prompt_counts_when_it_is_complete(page, newest):
    draw(page)
    prompt = page.locator("#clipdraw-prompt textarea")
    prompt.fill("a green pear")
    assert newest().live.current.prompt == "a red apple"
    prompt.blur()
    expect(page.locator(".changes li").first).to_contain_text("a green pear")
    assert newest().live.current.prompt == "a green pear"


def test_a_new_drawing_leaves_the_old_one_its_prompt(page, newest):
    draw(page)
    old = newest()
    page.locator("#clipdraw-prompt textarea").fill("a green pear")
    page.locator("#clipdraw-draw").click()
    expect(page.locator(".card strong").first).to_have_text("a green pear")
    expect(page.locator(".status")).to_have_text("Drawing")
    assert newest().live.current.prompt == "a green pear"
    assert (old.state, old.live.current.prompt, old.changes) == ("stopped", "a red apple", [])


def test_an_example_becomes_the_prompt(page, newest):
    draw(page)
    press(page, "a sunflower")
    expect(page.locator("#clipdraw-prompt textarea")).to_have_value("a sunflower")
    expect(page.locator(".changes li").first).to_contain_text("a sunflower")


def test_pause_step_resume_stop(page, newest):
    draw(page)
    press(page, "Pause")
    expect(page.locator(".status")).to_have_text(re.compile(r"^Paused at step \d+$"))
    run = newest()
    at = run.step
    expect(page.locator(".meter")).to_have_text(f"{at} / {LONG}")
    press(page, "One step")
    expect(page.locator(".status")).to_have_text(f"Paused at step {at + 1}")
    assert run.step == at + 1
    press(page, "Resume")
    expect(page.locator(".status")).to_have_text("Drawing")
    press(page, "Stop")
    expect(page.locator(".status")).to_have_text(re.compile(r"^Stopped at step \d+$"))
    assert run.state == "stopped"
    press(page, "Resume")
    expect(page.locator(".status")).to_have_text("Drawing")


def test_keys(page, newest):
    page.locator("#clipdraw-prompt textarea").fill("a house")
    number(page, "num-steps", LONG)
    number(page, "step-seconds", 0.02)
    page.locator("#clipdraw-prompt textarea").press("Control+Enter")
    expect(page.locator(".status")).to_have_text("Drawing")
    expect(page.locator(".easel")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator(".status")).to_have_text(re.compile("^Paused"))
    page.keyboard.press("Space")
    expect(page.locator(".status")).to_have_text("Drawing")
    page.keyboard.press("Escape")
    expect(page.locator(".status")).to_have_text(re.compile("^Stopped"))
    assert newest().live.current.prompt == "a house"


def test_a_reload_finds_the_run_again(page, newest):
    draw(page, "a lighthouse")
    number(page, "pen-width", 5)
    expect(page.locator(".changes li").first).to_contain_text("Pen width → 5")
    run = newest()
    page.reload()
    expect(page.locator(".status")).to_have_text("Drawing")
    expect(page.locator(".paper img")).to_be_visible()
    expect(page.locator("#clipdraw-prompt textarea")).to_have_value("a lighthouse")
    expect(page.locator("#clipdraw-pen-width input[type=number]")).to_have_value("5")
    press(page, "Stop")
    expect(page.locator(".status")).to_have_text(re.compile("^Stopped"))
    assert run.state == "stopped"


def test_look_back_and_go_on_from_there(page, newest):
    draw(page, steps=250)  # short enough for every step to be recorded
    page.wait_for_function("parseInt(document.querySelector('.meter').textContent) >= 12")
    press(page, "Pause")
    expect(page.locator(".status")).to_have_text(re.compile("^Paused"))
    run = newest()
    slider = page.locator("input[data-part=moments]")
    slider.focus()
    slider.press("Home")
    slider.press("ArrowRight")
    step = run.timeline[1]
    expect(page.locator("[data-part=moment]")).to_have_text(f"Looking back at step {step}")
    press(page, "Go on from here")
    expect(page.locator(".status")).to_have_text(f"Paused at step {step}")
    assert run.step == step


def test_branch_leaves_the_old_run_as_it_is(page, newest):
    draw(page, steps=250)  # short enough for every step to be recorded
    page.wait_for_function("parseInt(document.querySelector('.meter').textContent) >= 12")
    press(page, "Pause")
    expect(page.locator(".status")).to_have_text(re.compile("^Paused"))
    old = newest()
    at = old.step
    slider = page.locator("input[data-part=moments]")
    slider.focus()
    slider.press("Home")
    slider.press("ArrowRight")
    press(page, "Branch off here")
    expect(page.locator(".status")).to_have_text("Drawing")
    assert newest().id != old.id
    assert old.step == at


def test_svg_and_png_are_saved_with_their_settings(page):
    draw(page, "a blue fish", steps=6)
    expect(page.locator(".status")).to_have_text("Finished after 6 steps")
    page.locator("select[data-part=kind]").select_option("svg")
    with page.expect_download() as waiting:
        press(page, "Download")
    path = waiting.value.path()
    assert waiting.value.suggested_filename.endswith(".svg")
    root = ElementTree.parse(path).getroot()
    svg = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f".//{svg}path")) == 8
    assert json.loads(root.find(f"{svg}metadata").text)["settings"]["prompt"] == "a blue fish"

    page.locator("[data-part=embed]").uncheck()
    with page.expect_download() as waiting:
        press(page, "Download")
    assert ElementTree.parse(waiting.value.path()).getroot().find(f"{svg}metadata") is None


def test_settings_come_back_from_a_file(page, tmp_path):
    draw(page, "a blue fish", steps=7)
    expect(page.locator(".status")).to_have_text("Finished after 7 steps")
    page.locator("select[data-part=kind]").select_option("png")
    with page.expect_download() as waiting:
        press(page, "Download")
    saved = tmp_path / "fish.png"
    waiting.value.save_as(saved)
    page.locator("#clipdraw-prompt textarea").fill("something else")
    number(page, "num-steps", 99)
    page.locator("input[type=file][accept*='.svg']").first.set_input_files(saved)
    expect(page.locator("#clipdraw-prompt textarea")).to_have_value("a blue fish")
    expect(page.locator("#clipdraw-num-steps input[type=number]")).to_have_value("7")


def test_history_restores_and_deletes(page, studio):
    draw(page, "a very special cat", steps=5)
    expect(page.locator(".status")).to_have_text("Finished after 5 steps")
    card = page.locator(".card", has_text="a very special cat")
    expect(card).to_contain_text("finished")
    page.locator("#clipdraw-prompt textarea").fill("something else")
    card.get_by_role("button", name="Settings: a very special cat").click()
    expect(page.locator("#clipdraw-prompt textarea")).to_have_value("a very special cat")
    card.get_by_role("button", name="Delete: a very special cat").click()
    card.get_by_role("button", name="Delete: a very special cat").click()
    expect(card).to_have_count(0)
    expect(page.locator(".status")).to_have_text("Ready")
    assert "a very special cat" not in [entry.title for entry in studio.history()]
