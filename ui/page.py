"""Assembles the page and serves it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "0")  # read when Gradio is imported

import gradio as gr
from starlette.middleware import Middleware

from engines import ENGINES
from engines.base import Engine
from studio import Studio
from ui import api, intake
from ui.components.masthead import Masthead
from ui.context import Context
from ui.language import Text
from ui.security import SecurityHeaders
from ui.tabs import clipdraw, styleclipdraw
from ui.theme import StudioTheme

__all__ = ["build", "serve"]

_ASSETS = Path(__file__).parent / "assets"
_TABS = {"clipdraw": clipdraw.build, "styleclipdraw": styleclipdraw.build}
"""Method name → what lays its tab out."""


def build(context: Context) -> gr.Blocks:
    """The page: a masthead and one tab per method."""
    with gr.Blocks(title="Atelier", analytics_enabled=False, fill_width=True) as page:
        Masthead(context)
        sessions = []
        with gr.Tabs(elem_classes="methods"):
            for name, engine in context.engines.items():
                with gr.Tab(engine.title, id=name):
                    sessions.append(_TABS[name](context))
        for session in sessions:
            session.on_load(page)
        api.expose(context)
    return page


def serve(
    studio: Studio, *, engines: Mapping[str, type[Engine]] = ENGINES, shared: bool = False, **launch: Any
) -> tuple[Any, str]:
    """Build the page for `studio` and serve it. `launch` goes to Gradio; → (server, address).

    shared: others than the person at this machine can reach the page.
    """
    text = Text({name: engine.Settings for name, engine in engines.items()})
    context = Context(studio, engines, text, shared=shared)
    page = build(context)
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
        max_file_size=intake.MAX_UPLOAD,
        strict_cors=True,
        ssr_mode=False,
        **launch,
    )
    return app, public or local
