"""The real page in a real browser: the system's Chromium, driven by Playwright, with a fake engine behind the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from studio import Run, Studio
from tests.ui.conftest import ENGINES, served, studio

__all__ = ["studio"]  # a fixture, here as there

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]
LEAVING = ("ERR_", "AbortError", "Connection errored out")  # Gradio on requests that a reload cuts off
PATIENCE = 20_000  # ms; a loaded machine is slow, a broken page is not there at all

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sentence = "browser tests need Chromium: install it (Debian: apt-get install chromium)"
        pytest.fail(sentence) if os.environ.get("CI") == "true" else pytest.skip(sentence)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(request: pytest.FixtureRequest, studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with the tabs of the module's `METHODS`, all unless it names some: a page with fewer tabs loads sooner."""
    names = getattr(request.module, "METHODS", ENGINES)
    with served(studio, {name: ENGINES[name] for name in names}, tmp_path_factory.mktemp("gradio")) as address:
        yield address


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-US", accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, address: str, studio: Studio) -> Iterator[Page]:
    """The page as first seen. What it started is stopped at the end, and its console must have stayed quiet."""
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    expect(page.locator(".status")).to_have_text("Ready")
    yield page
    for entry in studio.history():
        studio.get(entry.id).stop()
    assert [text for text in problems if not any(known in text for known in LEAVING)] == []


@pytest.fixture
def newest(studio: Studio):
    """Finds the run that was started last."""

    def find() -> Run:
        return studio.get(studio.history()[0].id)

    return find
