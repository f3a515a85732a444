"""The pictures of the page in docs/: `python -m benchmarks.screenshots`. Needs Chromium and playwright.

The real page with the real engine and pocket models draws one prompt to its end; a slider is moved on the way.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.page import chromium, draw, served, slider_to_effect, wait_for_step

DOCS = Path(__file__).parents[1] / "docs"
VIEWS = {
    "page": {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "light", "locale": "en-US"},
    "page-dark": {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "dark", "locale": "en-US"},
    "page-korean": {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "light", "locale": "ko-KR"},
    "page-phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "locale": "en-US"},
}


def make_drawing(page: Page, prompt: str, steps: int) -> None:
    page.locator("#clipdraw-num-steps input[type=number]").fill(str(steps))
    page.keyboard.press("Tab")
    draw(page, prompt)
    wait_for_step(page, steps // 2)
    slider_to_effect(page)
    wait_for_step(page, steps)


def take(browser: Browser, address: str, storage: dict, name: str) -> None:
    """One view of the finished drawing: the browser remembers the run, so every window shows it."""
    context = browser.new_context(**VIEWS[name], storage_state=storage, device_scale_factor=1.5)
    page = context.new_page()
    page.goto(address)
    page.locator(".paper img").wait_for(state="visible")
    page.locator(".thumbnail img").first.wait_for(state="visible")
    page.screenshot(path=DOCS / f"{name}.png")
    print(f"docs/{name}.png")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", default="a red apple")
    parser.add_argument("--steps", type=int, default=250)
    options = parser.parse_args()
    DOCS.mkdir(exist_ok=True)
    with served() as (address, _), chromium() as browser:
        context = browser.new_context(**VIEWS["page"])
        page = context.new_page()
        page.goto(address)
        page.wait_for_function("document.querySelector('.status')?.textContent === 'Ready'")
        make_drawing(page, options.prompt, options.steps)
        storage = context.storage_state()
        context.close()
        for name in VIEWS:
            take(browser, address, storage, name)


if __name__ == "__main__":
    main()
