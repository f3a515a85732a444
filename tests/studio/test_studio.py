"""The studio: starting, finding again, branching, repeating, deleting, history, folders."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines.base import EngineError
from studio import RunState, run_loop
from studio import studio as studio_module
from studio.outputs_lock import LOCK_NAME
from tests.fake_engine import FakeEngine

ROOT = Path(__file__).parents[2]
PAUSED, STOPPED, FINISHED = RunState.PAUSED, RunState.STOPPED, RunState.FINISHED


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "my picture.PNG"
    Image.new("RGB", (8, 8), "red").save(path)
    return path


# ---------------------------------------------------------------------------------------------- starting


def test_page_need_not_wait_for_torch():
    program = "import sys, studio; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert answer.stdout.strip() == "False"


def test_settings_are_written_before_anything_is_drawn(studio):
    run = studio.start("fake", {"num_steps": 5000, "step_seconds": 0.01, "prompt": "빨간 사과"}, models="full")
    saved = json.loads((run.folder / "settings.json").read_text("utf-8"))
    assert (saved["method"], saved["models"]) == ("fake", "full")
    assert saved["settings"] == {**run.settings.model_dump()}
    assert run.models == "full"


def test_settings_object_and_values_mean_the_same(studio, finish):
    settings = FakeEngine.Settings.parse({"num_steps": 4, "seed": 9})
    one, two = studio.start("fake", settings), studio.start("fake", {"num_steps": 4, "seed": 9})
    assert np.array_equal(finish(one).latest.frame.image, finish(two).latest.frame.image)


def test_ids_are_long_and_never_the_same(studio):
    ids = {studio.start("fake", {"num_steps": 1}).id for _ in range(5)}
    assert len(ids) == 5
    assert min(map(len, ids)) >= 20


@pytest.mark.parametrize(
    ("method", "settings", "sentence"),
    [
        ("sorcery", {}, "no method 'sorcery'; choose one of fake"),
        ("fake", {"num_steps": 0}, "num_steps"),
        ("fake", {"nonsense": 1}, "no setting 'nonsense'"),
        ("fake", {"init_image": "/no/such/picture.png"}, "init_image.*no file 'picture.png'"),
    ],
)
def test_start_refuses_and_leaves_nothing(studio, method, settings, sentence):
    with pytest.raises(EngineError, match=sentence):
        studio.start(method, settings)
    assert not list(studio.outputs.rglob("*.json"))
    assert studio.history() == []


def test_full_disk_is_one_sentence_and_leaves_nothing(studio, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("engines.files.os.fsync", full)
        with pytest.raises(EngineError, match="outputs folder cannot be written .No space left on device"):
            studio.start("fake", {"num_steps": 3})
    assert not list(studio.outputs.rglob("fake-*"))


def test_outputs_folder_that_is_a_file(tmp_path):
    (tmp_path / "outputs").write_text("")
    with pytest.raises(EngineError, match="outputs folder cannot be written"):
        studio_module.Studio(tmp_path / "outputs")


def test_too_many_runs_are_refused(studio, monkeypatch):
    monkeypatch.setattr(studio_module, "MAX_ACTIVE", 2)
    runs = [studio.start("fake", {"num_steps": 5000, "step_seconds": 0.01}) for _ in range(2)]
    with pytest.raises(EngineError, match="2 runs are under way"):
        studio.start("fake", {"num_steps": 1})
    runs[0].stop()
    assert runs[0].join(30)
    studio.start("fake", {"num_steps": 1})


def test_pictures_are_copied_into_the_folder(studio, finish, picture):
    run = finish(studio.start("fake", {"num_steps": 2, "init_image": str(picture)}))
    picture.unlink()
    assert run.settings.init_image == str(run.folder / "inputs" / "init_image-1.png")
    assert Image.open(run.settings.init_image).size == (8, 8)
    # The folder may be moved: no path of this machine is written.
    assert str(run.folder) not in (run.folder / "run.json").read_text("utf-8")
    assert json.loads((run.folder / "settings.json").read_text())["settings"]["init_image"] == "inputs/init_image-1.png"
    again = finish(studio.redo(run.id))
    assert again.settings.init_image == str(again.folder / "inputs" / "init_image-1.png")


def test_pictures_given_on_the_way_are_copied_too(studio, open_studio, until, finish, picture):
    run = studio.start("fake", {"num_steps": 40, "step_seconds": 0.005})
    until(run, lambda: run.step >= 5)
    run.update(mask=str(picture))
    until(run, lambda: run.changes != [])
    run.update(mask=str(picture))
    finish(run)
    assert [change["mask"] for _, change in run.changes] == [
        str(run.folder / "inputs" / name) for name in ("mask-1.png", "mask-2.png")
    ]
    assert open_studio().get(run.id).live.current.mask == run.live.current.mask


@pytest.mark.parametrize("name", ["secrets.txt", "id_rsa", "picture.svg"])
def test_other_files_are_not_copied(studio, tmp_path, name):
    (tmp_path / name).write_text("private")
    with pytest.raises(EngineError, match="init_image.*cannot be read; choose a file that ends with"):
        studio.start("fake", {"init_image": str(tmp_path / name)})


# ---------------------------------------------------------------------------------------------- folders


def test_folder_tells_what_it_is(studio, finish):
    run = finish(studio.start("fake", {"num_steps": 3, "prompt": "A red Apple!"}))
    other = studio.start("fake-pictures", {"num_steps": 3, "prompt": "빨간 사과"})
    assert run.folder.parent == studio.outputs / f"{datetime.now():%Y-%m-%d}"
    assert run.folder.name == "fake-0001-a-red-apple"
    assert other.folder.name == "fake-pictures-0001-빨간-사과"
    assert studio.start("fake", {"num_steps": 3}).folder.name == "fake-0002-a-red-apple"
    files = {"settings.json", "run.json", "final.png", "final.svg", "timelapse.mp4", "state.safetensors"}
    assert {path.name for path in run.folder.iterdir()} == files | {"checkpoints", "timeline"}


@pytest.mark.parametrize(
    "prompt", ["../../../etc/passwd", "..\\..\\windows", "/", "..", "\x00\n\t", "CON", "a" * 400, ""]
)
def test_no_prompt_leaves_the_outputs_folder(studio, prompt):
    run = studio.start("fake", {"num_steps": 1, "prompt": prompt})
    assert run.folder.parent.parent == studio.outputs
    assert run.folder.resolve() == run.folder
    assert len(run.folder.name) < 80


def test_method_named_like_the_beginning_of_another_counts_for_itself(studio):
    studio.start("fake-pictures", {"num_steps": 1, "prompt": "7"})
    assert studio.start("fake", {"num_steps": 1}).folder.name.startswith("fake-0001-")


# ---------------------------------------------------------------------------------------------- finding again


def test_get_is_the_same_run(studio):
    run = studio.start("fake", {"num_steps": 50})
    assert studio.get(run.id) is run


@pytest.mark.parametrize("run_id", ["", "nobody", "../../etc", "*", "/", None, 7])
def test_unknown_ids(studio, finish, run_id):
    finish(studio.start("fake", {"num_steps": 1}))
    for call in (studio.get, studio.delete, studio.redo, lambda unknown: studio.branch(unknown, 0)):
        with pytest.raises(EngineError, match="no such run"):
            call(run_id)
    assert len(studio.history()) == 1


def test_finished_run_is_attached_again_after_a_restart(studio, open_studio, until, finish):
    run = studio.start("fake", {"num_steps": 50, "step_seconds": 0.005, "background": "#ddeeff"})
    until(run, lambda: run.step >= 20)
    run.update(wander=2.5)
    finish(run)
    again = open_studio().get(run.id)
    assert again is not run
    for name in (
        "id",
        "method",
        "state",
        "step",
        "steps",
        "title",
        "models",
        "changes",
        "losses",
        "timeline",
        "settings",
    ):
        assert getattr(again, name) == getattr(run, name), name
    assert again.live.current == run.live.current
    assert np.array_equal(again.latest.frame.image, run.latest.frame.image)
    assert len(again.latest.frame.scene) == len(run.latest.frame.scene)
    assert again.latest.frame.background == pytest.approx((0xDD / 255, 0xEE / 255, 1))
    assert again.picture_at(10) == run.picture_at(10)
    again.rewind(30)
    until(again, PAUSED)
    again.resume()
    assert np.array_equal(finish(again).latest.frame.image, run.latest.frame.image)


def test_shutdown_saves_every_run(studio, open_studio, until, finish):
    running = studio.start("fake", {"num_steps": 60, "step_seconds": 0.005})
    until(running, lambda: running.step >= 5)
    running.pause()
    until(running, PAUSED)
    running.update(wander=0.0)
    queued = studio.start("fake", {"num_steps": 60, "step_seconds": 0.005})
    studio.shutdown()
    assert (running.state, queued.state) == (STOPPED, STOPPED)
    after = open_studio()
    again = after.get(running.id)
    assert (again.state, again.step) == (STOPPED, running.step)
    assert again.live.current.wander == 0.0
    again.resume()
    finish(again)
    assert again.changes == [(running.step, {"wander": 0.0})]


def test_runs_at_rest_do_not_pile_up_in_memory(studio, finish, monkeypatch):
    monkeypatch.setattr(studio_module, "MAX_AT_REST", 3)
    ids = [finish(studio.start("fake", {"num_steps": 1})).id for _ in range(6)]
    assert len(studio._runs) <= 4
    assert all(studio.get(run_id).state is FINISHED for run_id in ids)
    assert len(studio._runs) <= 4
    assert len(studio.history()) == 6


def test_drawing_that_was_overwritten_by_hand(open_studio, finish):
    run = finish(open_studio().start("fake", {"num_steps": 2}))
    (run.folder / "final.svg").write_text("<svg")
    again = open_studio().get(run.id)
    assert again.latest.frame.scene is None
    assert np.array_equal(again.latest.frame.image, run.latest.frame.image)


# ---------------------------------------------------------------------------------------------- branch and redo


@pytest.fixture
def told(studio, until, finish):
    """A finished run of 50 steps whose settings were changed once on the way."""
    run = studio.start("fake", {"num_steps": 50, "step_seconds": 0.005})
    until(run, lambda: run.step >= 20)
    run.update(wander=4.0)
    return finish(run)


@pytest.mark.parametrize("step", [0, 10, 35, 50])
def test_branch_without_changes_ends_like_its_parent_did_with_them(studio, finish, told, step):
    branch = finish(studio.branch(told.id, step))
    changed_at = told.changes[0][0]
    assert branch.state is FINISHED, branch.message
    assert branch.changes == [change for change in told.changes if change[0] < step]
    same = np.array_equal(branch.latest.frame.image, told.latest.frame.image)
    assert same == (changed_at < step)
    assert branch.folder != told.folder
    assert branch.parent == {"id": told.id, "step": step}


def test_branch_with_changes_follows_them_from_its_step(studio, finish, told):
    branch = finish(studio.branch(told.id, 30, wander=0.0, prompt="a pear"))
    assert branch.changes == [*told.changes, (30, {"wander": 0.0, "prompt": "a pear"})]
    assert not np.array_equal(branch.latest.frame.image, told.latest.frame.image)
    early = [step for step in told.timeline if step <= 30]
    assert branch.timeline[: len(early)] == early
    assert all(branch.picture_at(step) == told.picture_at(step) for step in early)
    assert told.state is FINISHED
    assert told.step == 50


def test_branch_of_a_running_run_leaves_it_alone(studio, until, finish):
    run = studio.start("fake", {"num_steps": 60, "step_seconds": 0.005})
    until(run, lambda: run.step >= 20)
    branch = studio.branch(run.id, 10)
    finish(run)
    finish(branch)
    assert np.array_equal(branch.latest.frame.image, run.latest.frame.image)


@pytest.mark.parametrize(
    ("step", "changes", "sentence"),
    [(51, {}, "0 to 50"), (-1, {}, "0 to 50"), (10, {"seed": 2}, "seed"), (10, {"wander": 99}, "wander")],
)
def test_branch_refuses_and_leaves_nothing(studio, told, step, changes, sentence):
    with pytest.raises(EngineError, match=sentence):
        studio.branch(told.id, step, **changes)
    assert len(studio.history()) == 1
    assert len(list(told.folder.parent.iterdir())) == 1


def test_redo_repeats_the_changes_too(studio, finish, told):
    again = finish(studio.redo(told.id))
    assert again.id != told.id
    assert again.changes == told.changes
    assert np.array_equal(again.latest.frame.image, told.latest.frame.image)


def test_redo_with_another_seed(studio, finish, told):
    other = finish(studio.redo(told.id, seed=99))
    assert other.settings.seed == 99
    assert other.changes == told.changes
    assert not np.array_equal(other.latest.frame.image, told.latest.frame.image)
    with pytest.raises(EngineError, match="seed"):
        studio.redo(told.id, seed=-1)


def test_redo_of_a_branch_ends_like_the_branch(studio, finish, told):
    branch = finish(studio.branch(told.id, 30, wander=0.5))
    again = finish(studio.redo(branch.id))
    assert np.array_equal(again.latest.frame.image, branch.latest.frame.image)


def test_redo_keeps_to_its_plan_after_a_restart(studio, open_studio, until, finish, told):
    again = studio.redo(told.id)
    until(again, lambda: again.step >= 3)
    studio.shutdown()
    assert again.step < told.changes[0][0]
    revived = open_studio().get(again.id)
    revived.resume()
    finish(revived)
    assert revived.changes == told.changes
    assert np.array_equal(revived.latest.frame.image, told.latest.frame.image)


def test_plan_with_a_setting_that_cannot_change_is_refused(studio):
    with pytest.raises(EngineError, match="seed"):
        studio.start("fake", {"num_steps": 5}, changes=[(2, {"seed": 3})])


# ---------------------------------------------------------------------------------------------- history


def test_history_is_newest_first_and_says_enough(studio, until, finish):
    done = finish(studio.start("fake", {"num_steps": 2, "prompt": "first"}))
    failed = finish(studio.start("fake", {"num_steps": 5, "prompt": "second", "fail_at": 3}))
    active = studio.start("fake", {"num_steps": 5000, "step_seconds": 0.005, "prompt": "third"})
    until(active, lambda: active.step >= 3)
    entries = studio.history()
    assert [entry.id for entry in entries] == [active.id, failed.id, done.id]
    assert [entry.title for entry in entries] == ["third", "second", "first"]
    assert [entry.state for entry in entries] == [RunState.RUNNING, RunState.FAILED, FINISHED]
    assert (entries[2].step, entries[2].steps) == (2, 2)
    assert entries[2].thumbnail == done.folder / "final.png"
    assert entries[0].thumbnail.suffix == ".jpg"
    assert entries[0].step >= 3


def test_history_survives_what_lies_about(studio, finish):
    run = finish(studio.start("fake", {"num_steps": 2}))
    for name, text in [
        ("broken", "{"),
        ("empty", ""),
        ("other", '{"a": 1}'),
        ("list", "[]"),
        ("dated", '{"created": 5}'),
    ]:
        (studio.outputs / "2020-01-01" / name).mkdir(parents=True)
        (studio.outputs / "2020-01-01" / name / "run.json").write_text(text)
    (studio.outputs / "notes.txt").write_text("mine")
    assert [entry.id for entry in studio.history()] == [run.id]


def test_run_of_a_method_that_is_no_more(studio, open_studio, finish):
    run = finish(studio.start("fake", {"num_steps": 2}))
    after = open_studio()
    after._engines = {"other": FakeEngine}
    assert len(after.history()) == 1
    with pytest.raises(EngineError, match="no method 'fake'"):
        after.get(run.id)
    after.delete(run.id)
    assert after.history() == []


# ---------------------------------------------------------------------------------------------- deleting


def test_delete_removes_the_folder_and_nothing_else(studio, finish):
    keep, drop = finish(studio.start("fake", {"num_steps": 2})), finish(studio.start("fake", {"num_steps": 2}))
    studio.delete(drop.id)
    assert keep.folder.is_dir()
    assert not drop.folder.exists()
    with pytest.raises(EngineError, match="no such run"):
        studio.get(drop.id)
    studio.delete(keep.id)
    assert [path.name for path in studio.outputs.iterdir()] == [LOCK_NAME]


def test_delete_stops_a_running_run_first(studio, until, finish):
    run = studio.start("fake", {"num_steps": 5000, "step_seconds": 0.005})
    waiting = studio.start("fake", {"num_steps": 2})
    until(run, lambda: run.step >= 3)
    studio.delete(run.id)
    assert run.state is STOPPED
    assert finish(waiting).state is FINISHED


# ---------------------------------------------------------------------------------------------- being cut off


def test_run_cut_off_between_record_and_checkpoint(studio, open_studio, finish, told, monkeypatch):
    """What a process killed at any moment may leave: a newer record than checkpoint, pictures of later steps."""
    record = json.loads((told.folder / "run.json").read_text("utf-8"))
    (told.folder / "run.json").write_text(json.dumps({**record, "state": "running", "step": 33}))
    for path in (told.folder / "checkpoints").iterdir():
        path.unlink()
    again = open_studio().get(told.id)
    assert (again.state, again.step) == (STOPPED, 33)
    assert "resume" in again.message
    again.resume()
    finish(again)
    assert np.array_equal(again.latest.frame.image, told.latest.frame.image)


def test_damaged_checkpoint_is_passed_over(studio, open_studio, until, finish, monkeypatch):
    monkeypatch.setattr(run_loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(run_loop, "CHECKPOINT_SHARE", 1e9)
    run = finish(studio.start("fake", {"num_steps": 30, "step_seconds": 0.002}))
    newest = run.history.checkpoints.newest()
    newest.write_bytes(newest.read_bytes()[:50])
    again = open_studio().get(run.id)
    again.rewind(29)
    until(again, PAUSED)
    again.resume()
    assert np.array_equal(finish(again).latest.frame.image, run.latest.frame.image)
