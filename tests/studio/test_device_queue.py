"""First come, first served."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from studio import RunState
from studio.device_queue import DeviceQueue


@dataclass(eq=False)
class Waiter:
    seconds: float | None = None
    woken: list[bool] = field(default_factory=list)

    def wake(self) -> None:
        self.woken.append(True)

    def seconds_left(self) -> float | None:
        return self.seconds


def test_first_has_the_device_and_the_others_wait_in_order():
    queue, (a, b, c) = DeviceQueue(), (Waiter(), Waiter(), Waiter())
    for waiter in (a, b, c, a):
        queue.join(waiter)
    assert [queue.position(waiter) for waiter in (a, b, c)] == [0, 1, 2]
    assert [queue.has(waiter) for waiter in (a, b, c)] == [True, False, False]
    queue.leave(b)
    assert queue.position(c) == 1
    queue.leave(a)
    assert queue.has(c)
    assert c.woken


def test_leaving_twice_or_without_being_there():
    queue, (a, b) = DeviceQueue(), (Waiter(), Waiter())
    queue.leave(a)
    queue.join(a)
    queue.leave(a)
    queue.leave(a)
    queue.join(b)
    assert queue.has(b)
    assert queue.position(a) == 0


@pytest.mark.parametrize(("times", "estimate"), [((3.0, 4.0), 7.0), ((3.0, None), None)])
def test_estimate_is_the_time_of_those_before(times, estimate):
    queue, last = DeviceQueue(), Waiter()
    for seconds in times:
        queue.join(Waiter(seconds))
    queue.join(last)
    assert queue.estimate(last) == estimate


def test_queue_of_runs(studio, until, finish):
    finish(studio.start("fake", {"num_steps": 20, "step_seconds": 0.005}))  # now the speed of this method is known
    settings = {"num_steps": 400, "step_seconds": 0.005}
    runs = [studio.start("fake", settings) for _ in range(3)]
    until(runs[0], RunState.RUNNING)
    until(runs[2], lambda: runs[2].queue_position == 2)
    assert [run.queue_position for run in runs] == [0, 1, 2]
    assert 0 < runs[1].estimate_seconds < runs[2].estimate_seconds
    before = runs[0].estimate_seconds
    until(runs[0], lambda: runs[0].step > 200)
    assert runs[0].estimate_seconds < before
    runs[1].stop()
    until(runs[2], lambda: runs[2].queue_position == 1)
    runs[0].stop()
    until(runs[2], RunState.RUNNING)


def test_only_one_run_works_at_a_time(studio, finish, monkeypatch):
    from tests.fake_engine import FakeEngine

    working, most = set(), []
    plain = FakeEngine.run

    def watched(self, settings, live=None):
        for frame in plain(self, settings, live):
            working.add(id(self))
            most.append(len(working))
            yield frame
        working.discard(id(self))

    monkeypatch.setattr(FakeEngine, "run", watched)
    for run in [studio.start("fake", {"num_steps": 30, "step_seconds": 0.001}) for _ in range(6)]:
        finish(run)
    assert max(most) == 1
