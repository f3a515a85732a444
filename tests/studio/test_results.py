"""Every export, read back with other tools than the ones that wrote it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from engines.base import EngineError
from engines.state_file import load_state
from engines.vector import load_svg
from studio import RunState, results
from tests.fake_engine import CANVAS

SVG = "{http://www.w3.org/2000/svg}"
VECTORS = ["svg", "plotter-svg", "replay-svg", "strokes-mp4"]


@pytest.fixture
def run(studio, until, finish):
    """A finished drawing with one change on the way."""
    run = studio.start(
        "fake", {"num_steps": 40, "step_seconds": 0.005, "prompt": '빨간 <사과> & "a"', "background": "#ddeeff"}
    )
    until(run, lambda: run.step >= 10)
    run.update(wander=2.0)
    return finish(run)


def frames_of(path):
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)], float(file.duration / av.time_base)


def close(one: np.ndarray, two: np.ndarray, tolerance: float = 6.0) -> bool:
    """Equal but for lossy coding."""
    return one.shape == two.shape and np.abs(one.astype(float) - two).mean() < tolerance


# ---------------------------------------------------------------------------------------------- pictures


def test_png_is_the_picture_and_carries_its_settings(studio, run):
    path = run.export("png")
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), run.latest.frame.image)
        carried = json.loads(image.text["atelier"])
    assert carried == studio.embedded_settings(path)
    assert (carried["method"], carried["models"], carried["step"]) == ("fake", "pocket", 40)
    assert carried["settings"]["wander"] == 2.0
    assert carried["settings"]["prompt"] == run.settings.prompt
    assert carried["start"]["wander"] == 1.0
    assert [tuple(change) for change in carried["changes"]] == run.changes
    assert "init_image" not in carried["settings"]


def test_what_a_picture_carries_makes_it_again(studio, run, finish):
    carried = studio.embedded_settings(run.folder / "final.png")
    again = finish(studio.start(carried["method"], carried["start"], changes=carried["changes"]))
    assert np.array_equal(again.latest.frame.image, run.latest.frame.image)


def test_svg_is_the_drawing_and_carries_its_settings(studio, run):
    path = run.export("svg")
    scene = load_svg(path)
    assert len(scene) == len(run.latest.frame.scene)
    assert np.allclose(scene.points, run.latest.frame.scene.points, atol=1e-3)
    assert studio.embedded_settings(path) == studio.embedded_settings(run.folder / "final.png")
    (paper,) = ET.parse(path).iter(f"{SVG}rect")
    assert paper.get("fill") == "rgb(86.67%, 93.33%, 100%)"


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_settings_stay_out_when_they_are_not_wanted(studio, run, kind):
    path = run.export(kind, embed_settings=False)
    with pytest.raises(EngineError, match="carries no settings"):
        studio.embedded_settings(path)
    assert "사과" not in path.read_bytes().decode("utf-8", "ignore")
    assert studio.embedded_settings(run.export(kind, embed_settings=True))["method"] == "fake"


def test_studio_can_keep_settings_out_of_everything(open_studio, finish):
    studio = open_studio(embed_settings=False)
    run = finish(studio.start("fake", {"num_steps": 3}))
    for path in (run.folder / "final.png", run.folder / "final.svg", run.export("png"), run.export("svg")):
        with pytest.raises(EngineError, match="carries no settings"):
            studio.embedded_settings(path)


# ---------------------------------------------------------------------------------------------- for other hands


def test_plotter_svg_has_only_hairlines(run):
    root = ET.parse(run.export("plotter-svg")).getroot()
    assert root.get("width").endswith("mm")
    assert {element.tag for element in root.iter()} == {f"{SVG}svg", f"{SVG}g", f"{SVG}path"}
    assert len(list(root.iter(f"{SVG}path"))) == len(run.latest.frame.scene)


def test_replay_svg_draws_itself(run):
    root = ET.parse(run.export("replay-svg")).getroot()
    assert "@keyframes" in root.find(f"{SVG}style").text
    assert len(list(root.iter(f"{SVG}path"))) == len(run.latest.frame.scene)
    assert root.find(f"{SVG}rect").get("fill") == "#ddeeff"


def test_state_can_be_loaded(run):
    state = load_state(run.export("state"))
    assert state["step"] == 40
    assert load_state(run.folder / "state.safetensors")["step"] == 40


def test_model_is_made_of_the_newest_state(run):
    assert torch.equal(load_file(run.export("model"))["points"], load_state(run.export("state"))["points"])


def test_settings_are_what_the_run_started_from(run):
    assert json.loads(run.export("settings").read_text("utf-8"))["settings"]["wander"] == 1.0


# ---------------------------------------------------------------------------------------------- moving pictures


def test_mp4_goes_from_the_first_picture_to_the_last_and_holds_it(run):
    images, seconds = frames_of(run.export("mp4"))
    recorded = len(run.timeline)
    assert recorded > 5
    fps = max(8, recorded // results.TIMELAPSE_SECONDS)
    assert len(images) == recorded + 2 * fps
    assert seconds == pytest.approx(len(images) / fps, abs=0.2)
    assert close(images[-1], run.latest.frame.image)
    assert close(images[recorded], images[-1], 1.0)
    assert not close(images[0], images[-1])
    assert (run.folder / "timelapse.mp4").read_bytes() == run.export("mp4").read_bytes()


def test_strokes_video_begins_with_bare_paper_and_ends_with_the_drawing(run):
    images, _ = frames_of(run.export("strokes-mp4"))
    assert len(images) == 1 + len(run.latest.frame.scene) + 50
    assert np.abs(images[0].reshape(-1, 3).mean(0) - (0xDD, 0xEE, 0xFF)).max() < 4
    assert max(images[0].shape) == 768
    inked = [(np.abs(image.astype(float) - images[0]).max(axis=2) > 40).sum() for image in images[:9]]
    assert inked[0] == 0 < inked[1] < inked[-1]


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_animation(run, kind):
    with Image.open(run.export(kind)) as image:
        assert image.n_frames > 1
        assert image.size == (CANVAS, CANVAS)
        image.seek(image.n_frames - 1)
        image.load()
        assert image.info["duration"] == pytest.approx(2000, abs=200)
        assert close(np.asarray(image.convert("RGB")), run.latest.frame.image, 12.0)


def test_animations_stay_small(studio, finish, monkeypatch):
    monkeypatch.setattr(results, "GIF_LIMIT", (5, 32))
    run = finish(studio.start("fake", {"num_steps": 20, "step_seconds": 0.01}))
    with Image.open(run.export("gif")) as image:
        assert image.n_frames <= 6
        assert image.size == (32, 32)


# ---------------------------------------------------------------------------------------------- where and when


def test_every_export_lies_in_the_folder_under_a_telling_name(run):
    paths = [run.export(kind) for kind in results.KINDS]
    assert {path.parent for path in paths} == {run.folder / "exports"}
    assert all(path.name.startswith(f"{run.folder.name}-step-40") for path in paths)
    assert all(path.stat().st_size > 0 for path in paths)
    assert set((run.folder / "exports").iterdir()) == set(paths)  # nothing half made beside them


def test_every_export_works_in_the_middle_of_a_run(studio, until):
    run = studio.start("fake", {"num_steps": 5000, "step_seconds": 0.005})
    until(run, lambda: run.step >= 5)
    for kind in results.KINDS:
        assert run.export(kind).stat().st_size > 0
    assert run.state is RunState.RUNNING
    begun = run.step
    assert load_state(run.export("state"))["step"] >= begun
    run.pause()
    until(run, RunState.PAUSED)
    assert load_state(run.export("state"))["step"] == run.step


def test_the_state_of_a_run_that_has_just_come_to_rest(studio, until):
    run = studio.start("fake-view", {"strokes": 2, "pen_width": 3})
    for width in (3, 5):  # before anything was saved, and when what is saved is older than what is shown
        run.update(pen_width=width)
        until(run, lambda width=width: run.live.current.pen_width == width and run.state is RunState.RESTING)
        assert load_file(run.export("model"))["points"].eq(width).all()


def test_the_state_of_a_run_that_waits_for_the_device(studio, until):
    first = studio.start("fake", {"num_steps": 5000, "step_seconds": 0.005})
    until(first, lambda: first.step >= 5)
    first.pause()
    until(first, RunState.PAUSED)
    second = studio.start("fake", {"num_steps": 5000, "step_seconds": 0.005})
    until(second, RunState.RUNNING)
    first.resume()
    until(first, RunState.QUEUED)
    assert load_state(first.export("state"))["step"] == first.step


def test_nothing_can_be_exported_before_the_first_frame(studio):
    studio.start("fake", {"num_steps": 5000, "step_seconds": 0.005})
    waiting = studio.start("fake", {"num_steps": 5})
    for kind in results.KINDS.keys() - {"settings"}:
        with pytest.raises(EngineError, match="no picture yet|Nothing is saved"):
            waiting.export(kind)
    assert list((waiting.folder / "exports").iterdir()) == []


def test_method_without_strokes_has_no_vectors(studio, finish):
    run = finish(studio.start("fake-pictures", {"num_steps": 3}))
    assert not (run.folder / "final.svg").exists()
    for kind in VECTORS:
        with pytest.raises(EngineError, match="no strokes"):
            run.export(kind)
    assert run.export("mp4").stat().st_size > 0


@pytest.mark.parametrize("kind", ["", "../../etc/passwd", "PNG", "exe"])
def test_unknown_exports(run, kind):
    with pytest.raises(EngineError, match="There is no export"):
        run.export(kind)


def test_export_of_another_step_is_another_file(studio, until, finish, run):
    run.export("gif")
    run.rewind(20)
    until(run, RunState.PAUSED)
    path = run.export("gif")
    assert "-step-20" in path.name
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_full_disk_is_one_sentence(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engines.files.os.replace", full)
    with pytest.raises(EngineError, match="No space left on device"):
        run.export("png")
    assert list((run.folder / "exports").iterdir()) == []
