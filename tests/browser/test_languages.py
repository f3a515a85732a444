"""The page in Korean: what Gradio draws, what our scripts say, and what Python says."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_drawing import number

pytestmark = pytest.mark.browser


@pytest.fixture
def korean(chromium, address, studio):
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="ko-KR")
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".status")).to_have_text("준비됨")
    yield page
    for entry in studio.history():
        studio.get(entry.id).stop()
    context.close()


def test_a_korean_browser_gets_a_korean_page(korean):
    assert korean.evaluate("document.documentElement.lang") == "ko"
    expect(korean.locator("h1")).to_have_text("아틀리에")
    expect(korean.locator("#clipdraw-draw")).to_have_text("그리기")
    expect(korean.locator("#clipdraw-seed")).to_contain_text("시드")
    expect(korean.get_by_role("button", name="해바라기", exact=True)).to_be_visible()
    expect(korean.locator("#clipdraw-preset input")).to_have_value("기본값")


def test_states_and_errors_are_korean(korean):
    korean.locator("#clipdraw-prompt textarea").fill("빨간 사과")
    number(korean, "num-steps", 5000)
    number(korean, "step-seconds", 0.02)
    korean.locator("#clipdraw-draw").click()
    expect(korean.locator(".status")).to_have_text("그리는 중")
    expect(korean.locator(".meter")).to_contain_text("초당")
    korean.get_by_role("button", name="일시정지", exact=True).click()
    expect(korean.locator(".status")).to_have_text(re.compile(r"^\d+단계에서 일시정지$"))
    field = korean.locator("#clipdraw-fail-at input[type=number]")
    field.fill("")
    field.press("Tab")
    expect(korean.locator(".canvas .notice")).to_contain_text("숫자가 필요합니다")


def test_the_switch_changes_the_language_and_keeps_the_run(page, studio):
    page.locator("#clipdraw-prompt textarea").fill("a cat")
    number(page, "num-steps", 3)
    page.locator("#clipdraw-draw").click()
    expect(page.locator(".status")).to_have_text("Finished after 3 steps")
    page.get_by_role("button", name="한국어", exact=True).click()
    expect(page.locator(".status")).to_have_text("3단계로 완성")
    expect(page.locator("#clipdraw-prompt textarea")).to_have_value("a cat")
    page.get_by_role("button", name="English", exact=True).click()
    expect(page.locator(".status")).to_have_text("Finished after 3 steps")
