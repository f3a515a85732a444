"""The unCLIP tab: six tasks, each with what it needs; sliders that act on the picture that is there."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.test_layout import NAMELESS

METHODS = ("unclip",)

pytestmark = pytest.mark.browser

METHOD = "unclip"
NEEDS = {
    "generate": {"prompt", "picture-1", "picture-2", "second-prompt"},
    "variations": {"picture-1", "invert"},
    "interpolate": {"prompt", "picture-1", "picture-2", "second-prompt", "position", "invert"},
    "textdiff": {"prompt", "picture-1", "base-prompt", "difference", "theta", "theta-scale", "invert"},
    "pca": {"prompt", "picture-1", "components"},
    "probe": {"picture-1", "attack", "labels"},
}


def control(page: Page, setting: str):
    return page.locator(f"#{METHOD}-{setting}")


def open_tab(page: Page, task: str = "generate") -> None:
    page.get_by_role("tab", name="unCLIP", exact=True).click()
    expect(control(page, "draw")).to_be_visible()
    control(page, "operation").locator(f"input[value={task}]").click()


def generate(page: Page, prompt: str = "a red apple") -> None:
    open_tab(page)
    control(page, "prompt").locator("textarea").fill(prompt)
    control(page, "draw").click()
    says(page)


def says(page: Page, *, task="generate", theta="0.35", weight="1", enlarged=True, file="none") -> None:
    """What the fake engine makes of its settings."""
    sentence = f"{task}, theta {theta}, weight {weight}, enlarged {enlarged}, file {file}"
    expect(control(page, "canvas").locator(".remark")).to_have_text(sentence)


def set_number(page: Page, setting: str, value: float) -> None:
    field = control(page, setting).locator("input[type=number]")
    field.fill(str(value))
    field.press("Tab")


@pytest.fixture
def house(tmp_path) -> str:
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / "house.png")
    return str(tmp_path / "house.png")


def test_a_task_shows_what_it_needs(page):
    for task in NEEDS:
        open_tab(page, task)
        for setting in set().union(*NEEDS.values()):
            found = expect(control(page, setting), f"{setting} for {task}")
            found.to_be_visible() if setting in NEEDS[task] else found.to_be_hidden()


def test_a_picture_is_changed_by_words_and_follows_the_slider(page, house, newest):
    open_tab(page, "textdiff")
    control(page, "picture-1").locator("input[type=file]").set_input_files(house)
    expect(control(page, "picture-1").locator("img")).to_be_visible()
    control(page, "prompt").locator("textarea").fill("a snowy house")
    control(page, "draw").click()
    says(page, task="textdiff", file="picture_1-1.png")
    set_number(page, "theta", 0.2)
    says(page, task="textdiff", theta="0.2", file="picture_1-1.png")
    assert newest().changes[-1][1] == {"theta": 0.2}


def test_the_mixture_and_the_enlargement_obey(page, newest):
    generate(page)
    page.get_by_role("button", name="Weights").click()
    set_number(page, "prompt-weight", -0.5)
    says(page, weight="-0.5")
    control(page, "upsample").locator("input").uncheck()
    says(page, weight="-0.5", enlarged=False)
    now = newest().live.current
    assert (now.prompt_weight, now.upsample) == (-0.5, False)


def test_what_is_missing_is_named(page):
    sentences = {
        "generate": "Setting 'Prompt' is empty; write what the picture shall show.",
        "variations": "Setting 'Picture' is empty; choose the picture to work with.",
        "interpolate": "Setting 'Picture' is empty; choose a picture or write a prompt to begin with.",
    }
    for task, sentence in sentences.items():
        open_tab(page, task)
        control(page, "draw").click()
        expect(control(page, "canvas").locator(".notice")).to_have_text(sentence)


def test_a_preset_leaves_the_task(page):
    open_tab(page, "pca")
    control(page, "preset").locator("input").click()
    page.get_by_role("option", name="Paper", exact=True).click()
    expect(control(page, "prior-steps").locator("input[type=number]")).to_have_value("64")
    expect(control(page, "operation").locator("input[value=pca]")).to_be_checked()


def test_on_a_phone_nothing_sticks_out(page):
    open_tab(page)  # its name is behind a button there
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_everything_on_the_tab_has_a_name(page):
    for task in NEEDS:
        open_tab(page, task)
        assert page.evaluate(NAMELESS) == []
