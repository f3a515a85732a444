"""How long a person waits for the page: `python -m benchmarks.page`. Needs Chromium and playwright.

Start-up is that of `python app.py` as a process of its own, until a browser can press Draw. The rest is seen from the
browser, with the real engine and pocket models: from pressing Draw to the first painted picture, from moving a slider
to the first step that obeyed it (its mark on the loss curve), and how many pictures are painted per second.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]


@contextmanager
def served() -> Iterator[tuple[str, float]]:
    """app.py in a folder of its own; → (address, seconds until it said that it is open)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as outputs:
        command = [sys.executable, "app.py", "--no-browser", "--port", str(port), "--outputs", outputs]
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            while "open at" not in process.stdout.readline():
                if process.poll() is not None:
                    raise SystemExit("app.py did not start")
            yield f"http://127.0.0.1:{port}/", time.perf_counter() - began
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("this needs Chromium: install it (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


def draw(page: Page, prompt: str, method: str = "clipdraw") -> float:
    """Press Draw; → seconds until the first picture is painted."""
    page.locator(f"#{method}-prompt textarea").fill(prompt)
    began = time.perf_counter()
    page.locator(f"#{method}-draw").click()
    page.locator(f"#{method}-canvas .paper img").wait_for(state="visible")
    return time.perf_counter() - began


def wait_for_step(page: Page, step: int, method: str = "clipdraw") -> None:
    meter = f"document.querySelector('#{method}-canvas .meter')"
    page.wait_for_function(f"parseInt({meter}.textContent) >= {step}", timeout=600_000)


def slider_to_effect(page: Page) -> float:
    """Seconds from a key press on a slider until the page shows the step that obeyed."""
    slider = page.locator("#clipdraw-max-width input[type=range]")
    slider.focus()
    marks = page.locator("#clipdraw-canvas .losses .mark")
    before = marks.count()
    began = time.perf_counter()
    slider.press("ArrowLeft")
    marks.nth(before).wait_for(state="attached")
    return time.perf_counter() - began


def painted_per_second(page: Page, seconds: float = 5.0) -> float:
    count = """seconds => new Promise(done => {
        let painted = 0;
        const watcher = new MutationObserver(changes => painted += changes.length);
        watcher.observe(document.querySelector('#clipdraw-canvas .paper img'), { attributeFilter: ['src'] });
        setTimeout(() => done(painted / seconds), seconds * 1000);
    })"""
    return page.evaluate(count, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", default="a red apple")
    options = parser.parse_args()
    with served() as (address, started), chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        began = time.perf_counter()
        page.goto(address)
        page.wait_for_function("document.querySelector('#clipdraw-canvas .status')?.textContent === 'Ready'")
        rows = [("app.py to open address", started), ("address to page that is ready", time.perf_counter() - began)]
        rows.append(("Draw to first picture, app just opened", draw(page, options.prompt)))
        wait_for_step(page, 20)
        effects = sorted(slider_to_effect(page) for _ in range(5))
        rows.append(("slider to its effect on the page, median of 5", effects[2]))
        painted = painted_per_second(page)
        rows.append(("Draw to first picture, later", draw(page, options.prompt + " on a table")))
        for name, seconds in rows:
            print(f"{name:<48}{seconds:>8.2f} s")
        print(f"{'pictures painted per second':<48}{painted:>8.1f}")


if __name__ == "__main__":
    main()
