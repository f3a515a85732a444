"""The command line takes a style as a swatch or as a file."""

import json

import numpy as np
import pytest
from PIL import Image

from engines.style import SWATCHES
from tests.engines.test_command_line import engines

SMALL = ["--set", "num_strokes=8", "--set", "num_augmentations=2", "--set", "width=96", "--set", "height=96"]
STEPS = ["--prompt", "a red apple", "--steps", 2, "--quiet"]
SWATCH = list(SWATCHES)[1]


@pytest.mark.parametrize("style", ["swatch", "style_image"])
def test_draws_in_a_style(tmp_path, style):
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / "style.png")
    value = SWATCH if style == "swatch" else tmp_path / "style.png"
    result = engines("styleclipdraw", *STEPS, *SMALL, "--set", f"{style}={value}", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "out" / "run.json").read_text())
    assert report["settings"][style] == str(value)
    assert {model["name"] for model in report["models"]} == {"pocket-clip", "pocket-vgg"}
    assert {"prompt", "texture", "moments", "palette"} <= set(report["steps"][-1])
    assert {"final.png", "final.svg", "settings.json"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_a_preset_and_a_resumed_run(tmp_path):
    folder = tmp_path / "out"
    slow = ["--preset", "Slow", "--set", "style_steps=2", "--set", "num_strokes=8"]
    assert engines("styleclipdraw", *STEPS, *slow, "--out", folder).returncode == 0
    steps = json.loads((folder / "run.json").read_text())["steps"]
    assert ["prompt" in step for step in steps[1:]] == [True, False, False, True, False, False]
    result = engines("styleclipdraw", "--resume", folder, "--steps", 3, "--quiet", "--out", tmp_path / "more")
    assert result.returncode == 0, result.stderr
    assert [step["step"] for step in json.loads((tmp_path / "more" / "run.json").read_text())["steps"]] == [6, 7, 8, 9]


@pytest.mark.parametrize(
    ("setting", "code", "named"),
    [
        ("swatch=moonlight", 2, "swatch"),
        ("style_strength=many", 2, "style_strength"),
        ("style_image=nowhere.png", 1, "nowhere.png"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, setting, code, named):
    result = engines("styleclipdraw", *STEPS, *SMALL, "--set", setting, "--out", tmp_path / "out")
    assert result.returncode == code
    assert len(result.stderr.strip().splitlines()) == 1
    assert named in result.stderr
