"""The page at two sizes and in two lights, for hands, eyes and screen readers."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_drawing import draw

pytestmark = pytest.mark.browser

NAMELESS = """() => [...document.querySelectorAll('main button, main input, main select, main textarea')]
    .filter(node => node.offsetParent && !['hidden', 'file'].includes(node.type))
    .filter(node => !(node.ariaLabel || node.title || node.textContent.trim() || node.labels?.length))
    .map(node => node.outerHTML.slice(0, 120))"""


@pytest.fixture
def phone(chromium, address):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, locale="en-US", has_touch=True)
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".status")).to_have_text("Ready")
    yield page
    context.close()


def top(page, selector: str) -> float:
    return page.locator(selector).first.bounding_box()["y"]


def test_on_a_phone_the_canvas_is_large_and_first(phone):
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert phone.locator(".paper").bounding_box()["width"] > 300
    places = [top(phone, selector) for selector in (".paper", ".transport", "#clipdraw-prompt", ".history-head")]
    assert places == sorted(places)


def test_on_a_desk_the_canvas_stands_beside_its_settings(page):
    paper, prompt = (page.locator(s).bounding_box() for s in (".paper", "#clipdraw-prompt"))
    assert paper["x"] + paper["width"] < prompt["x"]
    assert paper["width"] > 450
    assert page.evaluate("document.documentElement.scrollWidth") == 1440


def test_everything_has_a_name_and_the_page_one_heading(page):
    draw(page, steps=3)
    expect(page.locator(".status")).to_have_text("Finished after 3 steps")
    assert page.locator("h1").count() == 1
    assert page.evaluate(NAMELESS) == []
    assert page.locator(".paper img").get_attribute("alt") == "The drawing: a red apple"
    assert page.locator(".status").get_attribute("aria-live") == "polite"


def test_the_light_switch_is_remembered(page):
    ground = "getComputedStyle(document.body).getPropertyValue('--studio-ground').trim()"
    assert page.evaluate(ground) == "#f3f0e8"
    page.get_by_role("button", name="Light or dark", exact=True).click()
    assert page.evaluate(ground) == "#171614"
    page.reload()
    expect(page.locator(".status")).to_have_text("Ready")
    assert page.evaluate(ground) == "#171614"
