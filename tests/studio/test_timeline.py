"""Recorded pictures and losses stay bounded however long a run is, and survive a restart."""

from __future__ import annotations

import pytest

from engines.base import EngineError
from studio import timeline
from studio.timeline import LossHistory, Timeline


@pytest.fixture
def record(tmp_path):
    def make(steps: int, planned: int | None = None) -> Timeline:
        line = Timeline(tmp_path / "timeline")
        for step in range(steps + 1):
            if line.wants(step, steps if planned is None else planned):
                line.record(step, b"picture %d" % step)
        return line

    return make


@pytest.mark.parametrize("steps", [0, 1, 100, 299, 300, 301, 1000, 5000])
def test_never_more_than_the_limit_and_always_both_ends(record, steps):
    kept = record(steps).steps()
    assert len(kept) <= timeline.MAX_PICTURES
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, steps)
    assert len(kept) >= min(steps + 1, timeline.MAX_PICTURES // 2)


def test_stride_doubles_when_a_run_gets_longer_than_planned(record):
    kept = record(1000, planned=100).steps()
    assert timeline.MAX_PICTURES // 2 <= len(kept) <= timeline.MAX_PICTURES
    assert kept[0] == 0
    assert {b - a for a, b in zip(kept, kept[1:-1], strict=False)} == {4}


def test_picture_at_is_the_last_recorded_until_then(record):
    line = record(1000)
    assert line.picture_at(0) == b"picture 0"
    assert line.picture_at(8) == b"picture 8"
    assert line.picture_at(9) == b"picture 8"
    with pytest.raises(EngineError, match="step -1"):
        line.picture_at(-1)


def test_files_are_exactly_the_steps(record, tmp_path):
    line = record(1000)
    line.drop_after(500)
    assert sorted(int(path.stem) for path in (tmp_path / "timeline").iterdir()) == line.steps()
    assert max(line.steps()) <= 500


def test_survives_a_restart(record, tmp_path):
    line = record(40)
    again = Timeline(tmp_path / "timeline")
    assert again.steps() == line.steps()
    assert again.picture_at(40) == b"picture 40"


def test_copy_until_takes_the_beginning(record, tmp_path):
    record(40).copy_until(10, tmp_path / "copy")
    assert Timeline(tmp_path / "copy").steps() == list(range(11))


def test_losses_are_thinned_evenly():
    history = LossHistory()
    for step in range(10_000):
        history.record(step, 0.1, {"loss": 1.0 / (1 + step)})
    steps = [row[0] for row in history.rows]
    assert timeline.MAX_LOSSES // 2 <= len(steps) <= timeline.MAX_LOSSES
    assert len({b - a for a, b in zip(steps, steps[1:], strict=False)}) == 1
    history.drop_after(5000)
    assert history.rows[-1][0] <= 5000
