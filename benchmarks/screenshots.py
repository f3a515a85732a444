"""The pictures of the page in docs/: `python -m benchmarks.screenshots`. Needs Chromium and playwright.

The real page with the real engines and pocket models draws one prompt per tab to its end; on the first, a slider is
moved on the way.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.page import chromium, draw, served, slider_to_effect, wait_for_step
from engines import ENGINES
from engines.style import SWATCHES

DOCS = Path(__file__).parents[1] / "docs"
LIGHT = {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "light", "locale": "en-US"}
VIEWS = {  # name → tab, and how the window is
    "page": ("clipdraw", LIGHT),
    "page-dark": ("clipdraw", {**LIGHT, "color_scheme": "dark"}),
    "page-korean": ("clipdraw", {**LIGHT, "locale": "ko-KR"}),
    "page-phone": ("clipdraw", {**LIGHT, "viewport": {"width": 390, "height": 844}}),
    "page-style": ("styleclipdraw", LIGHT),
}


def make_drawing(page: Page, prompt: str, steps: int, method: str) -> None:
    page.locator(f"#{method}-num-steps input[type=number]").fill(str(steps))
    page.keyboard.press("Tab")
    draw(page, prompt, method)
    wait_for_step(page, steps // 2, method)
    if method == "clipdraw":
        slider_to_effect(page)
    wait_for_step(page, steps, method)


def open_tab(page: Page, method: str) -> None:
    page.get_by_role("tab", name=ENGINES[method].title, exact=True).click()
    page.locator(f"#{method}-draw").wait_for(state="visible")


def take(browser: Browser, address: str, storage: dict, name: str) -> None:
    """One view of a finished drawing: the browser remembers the run, so every window shows it."""
    method, window = VIEWS[name]
    context = browser.new_context(**window, storage_state=storage, device_scale_factor=1.5)
    page = context.new_page()
    page.goto(address)
    open_tab(page, method)
    page.locator(f"#{method}-canvas .paper img").wait_for(state="visible")
    page.locator(f"#{method}-history .thumbnail img").first.wait_for(state="visible")
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=DOCS / f"{name}.png")
    print(f"docs/{name}.png")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", default="a red apple")
    parser.add_argument("--style-prompt", default="a cat face")
    parser.add_argument("--swatch", choices=SWATCHES, default="impasto")
    parser.add_argument("--steps", type=int, default=250)
    options = parser.parse_args()
    DOCS.mkdir(exist_ok=True)
    with served() as (address, _), chromium() as browser:
        context = browser.new_context(**LIGHT)
        page = context.new_page()
        page.goto(address)
        page.wait_for_function("document.querySelector('#clipdraw-canvas .status')?.textContent === 'Ready'")
        make_drawing(page, options.prompt, options.steps, "clipdraw")
        open_tab(page, "styleclipdraw")
        page.locator(f'#styleclipdraw-swatch button[data-name="{options.swatch}"]').click()
        make_drawing(page, options.style_prompt, options.steps, "styleclipdraw")
        storage = context.storage_state()
        context.close()
        for name in VIEWS:
            take(browser, address, storage, name)


if __name__ == "__main__":
    main()
