"""A studio of one's own and one finished run in it."""

from __future__ import annotations

import pytest

from studio import Studio
from tests.fake_engine import FakeModels
from tests.ui.conftest import Drawing
from ui.context import Context
from ui.language import Text


@pytest.fixture
def context(tmp_path):
    engines = {"clipdraw": Drawing}
    studio = Studio(tmp_path, engines=engines, open_models=lambda *_: FakeModels())
    yield Context(studio, engines, Text({"clipdraw": Drawing.Settings}))
    studio.shutdown()


@pytest.fixture
def run(context):
    run = context.studio.start("clipdraw", {"prompt": "a cat", "num_steps": 12})
    assert run.join(30)
    return run
