"""A studio with the fake engine, in a folder of its own."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from studio import Run, RunState, Studio
from tests.fake_engine import FAKE_ENGINES, FakeModels

torch.set_num_threads(1)
gc.freeze()  # every run that ends collects garbage: it need not look through all imported modules each time

PATIENCE = 120.0
"""Seconds after which a test gives up waiting; nothing depends on how fast things are."""


@pytest.fixture(autouse=True)
def _hasty_disk(monkeypatch):
    """Nobody pulls the plug during these tests: do not wait for the disk at every small file."""
    monkeypatch.setattr("engines.files.os.fsync", lambda handle: None)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


@pytest.fixture
def open_studio(outputs: Path) -> Iterator[Callable[..., Studio]]:
    """Make studios on the same folder, one after the other: each is what a restart of the program sees."""
    studios = []

    def make(**options) -> Studio:
        for earlier in studios:
            earlier.shutdown()
        studios.append(Studio(outputs, engines=FAKE_ENGINES, open_models=FakeModels, **options))
        return studios[-1]

    yield make
    for studio in studios:
        studio.shutdown()


@pytest.fixture
def studio(open_studio) -> Studio:
    return open_studio()


@pytest.fixture
def until() -> Callable[..., None]:
    """`until(run, PAUSED)` or `until(run, lambda: run.step > 3)`: wait for it, fail when it does not come."""

    def wait(run: Run, what: RunState | Callable[[], bool]) -> None:
        reached = (lambda: run.state is what) if isinstance(what, RunState) else what
        end = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < end, f"{run.state} at step {run.step}: {run.message}"
            run.wait(run.latest.version, timeout=0.05)

    return wait


@pytest.fixture
def finish() -> Callable[[Run], Run]:
    """Wait until the run is at rest and all its files are written."""

    def wait(run: Run) -> Run:
        assert run.join(PATIENCE), f"{run.state} at step {run.step}"
        return run

    return wait
