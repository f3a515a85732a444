"""Assembles the page and serves it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
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
from ui.tabs import clipdraw, dreamstyler, styleclip, styleclipdraw, stylegan_nada, unclip
from ui.theme import StudioTheme

__all__ = ["build", "serve"]

_ASSETS = Path(__file__).parent / "assets"
_TABS = {
    "CLIPDraw": {"clipdraw": clipdraw.build},
    "StyleCLIPDraw": {"styleclipdraw": styleclipdraw.build},
    "StyleCLIP": {
        "styleclip-directions": styleclip.build_directions,
        "styleclip-mapper": styleclip.build_mapper,
        "styleclip-optimize": styleclip.build_optimize,
    },
    "StyleGAN-NADA": {"stylegan-nada": stylegan_nada.build},
    "DreamStyler": {"dreamstyler": dreamstyler.build},
    "unCLIP": {"unclip": unclip.build},
}
"""Title of a tab → its methods: name → what lays it out. Where there are several, each has a tab within the tab."""


def build(context: Context) -> gr.Blocks:
    """The page: a masthead and the tabs of the methods that there are."""
    with gr.Blocks(title="Atelier", analytics_enabled=False, fill_width=True) as page:
        Masthead(context)
        sessions = []
        with gr.Tabs(elem_classes="methods"):
            for title, methods in _TABS.items():
                here = {name: build for name, build in methods.items() if name in context.engines}
                if here:
                    with gr.Tab(title, id=title):
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
        max_file_size=intake.MAX_UPLOAD if shared else intake.MAX_OWN_UPLOAD,
        strict_cors=True,
        ssr_mode=False,
        **launch,
    )
    return app, public or local
