"""The page, served in this process with a fake engine behind it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from engines.base import EngineError
from studio import Studio
from tests.fake_engine import FakeEngine, FakeModels


class Drawing(FakeEngine):
    """The fake engine on the CLIPDraw tab."""

    name = "clipdraw"

    def run(self, settings, live=None):
        if not settings.prompt:
            raise EngineError("The prompt is empty; write what to draw.")
        yield from super().run(settings, live)


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = Studio(
        tmp_path_factory.mktemp("outputs"), engines={"clipdraw": Drawing}, open_models=lambda *_: FakeModels()
    )
    yield studio
    studio.shutdown()


@pytest.fixture(scope="session")
def address(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("gradio"))
    from ui import page

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app, address = page.serve(
        studio,
        engines={"clipdraw": Drawing},
        server_name="127.0.0.1",
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        inbrowser=False,
    )
    yield address
    app.get_blocks().close(verbose=False)
