"""The pictures of the page in docs/: `python -m benchmarks.screenshots`. Needs Chromium and playwright.

The real page with the real engines and pocket models makes one picture per tab to its end; on the first, a slider is
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
VIEWS = {  # name → method, and how the window is
    "page": ("clipdraw", LIGHT),
    "page-dark": ("clipdraw", {**LIGHT, "color_scheme": "dark"}),
    "page-korean": ("clipdraw", {**LIGHT, "locale": "ko-KR"}),
    "page-phone": ("clipdraw", {**LIGHT, "viewport": {"width": 390, "height": 844}}),
    "page-style": ("styleclipdraw", LIGHT),
    "page-directions": ("styleclip-directions", LIGHT),
    "page-mapper": ("styleclip-mapper", LIGHT),
    "page-optimise": ("styleclip-optimize", LIGHT),
    "page-domain": ("stylegan-nada", LIGHT),
    "page-dream": ("dreamstyler", LIGHT),
    "page-unclip": ("unclip", LIGHT),
}
TABS = {  # method → the tab in the tab, where the method's own title is not that of a tab
    "styleclip-directions": ("StyleCLIP", "Global directions"),
    "styleclip-mapper": ("StyleCLIP", "Mapper"),
    "styleclip-optimize": ("StyleCLIP", "Optimise"),
}
PATIENCE = 300_000  # ms; a loaded machine is slow


def make_drawing(page: Page, prompt: str, steps: int, method: str) -> None:
    page.locator(f"#{method}-num-steps input[type=number]").fill(str(steps))
    page.keyboard.press("Tab")
    draw(page, prompt, method)
    wait_for_step(page, steps // 2, method)
    if method == "clipdraw":
        slider_to_effect(page)
    wait_for_step(page, steps, method)


def make_edit(page: Page, prompt: str, method: str) -> None:
    draw(page, prompt, method)
    resting = f"document.querySelector('#{method}-canvas .status')?.textContent.startsWith('Ready:')"
    page.wait_for_function(resting, timeout=PATIENCE)


def make_picture(page: Page, method: str, options: argparse.Namespace) -> None:
    open_tab(page, method)
    match method:
        case "clipdraw":
            make_drawing(page, options.prompt, options.steps, method)
        case "styleclipdraw":
            page.locator(f'#{method}-swatch button[data-name="{options.swatch}"]').click()
            make_drawing(page, options.style_prompt, options.steps, method)
        case "styleclip-directions":
            make_edit(page, options.edit, method)
        case "styleclip-mapper":
            choose(page, f"#{method}-edit", options.mapper)
            make_edit(page, "", method)
        case "stylegan-nada":
            choose(page, f"#{method}-domain", options.domain)
            make_edit(page, "", method)
        case "dreamstyler":
            page.locator(f"#{method}-mode input[value=paint]").click()
            make_edit(page, options.painted, method)
        case "unclip":
            make_edit(page, options.prompt, method)
        case "styleclip-optimize":
            make_drawing(page, options.edit, 60, method)


def choose(page: Page, control: str, option: str) -> None:
    page.locator(f"{control} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def open_tab(page: Page, method: str) -> None:
    for name in TABS.get(method, (ENGINES[method].title,)):
        page.get_by_role("tab", name=name, exact=True).click()
    page.locator(f"#{method}-draw").wait_for(state="visible")


def take(browser: Browser, address: str, storage: dict, name: str) -> None:
    """One view of a finished picture: the browser remembers the run, so every window shows it."""
    method, window = VIEWS[name]
    context = browser.new_context(**window, storage_state=storage, device_scale_factor=1.5)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    open_tab(page, method)
    page.locator(f"#{method}-canvas .paper img").wait_for(state="visible")
    page.locator(f"#{method}-history .thumbnail img").first.wait_for(state="visible")
    if method.startswith("styleclip-") or method == "stylegan-nada":
        page.locator(f"#{method}-seed .faces img[src^=data]").nth(9).wait_for(state="visible")  # of ten
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=DOCS / f"{name}.png")
    print(f"docs/{name}.png")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=VIEWS, default=list(VIEWS), metavar="VIEW", help=", ".join(VIEWS))
    parser.add_argument("--prompt", default="a red apple")
    parser.add_argument("--style-prompt", default="a cat face")
    parser.add_argument("--swatch", choices=SWATCHES, default="impasto")
    parser.add_argument("--edit", default="face with glasses")
    parser.add_argument("--mapper", default="hat")
    parser.add_argument("--domain", default="neon-sign")
    parser.add_argument("--painted", default="A red apple")
    parser.add_argument("--steps", type=int, default=250)
    options = parser.parse_args()
    DOCS.mkdir(exist_ok=True)
    with served() as (address, _), chromium() as browser:
        context = browser.new_context(**LIGHT)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(address)
        page.wait_for_function("document.querySelector('#clipdraw-canvas .status')?.textContent === 'Ready'")
        for method in dict.fromkeys(VIEWS[name][0] for name in options.only):
            make_picture(page, method, options)
        storage = context.storage_state()
        context.close()
        for name in options.only:
            take(browser, address, storage, name)


if __name__ == "__main__":
    main()
