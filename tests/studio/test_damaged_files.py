"""A damaged file of one run is one sentence about that run; every other run stays as it was."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines.base import EngineError
from studio import RunState, Studio, results
from studio.published import Published
from tests.fake_engine import FAKE_ENGINES, FakeModels

OTHERS = [
    None, True, -1, 10**30, 1.5, float("nan"), float("inf"), "", "x", "\ud800", "../../etc/passwd", "a\0b", [], [[]],
    {}, {"self": 1}, [1, 2], [[1, {"self": 2}]], [[3, {"seed": 2}]], [{"step": "x"}], {"num_steps": -1}, ["id"],
    "2026-11-21T09:30:00+09:00", "0001-01-01T00:00:00+14:00",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """An outputs folder with two finished runs: one to damage, with an input and a change on the way, and another."""
    outputs = tmp_path_factory.mktemp("finished")
    picture = outputs.parent / "input.png"
    Image.new("RGB", (8, 8), "red").save(picture)
    studio = Studio(outputs, engines=FAKE_ENGINES, open_models=FakeModels)
    for prompt in ("damaged", "other"):
        settings = {"num_steps": 12, "step_seconds": 0.01, "prompt": prompt, "init_image": str(picture)}
        run = studio.start("fake", settings)
        while run.step < 4:
            run.wait(run.latest.version, timeout=30)
        run.update(wander=2.0)
        assert run.join(60)
        assert run.state is RunState.FINISHED
    studio.shutdown()
    return outputs


@pytest.fixture
def damaged(finished, outputs) -> Path:
    """The folder of the run to damage, in a fresh copy of `finished`."""
    shutil.copytree(finished, outputs)
    return next(outputs.glob("*/*-damaged"))


# ---------------------------------------------------------------------------------------------- ways to damage a file


def truncate(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))])


def flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 8, 100))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def nest(path: Path, chance: random.Random) -> None:
    depth = chance.choice((40, 900, 100_000))
    path.write_text("[" * depth + "]" * depth)


def nest_inside(path: Path, chance: random.Random) -> None:
    depth = chance.choice((30, 900))
    path.write_text('{"id": ' + "[" * depth + "]" * depth + ', "method": "fake"}')


def huge_number(path: Path, chance: random.Random) -> None:
    path.write_text('{"id": "x", "method": "fake", "settings": {}, "step": ' + "9" * chance.choice((30, 5000)) + "}")


def encode(path: Path, chance: random.Random) -> None:
    path.write_bytes(path.read_bytes().decode("latin1").encode(chance.choice(("utf-16", "utf-32"))))


def empty(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def delete(path: Path, chance: random.Random) -> None:
    path.unlink()


def folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path, chance: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def unreadable(path: Path, chance: random.Random) -> None:
    path.chmod(0)


def broken_link(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(path)


def replace_value(path: Path, chance: random.Random) -> None:
    """One value of a JSON file, at any depth, by one of another kind."""
    tree = json.loads(path.read_text("utf-8"))
    places = [(tree, key) for key in tree]
    for container, key in places:
        inner = container[key]
        if isinstance(inner, dict | list):
            places += [(inner, k) for k in (inner if isinstance(inner, dict) else range(len(inner)))]
    container, key = chance.choice(places)
    if chance.random() < 0.2 and isinstance(container, dict):
        del container[key]
    else:
        container[key] = chance.choice(OTHERS)
    path.write_text(json.dumps(tree))


ANY_FILE = [truncate, flip, nest, encode, empty, delete, folder, unreadable, broken_link]
if hasattr(os, "mkfifo"):
    ANY_FILE.append(pipe)
JSON_FILE = [replace_value, nest_inside, huge_number]
FILES = [
    "run.json", "settings.json", "final.png", "final.svg", "state.safetensors", "timelapse.mp4",
    "timeline/00000012.jpg", "timeline/*", "checkpoints/*", "inputs/*",
]  # fmt: skip


# ---------------------------------------------------------------------------------------------- what goes on working


def use(outputs: Path, folder: Path) -> None:
    """Everything that a person can do to a run; nothing may be raised but `EngineError`."""
    studio = Studio(outputs, engines=FAKE_ENGINES, open_models=FakeModels)
    try:
        entries = {entry.folder.name: entry for entry in studio.history()}
        other = next(entry for name, entry in entries.items() if name.endswith("-other"))
        assert studio.get(other.id).state is RunState.FINISHED
        assert folder.name in entries
        entry = entries[folder.name]
        if entry.problem:
            assert is_sentence(entry.problem)
        open_and_use(studio, entry.id)
        studio.delete(entry.id)
        assert not folder.exists()
        assert [entry.id for entry in studio.history()] == [other.id]
        assert len(studio.get(other.id).losses) == 13 - 1
    finally:
        studio.shutdown()


def open_and_use(studio: Studio, run_id: str) -> None:
    run = checked(lambda: studio.get(run_id))
    if run is None:
        return
    assert isinstance(run.latest, Published)
    if run.latest.frame is not None:
        assert run.latest.frame.image.dtype == np.uint8
    assert all(np.isfinite(value) for _, losses in run.losses for value in losses.values())
    for step in (0, 5, 12, *run.timeline):
        checked(lambda step=step: run.picture_at(step))
    for kind in results.KINDS:
        checked(lambda kind=kind: run.export(kind))
    branch = checked(lambda: studio.branch(run_id, 6))
    if branch is not None:
        assert branch.join(60)
        checked(lambda: studio.delete(branch.id))
    checked(lambda: run.rewind(3))
    checked(run.resume)
    assert run.join(60)
    assert run.message == "" or is_sentence(run.message)


def checked(action: Callable):
    """The result of `action`, or None when it was refused with a sentence."""
    try:
        return action()
    except EngineError as error:
        refusal = str(error)
    assert is_sentence(refusal), refusal
    return None


def is_sentence(text: str) -> bool:
    return text.endswith(".") and len(text) < 300 and "\n" not in text and "Traceback" not in text


def damage(folder: Path, file: str, mutation: Callable, seed: int) -> None:
    paths = sorted(folder.glob(file))
    assert paths, file
    chance = random.Random(seed)
    with suppress(FileNotFoundError):
        mutation(chance.choice(paths), chance)


CASES = [(file, mutation) for file in FILES for mutation in ANY_FILE + (JSON_FILE if file.endswith("json") else [])]


@pytest.mark.parametrize("seed", [0])
@pytest.mark.parametrize("mutation", ANY_FILE + JSON_FILE, ids=lambda mutation: mutation.__name__)
def test_damaged_record_hides_nothing(outputs, damaged, mutation, seed):
    damage(damaged, "run.json", mutation, seed)
    use(outputs, damaged)


@pytest.mark.parametrize("file", FILES[1:])
def test_any_damaged_file_is_a_sentence_or_left_out(outputs, damaged, file):
    """One way of damage per file; `test_every_damage_of_every_file` tries all."""
    damage(damaged, file, ANY_FILE[FILES.index(file) % len(ANY_FILE)], 1)
    use(outputs, damaged)


@pytest.mark.torture
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("file", "mutation"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_every_damage_of_every_file(finished, tmp_path, file, mutation):
    many = mutation is replace_value and file == "run.json"
    for seed in range(60 if many else 10 if mutation in (flip, truncate) else 3):
        outputs = tmp_path / f"outputs-{seed}"
        shutil.copytree(finished, outputs)
        folder = next(outputs.glob("*/*-damaged"))
        damage(folder, file, mutation, seed)
        use(outputs, folder)


# ---------------------------------------------------------------------------------------------- single cases


def edit_record(folder: Path, **values) -> None:
    record = json.loads((folder / "run.json").read_text("utf-8"))
    (folder / "run.json").write_text(json.dumps({**record, **values}))


def test_record_of_a_newer_version_opens_and_keeps_its_keys(open_studio, damaged, finish):
    edit_record(damaged, future={"a": [1]})
    studio = open_studio()
    (run_id,) = [entry.id for entry in studio.history() if entry.folder == damaged and not entry.problem]
    run = studio.get(run_id)
    run.update(wander=3.0)
    assert json.loads((damaged / "run.json").read_text("utf-8"))["future"] == {"a": [1]}


def test_record_without_optional_keys_opens(open_studio, damaged):
    record = json.loads((damaged / "run.json").read_text("utf-8"))
    kept = {name: record[name] for name in ("id", "method", "settings")}
    (damaged / "run.json").write_text(json.dumps(kept))
    run = open_studio().get(record["id"])
    assert (run.state, run.step, run.models) == (RunState.STOPPED, 0, "pocket")


def test_time_with_a_zone_is_compared_with_others(open_studio, damaged):
    edit_record(damaged, created="2020-01-01T00:00:00+09:00")
    assert [entry.title for entry in open_studio().history()] == ["other", "damaged"]


def test_setting_that_is_no_longer_valid_is_named(open_studio, damaged):
    record = json.loads((damaged / "run.json").read_text("utf-8"))
    edit_record(damaged, settings={**record["settings"], "strokes": 10**9})
    with pytest.raises(EngineError, match="Setting 'strokes'"):
        open_studio().get(record["id"])


def test_copy_of_a_run_does_not_hide_it_and_can_be_deleted(open_studio, damaged):
    shutil.copytree(damaged, damaged.with_name("fake-0009-copy"))
    studio = open_studio()
    (copy,) = [entry for entry in studio.history() if entry.folder.name == "fake-0009-copy"]
    assert "copy of the one in" in copy.problem
    studio.delete(copy.id)
    assert damaged.is_dir()
    assert not copy.folder.exists()


def test_inputs_cannot_lie_outside_the_run(open_studio, damaged):
    record = json.loads((damaged / "run.json").read_text("utf-8"))
    edit_record(damaged, settings={**record["settings"], "init_image": "../../../../etc/hostname.png"})
    run = open_studio().get(record["id"])
    assert Path(run.settings.init_image) == damaged / "inputs" / "hostname.png"


def test_folders_that_say_nothing_are_counted_and_those_of_the_command_line_are_not(open_studio, damaged):
    day = damaged.parent
    command_line = {"method": "fake", "settings": {}, "models": [], "steps": [], "seconds": 1.0, "device": "cpu"}
    for name, values in (("mine", command_line), ("nothing", []), ("odd", {"a": 1})):
        (day / name).mkdir()
        (day / name / "run.json").write_text(json.dumps(values))
    studio = open_studio()
    assert len(studio.history()) == 2
    assert studio.unreadable() == 2


def test_folder_deleted_behind_a_finished_run(open_studio, damaged):
    studio = open_studio()
    (run_id,) = [entry.id for entry in studio.history() if entry.folder == damaged]
    run = studio.get(run_id)
    shutil.rmtree(damaged)
    for command in (lambda: studio.get(run_id), lambda: studio.delete(run_id), lambda: run.export("png")):
        with pytest.raises(EngineError, match="no such run"):
            command()
    assert len(studio.history()) == 1


def test_folder_deleted_behind_a_running_run(studio, until, finish, caplog):
    run = studio.start("fake", {"num_steps": 5000, "step_seconds": 0.005})
    until(run, lambda: run.step >= 3)
    shutil.rmtree(run.folder)
    run.pause()
    finish(run)
    assert (run.state, run.message) == (
        RunState.FAILED,
        "The folder of this run was deleted while it was in use; start the run again.",
    )
    assert "Traceback" not in caplog.text
    with pytest.raises(EngineError, match="no such run"):
        studio.get(run.id)
