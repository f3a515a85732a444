"""A studio of one's own and one finished run in it."""

from __future__ import annotations

import pytest

from studio import Studio
from tests.fake_engine import FakeModels
from tests.ui.conftest import ENGINES
from ui.context import Context
from ui.language import Text


@pytest.fixture
def context(tmp_path):
    studio = Studio(tmp_path, engines=ENGINES, open_models=lambda *_: FakeModels())
    yield Context(studio, ENGINES, Text({name: engine.Settings for name, engine in ENGINES.items()}))
    studio.shutdown()


@pytest.fixture
def run(context):
    run = context.studio.start("clipdraw", {"prompt": "a cat", "num_steps": 12})
    assert run.join(30)
    return run
