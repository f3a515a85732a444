"""A run through every state and every transition, driven by a real engine that needs no models."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from engines.base import EngineError, LiveSettings
from studio import RunState, results, run_loop
from tests.fake_engine import CANVAS, FakeEngine

QUEUED, RUNNING, PAUSED = RunState.QUEUED, RunState.RUNNING, RunState.PAUSED
STOPPED, FINISHED, FAILED = RunState.STOPPED, RunState.FINISHED, RunState.FAILED

SLOW = 0.005
"""Seconds per step where a test must catch a run on its way."""


def reference(settings: dict, changes: dict | None = None) -> np.ndarray:
    """The last picture of an uninterrupted run without a studio; changes: step → what changes after it."""
    settings = FakeEngine.Settings.parse(settings)
    live = LiveSettings(settings)
    for frame in FakeEngine(None).run(settings, live):
        live.update(**(changes or {}).get(frame.step, {}))
    return frame.image


# ---------------------------------------------------------------------------------------------- states


def test_runs_to_the_end(studio, finish):
    run = finish(studio.start("fake", {"num_steps": 25, "seed": 4}))
    assert (run.state, run.step, run.steps, run.message) == (FINISHED, 25, 25, "")
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 25, "seed": 4}))
    assert run.latest.frame.image.shape == (CANVAS, CANVAS, 3)
    assert run.steps_per_second > 0


def test_is_queued_before_it_runs(studio, until):
    first = studio.start("fake", {"num_steps": 5000, "step_seconds": SLOW})
    until(first, RUNNING)
    second = studio.start("fake", {"num_steps": 5000, "step_seconds": SLOW})
    assert second.state is QUEUED
    until(second, lambda: second.queue_position == 1)
    assert second.latest.frame is None
    first.stop()
    until(second, RUNNING)
    assert second.queue_position == 0


def test_pause_holds_and_resume_goes_on(studio, until, finish):
    run = studio.start("fake", {"num_steps": 60, "step_seconds": SLOW})
    until(run, lambda: run.step >= 5)
    run.pause()
    until(run, PAUSED)
    held = run.step
    version = run.latest.version
    assert run.wait(version, timeout=0.1).version == version
    assert run.step == held < 60
    run.resume()
    finish(run)
    assert run.state is FINISHED
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 60}))


def test_pause_gives_the_device_back(studio, until):
    first = studio.start("fake", {"num_steps": 5000, "step_seconds": SLOW})
    second = studio.start("fake", {"num_steps": 5000, "step_seconds": SLOW})
    until(first, lambda: first.step >= 2)
    first.pause()
    until(second, lambda: second.step >= 2)
    until(first, PAUSED)  # the device is free a moment before
    first.resume()
    until(first, QUEUED)
    assert first.queue_position == 1
    second.pause()
    until(first, RUNNING)


def test_pause_while_queued_leaves_the_queue(studio, until, finish):
    first = studio.start("fake", {"num_steps": 5000, "step_seconds": SLOW})
    second = studio.start("fake", {"num_steps": 5})
    third = studio.start("fake", {"num_steps": 5})
    until(third, lambda: third.queue_position == 2)
    second.pause()
    until(second, PAUSED)
    until(third, lambda: third.queue_position == 1)
    first.stop()
    finish(third)
    assert second.latest.frame is None
    second.resume()
    assert finish(second).state is FINISHED


def test_step_once_makes_exactly_one_step(studio, until):
    run = studio.start("fake", {"num_steps": 50, "step_seconds": SLOW})
    until(run, lambda: run.step >= 3)
    run.pause()
    until(run, PAUSED)
    for _ in range(3):
        before = run.step
        run.step_once()
        until(run, lambda before=before: run.step > before and run.state is PAUSED)
        assert run.step == before + 1


def test_step_once_three_times_at_once(studio, until):
    run = studio.start("fake", {"num_steps": 50, "step_seconds": SLOW})
    until(run, lambda: run.step >= 3)
    run.pause()
    until(run, PAUSED)
    before = run.step
    for _ in range(3):
        run.step_once()
    until(run, lambda: run.step >= before + 3 and run.state is PAUSED)
    assert run.step == before + 3


def test_rests_until_a_setting_changes(studio, until):
    run = studio.start("fake-view", {"pen_width": 2.0})
    until(run, RunState.RESTING)
    assert run.step == 0
    run.update(pen_width=5.0)
    until(run, lambda: run.step == 1 and run.state is RunState.RESTING)
    assert run.latest.frame.losses["size"] == 5.0
    assert run.changes == [(0, {"pen_width": 5.0})]


def test_resting_run_gives_the_device_back(studio, until, finish):
    resting = studio.start("fake-view", {})
    until(resting, RunState.RESTING)
    other = finish(studio.start("fake", {"num_steps": 3}))
    assert other.state is RunState.FINISHED
    assert resting.state is RunState.RESTING


def test_resting_run_stops_and_rests_again_as_it_was(studio, until, finish):
    run = studio.start("fake-view", {})
    until(run, RunState.RESTING)
    run.update(pen_width=3.0)
    until(run, lambda: run.step == 1 and run.state is RunState.RESTING)
    run.stop()
    assert finish(run).state is RunState.STOPPED
    run.resume()
    until(run, RunState.RESTING)
    assert run.step == 1
    assert run.latest.frame.losses["size"] == 3.0


def test_step_once_of_a_resting_run_shows_it_again_and_holds(studio, until):
    run = studio.start("fake-view", {})
    until(run, RunState.RESTING)
    run.step_once()
    until(run, RunState.PAUSED)
    assert run.step == 1


def test_stop_saves_and_resume_goes_on_exactly(studio, until, finish):
    run = studio.start("fake", {"num_steps": 60, "step_seconds": SLOW})
    until(run, lambda: run.step >= 10)
    run.stop()
    finish(run)
    assert run.state is STOPPED
    assert {"final.png", "final.svg", "state.safetensors", "run.json"} <= {path.name for path in run.folder.iterdir()}
    run.resume()
    finish(run)
    assert run.state is FINISHED
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 60}))


def test_stop_before_the_first_frame(studio, until, finish):
    first = studio.start("fake", {"num_steps": 5000, "step_seconds": SLOW})
    second = studio.start("fake", {"num_steps": 5})
    second.stop()
    finish(second)
    assert (second.state, second.step, second.latest.frame) == (STOPPED, 0, None)
    first.stop()
    second.resume()
    assert finish(second).step == 5


def test_resume_before_the_stop_was_seen_takes_it_back(studio, finish):
    run = studio.start("fake", {"num_steps": 30, "step_seconds": SLOW})
    run.stop()
    run.resume()
    assert finish(run).state is FINISHED
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 30}))


def test_finished_run_does_not_resume(studio, finish):
    run = finish(studio.start("fake", {"num_steps": 3}))
    with pytest.raises(EngineError, match="finished"):
        run.resume()
    run.pause()
    run.stop()
    assert run.state is FINISHED


# ---------------------------------------------------------------------------------------------- frames


def test_version_grows_with_every_frame_and_state(studio, until):
    run = studio.start("fake", {"num_steps": 200, "step_seconds": SLOW})
    seen = [run.latest.version]
    while len(seen) < 10:
        seen.append(run.wait(seen[-1], timeout=30).version)
    assert seen == sorted(set(seen))
    run.pause()
    until(run, PAUSED)
    version = run.latest.version
    run.stop()
    assert run.wait(version, timeout=30).version > version


def test_wait_returns_after_its_timeout(studio, finish):
    run = finish(studio.start("fake", {"num_steps": 1}))
    latest = run.latest
    assert run.wait(latest.version, timeout=0.01) is latest
    assert run.wait(latest.version - 1, timeout=0.01) is latest


def test_picture_is_encoded_once(studio, finish):
    latest = finish(studio.start("fake", {"num_steps": 1})).latest
    assert latest.jpeg is latest.jpeg
    assert latest.jpeg.startswith(b"\xff\xd8")


def test_losses_are_recorded_and_thinned(studio, finish):
    run = finish(studio.start("fake", {"num_steps": 1200}))
    steps = [step for step, _ in run.losses]
    assert 250 <= len(steps) <= 500
    assert steps == sorted(steps)
    assert set(run.losses[-1][1]) == {"distance", "size"}


# ---------------------------------------------------------------------------------------------- live settings


def test_update_takes_effect_and_is_recorded_with_its_step(studio, until, finish):
    run = studio.start("fake", {"num_steps": 60, "step_seconds": SLOW})
    until(run, lambda: run.step >= 10)
    run.update(wander=4.0, prompt="a green pear")
    assert run.live.current.wander == 4.0
    finish(run)
    ((step, change),) = run.changes
    assert change == {"wander": 4.0, "prompt": "a green pear"}
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 60}, {step: change}))


def test_update_of_a_paused_run_waits_for_the_next_step(studio, until):
    run = studio.start("fake", {"num_steps": 60, "step_seconds": SLOW})
    until(run, lambda: run.step >= 5)
    run.pause()
    until(run, PAUSED)
    run.update(wander=2.0)
    run.update(wander=3.0)
    assert run.changes == []
    run.step_once()
    until(run, lambda: run.changes != [] and run.state is PAUSED)
    assert run.changes == [(run.step - 1, {"wander": 3.0})]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"wander": 99}, "wander"),
        ({"wander": float("nan")}, "wander"),
        ({"seed": 3}, "seed.*cannot change"),
        ({"nonsense": 3}, "no setting 'nonsense'"),
    ],
)
def test_update_refuses(studio, finish, change, sentence):
    run = finish(studio.start("fake", {"num_steps": 2}))
    with pytest.raises(EngineError, match=sentence):
        run.update(**change)
    assert run.live.current == run.settings


# ---------------------------------------------------------------------------------------------- going back


@pytest.fixture
def dense_checkpoints(monkeypatch):
    """A checkpoint after every step, so that going back starts from one in the middle."""
    monkeypatch.setattr(run_loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(run_loop, "CHECKPOINT_SHARE", 1e9)


def changed_on_the_way(studio, until, finish, steps: int = 60):
    """A finished run whose settings were changed twice, and the picture after every step."""
    run = studio.start("fake", {"num_steps": steps, "step_seconds": SLOW})
    until(run, lambda: run.step >= 15)
    run.update(wander=5.0)
    until(run, lambda: run.step >= 35)
    run.update(wander=0.5, background="#ffeecc")
    finish(run)
    live = LiveSettings(run.settings)
    pictures = []
    for frame in FakeEngine(None).run(run.settings, live):
        pictures.append(frame.image)
        live.update(**dict(run.changes).get(frame.step, {}))
    assert len(run.changes) == 2
    assert np.array_equal(pictures[-1], run.latest.frame.image)
    return run, pictures


@pytest.mark.parametrize("target", [0, 7, 16, 30, 59])
def test_rewind_is_exact_without_checkpoints(studio, until, finish, target):
    run, pictures = changed_on_the_way(studio, until, finish)
    changes = run.changes
    run.rewind(target)
    until(run, PAUSED)
    assert run.step == run.latest.frame.step == target
    assert np.array_equal(run.latest.frame.image, pictures[target])
    assert run.changes == [(step, change) for step, change in changes if step < target]
    assert max(run.timeline) == target
    assert all(step <= target for step, _ in run.losses)


def test_rewind_is_exact_from_checkpoints(studio, until, finish, dense_checkpoints, monkeypatch):
    run, pictures = changed_on_the_way(studio, until, finish)
    loaded = []
    load = FakeEngine.load_state_dict
    monkeypatch.setattr(
        FakeEngine, "load_state_dict", lambda self, state: loaded.append(state["step"]) or load(self, state)
    )
    targets = (50, 37, 36, 20, 3)
    for target in targets:
        run.rewind(target)
        until(run, lambda target=target: run.state is PAUSED and run.step == target)
        assert np.array_equal(run.latest.frame.image, pictures[target])
    assert [0 < step <= target for step, target in zip(loaded, targets, strict=True)] == [True] * 5


def test_rewind_takes_the_settings_back(studio, until, finish):
    run, _ = changed_on_the_way(studio, until, finish)
    run.rewind(25)
    assert (run.live.current.wander, run.live.current.background) == (5.0, "#ffffff")
    run.rewind(10)
    assert run.live.current == run.settings
    until(run, PAUSED)


def test_going_on_after_a_rewind_follows_the_new_settings(studio, until, finish):
    run, _ = changed_on_the_way(studio, until, finish)
    first = run.changes[0]
    run.rewind(25)
    run.update(wander=2.0)
    until(run, PAUSED)
    run.resume()
    finish(run)
    assert run.changes == [first, (25, {"wander": 2.0})]
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 60}, dict(run.changes)))


def test_rewind_of_a_running_run_goes_on(studio, until, finish):
    run = studio.start("fake", {"num_steps": 80, "step_seconds": SLOW})
    until(run, lambda: run.step >= 30)
    run.rewind(10)
    until(run, lambda: run.step < 25)
    assert finish(run).state is FINISHED
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 80}))


def test_second_rewind_overrides_the_first(studio, until, finish):
    run = finish(studio.start("fake", {"num_steps": 40, "step_seconds": SLOW}))
    run.rewind(30)
    run.rewind(12)
    until(run, lambda: run.state is PAUSED and run.step == 12)
    assert run.latest.frame.step == 12


@pytest.fixture
def gate(monkeypatch):
    """While it is closed no engine begins."""
    opened = threading.Event()
    opened.set()
    plain = FakeEngine.run

    def gated(self, settings, live=None):
        assert opened.wait(30)
        yield from plain(self, settings, live)

    monkeypatch.setattr(FakeEngine, "run", gated)
    yield opened
    opened.set()


def test_rewind_shows_the_recorded_picture_at_once(studio, until, finish, gate):
    run = finish(studio.start("fake", {"num_steps": 40, "step_seconds": SLOW}))
    gate.clear()
    run.rewind(20)
    until(run, lambda: run.latest.frame.step <= 20)
    assert (run.step, run.state) == (40, RUNNING)
    gate.set()
    until(run, PAUSED)
    assert run.step == run.latest.frame.step == 20


def test_stop_in_the_middle_of_a_rewind_leaves_the_run_where_it_was(studio, until, finish, gate):
    run = finish(studio.start("fake", {"num_steps": 40, "step_seconds": SLOW}))
    last = run.latest.frame.image
    gate.clear()
    run.rewind(20)
    until(run, RUNNING)
    run.stop()
    gate.set()
    finish(run)
    assert (run.state, run.step, max(run.timeline)) == (STOPPED, 40, 40)
    assert np.array_equal(run.latest.frame.image, last)
    assert (run.folder / "final.png").is_file()
    run.rewind(20)
    until(run, PAUSED)
    assert run.step == 20
    run.resume()
    assert np.array_equal(finish(run).latest.frame.image, last)


def test_rewind_that_fails_leaves_the_run_where_it_was(studio, until, finish, monkeypatch):
    run = finish(studio.start("fake", {"num_steps": 40}))

    def offline(family, device):
        raise EngineError("The model could not be downloaded.")

    with monkeypatch.context() as patch:
        patch.setattr(studio, "_open_models", offline)
        run.rewind(20)
        finish(run)
    assert (run.state, run.message, run.step) == (FAILED, "The model could not be downloaded.", 40)
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 40}))
    assert (run.folder / "final.png").is_file()
    run.rewind(20)
    until(run, PAUSED)
    assert run.step == 20


@pytest.mark.parametrize("step", [-1, 11, 10**9])
def test_rewind_refuses_steps_that_were_not(studio, finish, step):
    run = finish(studio.start("fake", {"num_steps": 10}))
    with pytest.raises(EngineError, match="steps 0 to 10"):
        run.rewind(step)


def test_rewind_forgets_the_final_files(studio, until, finish):
    run = finish(studio.start("fake", {"num_steps": 10}))
    run.export("png")
    run.rewind(5)
    until(run, PAUSED)
    left = {path.name for path in run.folder.iterdir()}
    assert not left & {"final.png", "final.svg", "timelapse.mp4", "state.safetensors", "exports"}


# ---------------------------------------------------------------------------------------------- failures


def test_engine_error_ends_in_failed_with_its_sentence(studio, finish):
    run = finish(studio.start("fake", {"num_steps": 30, "fail_at": 12}))
    assert (run.state, run.step) == (FAILED, 11)
    assert run.message == "The strokes fell off the paper; choose a smaller wander."
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 11}))
    assert (run.folder / "final.png").is_file()


def test_unforeseen_error_tells_nothing_of_the_inside(studio, finish, caplog):
    run = finish(studio.start("fake", {"num_steps": 30, "fail_at": 12, "failure": "crash"}))
    assert run.state is FAILED
    assert "secret" not in run.message
    assert run.message.endswith(".")
    assert "secret" in caplog.text
    assert run.latest.frame.step == 11


def test_out_of_memory_says_what_to_choose(studio, finish):
    run = finish(studio.start("fake", {"num_steps": 30, "fail_at": 1, "failure": "memory"}))
    assert run.state is FAILED
    assert "ran out of memory; choose a smaller canvas" in run.message


def test_failed_run_goes_on_when_the_cause_is_mended(studio, finish):
    run = finish(studio.start("fake", {"num_steps": 30, "fail_at": 12}))
    run.resume()
    assert finish(run).state is FAILED
    run.update(fail_at=-1)
    run.resume()
    assert (finish(run).state, run.message) == (FINISHED, "")
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 30}))


def test_failure_frees_the_device(studio, finish):
    failing = studio.start("fake", {"num_steps": 30, "fail_at": 1, "failure": "crash"})
    after = studio.start("fake", {"num_steps": 3})
    assert finish(failing).state is FAILED
    assert finish(after).state is FINISHED


def test_models_that_cannot_be_opened_fail_the_run(open_studio, finish):
    def refuse(family, device):
        raise EngineError(f"There is no model family '{family}'.")

    studio = open_studio()
    studio._open_models = refuse
    run = finish(studio.start("fake", {"num_steps": 3}, models="huge"))
    assert (run.state, run.message) == (FAILED, "There is no model family 'huge'.")


def test_full_disk_is_told_and_does_not_end_the_run(studio, finish, dense_checkpoints, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engines.state_file.write_bytes", full)
    run = finish(studio.start("fake", {"num_steps": 10}))
    assert run.state is FINISHED
    assert "No space left on device" in run.message


# ---------------------------------------------------------------------------------------------- resources


def test_finished_run_lets_go_of_its_engine(studio, finish, monkeypatch):
    engines = []
    start = FakeEngine.__init__
    monkeypatch.setattr(
        FakeEngine, "__init__", lambda self, models: (start(self, models), engines.append(weakref.ref(self)))[0]
    )
    finish(studio.start("fake", {"num_steps": 5}))
    gc.collect()
    assert [engine() for engine in engines] == [None]


def test_no_thread_is_left_after_many_cycles(studio, finish, monkeypatch):
    """Each way to rewind and to go on comes five times."""
    monkeypatch.setattr(results, "write_timelapse", lambda run, abandoned: None)
    before = run_threads()
    run = finish(studio.start("fake", {"num_steps": 4}))
    for cycle in range(30):
        run.rewind(cycle % 3)
        run.stop() if cycle % 2 else run.resume()
        finish(run)
        if run.step < 4:
            run.resume()
            finish(run)
    assert run_threads() <= before
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 4}))


def run_threads() -> set[threading.Thread]:
    """Threads of runs; threads of the process that end meanwhile do not count."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("run ")}


def test_many_hands_at_once(studio, until, finish):
    """Commands from several threads in any order leave a run that still does what an undisturbed one does."""
    run = studio.start("fake", {"num_steps": 400, "step_seconds": 0.001})
    random = np.random.default_rng(0)

    def meddle(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(40):
            command = random.choice(["pause", "resume", "step_once", "rewind", "update"])
            try:
                if command == "rewind":
                    run.rewind(int(random.integers(0, run.step + 1)))
                elif command == "update":
                    run.update(wander=float(random.integers(0, 9)))
                else:
                    getattr(run, command)()
            except EngineError:
                pass
            threading.Event().wait(float(random.uniform(0, 0.004)))

    hands = [threading.Thread(target=meddle, args=(int(random.integers(1 << 30)),)) for _ in range(3)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    if run.state is not FINISHED:
        run.resume()
    finish(run)
    assert run.state is FINISHED, run.message
    assert np.array_equal(run.latest.frame.image, reference({"num_steps": 400}, dict(run.changes)))
