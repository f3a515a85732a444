"""The page, served in this process with fake engines behind it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engines.base import EngineError, Frame, LiveSettings
from engines.dreamstyler.settings import DreamStylerSettings
from engines.dreamstyler.styles import Style, save_style
from engines.styleclip.directions.settings import StyleCLIPDirectionsSettings
from engines.styleclipdraw import StyleCLIPDrawSettings
from engines.unclip.settings import UnCLIPSettings
from studio import Studio
from tests.fake_engine import FakeEngine, FakeModels, FakeSettings


class Drawing(FakeEngine):
    """The fake engine on the CLIPDraw tab."""

    name = "clipdraw"
    title = "CLIPDraw"

    def run(self, settings, live=None):
        if not settings.prompt:
            raise EngineError("The prompt is empty; write what to draw.")
        yield from super().run(settings, live)


class StyleDrawing(FakeEngine):
    """The fake engine on the StyleCLIPDraw tab, with the real settings; it says which style it would take."""

    name = "styleclipdraw"
    title = "StyleCLIPDraw"
    Settings = StyleCLIPDrawSettings

    def run(self, settings, live=None):
        live = live or LiveSettings(settings)
        wandering = FakeSettings(prompt=settings.prompt, num_steps=settings.num_steps, step_seconds=0.02)
        for frame in super().run(wandering):
            picture, part = (Path(getattr(live.current, name)).name for name in ("style_image", "style_region"))
            yield replace(frame, status=f"style: {picture or live.current.swatch}, part: {part or 'all'}")


class Resting(FakeEngine):
    """A fake engine that shows at once what its settings say, until they change."""

    has_scene = False
    has_before = False

    def run(self, settings, live=None):
        live = live or LiveSettings(settings)
        while True:
            now = live.current
            shade = self.shade(now)
            yield Frame(
                step=self._step,
                steps=self._step,
                render=lambda shade=shade: np.full((64, 64, 3), shade, np.uint8),
                before=np.full((64, 64, 3), 100, np.uint8) if self.has_before else None,
                status=self.says(now),
                is_resting=True,
            )
            self._step += 1

    def shade(self, now):
        return 100

    def state_dict(self):
        return {"step": self._step}

    def load_state_dict(self, state):
        self._step = state["step"]


class Editing(Resting):
    """On the tab of StyleCLIP's directions, with the real settings: grey, lighter by the strength."""

    name = "styleclip-directions"
    title = "StyleCLIP directions"
    Settings = StyleCLIPDirectionsSettings
    has_before = True

    def shade(self, now):
        return 100 + round(4 * now.alpha)

    def says(self, now):
        return f"face {now.seed}, alpha {now.alpha:g}, edits: {now.edits or 'none'}"


class Dreaming(Resting):
    """On the DreamStyler tab, with the real settings; it says what it would paint."""

    name = "dreamstyler"
    title = "DreamStyler"
    Settings = DreamStylerSettings
    artifact = "style"

    def says(self, now):
        style, region = (Path(getattr(now, name)).name or "none" for name in ("style_file", "region"))
        return f"{now.mode}, amount {now.style_amount:g}, mix {now.mix}, file {style}, region {region}"

    @classmethod
    def write_model(cls, state, path):
        save_style(Style(torch.ones(6, 192), "<s>"), path)


class Imagining(Resting):
    """On the unCLIP tab, with the real settings; it says what it would make of what."""

    name = "unclip"
    title = "unCLIP"
    Settings = UnCLIPSettings

    def says(self, now):
        counts, file = f"theta {now.theta:g}, weight {now.prompt_weight:g}", Path(now.picture_1).name or "none"
        return f"{now.operation}, {counts}, enlarged {now.upsample}, file {file}"


ENGINES = {engine.name: engine for engine in (Drawing, StyleDrawing, Editing, Dreaming, Imagining)}


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = Studio(tmp_path_factory.mktemp("outputs"), engines=ENGINES, open_models=lambda *_: FakeModels())
    yield studio
    studio.shutdown()


@pytest.fixture(scope="session")
def address(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(studio, ENGINES, tmp_path_factory.mktemp("gradio")) as address:
        yield address


@contextmanager
def served(studio: Studio, engines: dict[str, type], scratch: Path) -> Iterator[str]:
    """The page with the tabs of these engines, at the address that is yielded."""
    os.environ["GRADIO_TEMP_DIR"] = str(scratch)
    from ui import page

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app, address = page.serve(
        studio,
        engines=engines,
        server_name="127.0.0.1",
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        inbrowser=False,
    )
    yield address
    app.get_blocks().close(verbose=False)
