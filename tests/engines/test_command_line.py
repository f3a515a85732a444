"""The command line as outside checks call it: its exit code, one line, and the files.

The first drawing is made by a process of its own; the others are made in this one, which has its models by then.
"""

import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines import ENGINES
from engines.__main__ import main
from engines.export import read_embedded
from engines.vector import load_svg

ROOT = Path(__file__).parents[2]
CHANGES = ("num_strokes=8", "num_augmentations=2", "width=96", "height=96", "painter_weight=0")
SMALL = [part for change in CHANGES for part in ("--set", change)]


def engines(*arguments) -> subprocess.CompletedProcess:
    """What `python -m engines …` does, in this process."""
    arguments = list(map(str, arguments))
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
    return subprocess.CompletedProcess(arguments, code or 0, out.getvalue(), err.getvalue())


def process(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "engines", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    arguments = ["--prompt", "a red apple", "--steps", 5, "--seed", 3, "--out", folder / "a", "--timelapse", *SMALL]
    result = process("clipdraw", *arguments)
    assert result.returncode == 0, result.stderr
    return folder


def test_list_names_every_method_with_a_sentence():
    lines = process("list").stdout.splitlines()
    assert any(line.startswith("clipdraw ") and line.endswith(".") for line in lines)


@pytest.mark.parametrize("method", list(ENGINES))
def test_help_lists_every_setting(method):
    text = engines(method, "--help").stdout
    for spec in ENGINES[method].Settings.specs():
        line = next(line for line in text.splitlines() if line[3:].startswith(f"{spec.name} "))
        assert line.startswith(" *") == spec.live
        assert f"default {json.dumps(spec.default)}" in line


def test_a_drawing_writes_its_files(drawn):
    folder = drawn / "a"
    report = json.loads((folder / "run.json").read_text())
    assert set(report) == {"method", "settings", "models", "steps", "seconds", "device"}
    assert report["method"] == "clipdraw"
    assert report["settings"]["seed"] == 3
    assert report["models"][0]["name"] == "pocket-clip"
    assert [record["step"] for record in report["steps"]] == [0, 1, 2, 3, 4, 5]
    assert {"seconds", "loss", "prompt"} <= set(report["steps"][-1])
    assert json.loads((folder / "settings.json").read_text())["settings"] == report["settings"]
    assert Image.open(folder / "final.png").size == (96, 96)
    assert len(load_svg(folder / "final.svg")) == 8
    assert (folder / "timelapse.mp4").stat().st_size > 500


def test_the_pictures_carry_their_settings(drawn):
    settings = json.loads((drawn / "a" / "run.json").read_text())["settings"]
    for name in ("final.png", "final.svg"):
        assert read_embedded(drawn / "a" / name)["settings"] == settings


def test_same_seed_same_pixels_and_resume_goes_on(drawn):
    half = drawn / "half"
    base = ["clipdraw", "--prompt", "a red apple", "--seed", 3, "--quiet", *SMALL]
    assert engines(*base, "--steps", 3, "--out", half).returncode == 0
    # the schedule depends on the number of steps, but not before half of the run
    resumed = engines("clipdraw", "--resume", half, "--steps", 5, "--out", drawn / "resumed", "--quiet")
    assert resumed.returncode == 0, resumed.stderr
    again = engines(*base, "--steps", 5, "--out", drawn / "again")
    assert again.returncode == 0
    first, second = (np.asarray(Image.open(drawn / name / "final.png")) for name in ("a", "again"))
    assert np.array_equal(first, second)
    assert json.loads((drawn / "resumed" / "run.json").read_text())["steps"][0]["step"] == 3


def test_a_process_ends_with_the_exit_code():
    result = process("sculpt", "--prompt", "x")
    assert result.returncode == 2
    assert "sculpt" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["clipdraw", "--out", "OUT"], "prompt"),
        (["clipdraw", "--prompt", "x"], "--out"),
        (["clipdraw", "--prompt", "x", "--out", "OUT", "--steps", "many"], "num_steps"),
        (["clipdraw", "--prompt", "x", "--out", "OUT", "--set", "num_strokes=0"], "num_strokes"),
        (["clipdraw", "--prompt", "x", "--out", "OUT", "--set", "negative_weight=nan"], "negative_weight"),
        (["clipdraw", "--prompt", "x", "--out", "OUT", "--set", "colour=red"], "colour"),
        (["clipdraw", "--prompt", "x", "--out", "OUT", "--set", "colour"], "--set"),
        (["clipdraw", "--prompt", "x", "--out", "OUT", "--resume", "OUT/nothing"], "nothing"),
        (["clipdraw", "--prompt", "x", "--out", "OUT", "--models", "huge"], "--models"),
        (["clipdraw", "--prompt", "x", "--out", "/proc/nothing"], "output folder"),
        (["sculpt", "--prompt", "x"], "sculpt"),
    ],
)
def test_wrong_input_is_exit_2_and_one_line(tmp_path, arguments, named):
    result = engines(*[argument.replace("OUT", str(tmp_path)) for argument in arguments])
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert named in result.stderr


def test_a_failed_run_is_exit_1_one_line_and_keeps_what_was_written(tmp_path):
    missing = ["--set", "init=image", "--set", f"init_image={tmp_path / 'nowhere.png'}"]
    result = engines("clipdraw", "--prompt", "x", "--out", tmp_path / "a", "--quiet", *missing)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "nowhere.png" in result.stderr
    assert (tmp_path / "a" / "settings.json").exists()


def test_a_wrong_checkpoint_is_exit_2_and_one_line(drawn, tmp_path):
    (tmp_path / "settings.json").write_text((drawn / "a" / "settings.json").read_text())
    (tmp_path / "state.safetensors").write_bytes(b"\x80\x04cos\nsystem\n")
    result = engines("clipdraw", "--resume", tmp_path, "--quiet")
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "state.safetensors" in result.stderr
