"""Assembles the page and serves it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "0")  # read when Gradio is imported

import gradio as gr
from starlette.middleware import Middleware

from engines import ENGINES
from engines.engine import Engine
from studio import Studio
from ui import api, intake
from ui.components.masthead import Masthead
from ui.context import Context
from ui.language import Text
from ui.security import SecurityHeaders
from ui.session import Session
from ui.tabs import TABS, Tab, texts_of
from ui.theme import StudioTheme

__all__ = ["build", "serve"]

_ASSETS = Path(__file__).parent / "assets"


def build(context: Context, tabs: Sequence[Tab] = TABS) -> gr.Blocks:
    """The page: a masthead and the tabs of the methods that there are."""
    with gr.Blocks(title="Atelier", analytics_enabled=False, fill_width=True) as page:
        Masthead(context)
        sessions = []
        with gr.Tabs(elem_classes="methods"):
            for tab in tabs:
                here = {name: build for name, build in tab.METHODS.items() if name in context.engines}
                if here:
                    with gr.Tab(tab.TITLE, id=tab.TITLE):
                        sessions += _sessions(context, here)
        for session in sessions:
            session.on_load(page)
        api.expose(context)
    return page


def _sessions(context: Context, methods: dict[str, Callable[[Context], Session]]) -> list[Session]:
    if len(methods) == 1:
        return [build(context) for build in methods.values()]
    sessions = []
    with gr.Tabs(elem_classes="ways"):
        for name, build in methods.items():
            with gr.Tab(context.text.label(f"way.{name}"), id=name):
                sessions.append(build(context))
    return sessions


def serve(
    studio: Studio,
    *,
    engines: Mapping[str, type[Engine]] = ENGINES,
    tabs: Sequence[Tab] = TABS,
    shared: bool = False,
    **launch: Any,
) -> tuple[Any, str]:
    """Build the page for `studio` and serve it. `launch` goes to Gradio; returns (server, address).

    shared: others than the user of this machine can reach the page.
    """
    text = Text({name: engine.Settings for name, engine in engines.items()}, texts_of(tabs))
    context = Context(studio, engines, text, shared=shared)
    page = build(context, tabs)
    page.queue(max_size=32)
    app, local, public = page.launch(
        theme=StudioTheme(),
        css_paths=[_ASSETS / "studio.css"],
        head=f"<script>{(_ASSETS / 'page.js').read_text('utf-8')}</script>",
        favicon_path=_ASSETS / "favicon.png",
        i18n=text.i18n,
        app_kwargs={"middleware": [Middleware(SecurityHeaders)], "routes": [context.downloads.route]},
        footer_links=["api"],
        run_history=False,
        max_file_size=intake.MAX_UPLOAD if shared else intake.MAX_OWN_UPLOAD,
        strict_cors=True,
        ssr_mode=False,
        **launch,
    )
    return app, public or local
