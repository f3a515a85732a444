"""Saved states: bounded, evenly spread, never half written."""

from __future__ import annotations

import pytest
import torch

from studio import checkpoints
from studio.checkpoints import Checkpoints


@pytest.fixture
def saved(tmp_path):
    return Checkpoints(tmp_path / "checkpoints")


def test_nearest_is_the_newest_until_then(saved):
    for step in (10, 20, 30):
        saved.save(step, {"step": step})
    assert saved.nearest(5) is None
    assert saved.nearest(20) == (20, {"step": 20})
    assert saved.nearest(29) == (20, {"step": 20})
    assert saved.nearest(10**6) == (30, {"step": 30})


def test_empty(saved):
    assert saved.steps() == []
    assert saved.newest() is None
    assert saved.nearest(3) is None


def test_limit_keeps_both_ends_and_an_even_spread(saved, monkeypatch):
    monkeypatch.setattr(checkpoints, "MAX_FILES", 8)
    for step in range(10, 1010, 10):
        saved.save(step, {"step": step})
    kept = saved.steps()
    assert len(kept) == 8
    assert (kept[0], kept[-1]) == (10, 1000)
    gaps = [b - a for a, b in zip(kept, kept[1:], strict=False)]
    assert max(gaps) <= 4 * 1000 / 8


def test_big_states_are_fewer(saved, monkeypatch):
    monkeypatch.setattr(checkpoints, "MAX_BYTES", 3 * 45_000)
    for step in range(10):
        saved.save(step, {"tensor": torch.zeros(10_000)})
    assert len(saved.steps()) == 3
    monkeypatch.setattr(checkpoints, "MAX_BYTES", 1)
    saved.save(10, {"tensor": torch.zeros(10_000)})
    assert saved.steps() == [0, 10]


def test_damaged_ones_are_passed_over(saved, caplog):
    for step in (10, 20):
        saved.save(step, {"step": step})
    saved.newest().write_bytes(b"nonsense")
    assert saved.nearest(25) == (10, {"step": 10})
    assert "20" in caplog.text


def test_failed_write_leaves_what_was(saved, monkeypatch):
    saved.save(10, {"step": 10})

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("engines.files.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            saved.save(20, {"step": 20})
    assert [path.name for path in saved.newest().parent.iterdir()] == ["00000010.safetensors"]


def test_drop_after_and_copy(saved, tmp_path):
    for step in (10, 20, 30):
        saved.save(step, {"step": step})
    saved.copy_nearest(25, tmp_path / "copy")
    saved.copy_nearest(5, tmp_path / "none")
    assert Checkpoints(tmp_path / "copy").steps() == [20]
    assert Checkpoints(tmp_path / "none").steps() == []
    saved.drop_after(20)
    assert saved.steps() == [10, 20]
