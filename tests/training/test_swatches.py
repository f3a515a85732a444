import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from engines.images import load_picture
from engines.style import SWATCHES, gram_loss, palette_loss, style_statistics
from training.swatches import PAINTERS
from training.swatches.__main__ import as_image
from training.swatches.canvas import Canvas, path, ramp, smooth


def test_every_swatch_is_painted_and_lies_in_the_assets():
    assert list(PAINTERS) == list(SWATCHES)
    assert len(SWATCHES) >= 12
    assert sorted(path.name for path in SWATCHES.values()) == sorted(
        file.name for file in next(iter(SWATCHES.values())).parent.glob("*.png")
    )


@pytest.mark.parametrize("name", SWATCHES)
def test_swatches_are_small_files_of_a_useful_size(name):
    height, width, _ = load_picture(SWATCHES[name]).shape
    assert 256 <= min(height, width) <= max(height, width) <= 384
    assert SWATCHES[name].stat().st_size < 120_000


@pytest.mark.parametrize("name", ["pixel-art", "pencil", "woodcut"])
def test_painting_again_gives_the_same_picture(name):
    """Nearly: sums of floats may differ between machines by a rounding."""
    fresh, kept = (np.asarray(image.convert("RGB"), float) for image in
                   (as_image(PAINTERS[name]()), Image.open(SWATCHES[name])))  # fmt: skip
    assert np.abs(fresh - kept).mean() < 1


def test_no_two_swatches_are_alike(pocket):
    """Each differs from each in palette, and in texture more than from another sample of itself."""
    encoder = pocket.style_features()
    once, again = (
        [
            style_statistics(encoder, load_picture(path), generator=torch.Generator().manual_seed(seed), draws=1)
            for path in SWATCHES.values()
        ]
        for seed in (1, 2)
    )
    for i, j in itertools.combinations(range(len(once)), 2):
        for loss in (palette_loss, gram_loss):
            assert loss(once[i], once[j]) > 1.2 * max(loss(once[i], again[i]), loss(once[j], again[j]))


# ---------------------------------------------------------------------------------------------- the canvas


def test_shapes_cover_what_they_should():
    canvas = Canvas(0, 60, 40)
    half = canvas.shape((0, 0), (0.75, 0), (0.75, 1), (0, 1))
    assert half.shape == (40, 60, 1)
    assert half[:, :29].min() == 1
    assert half[:, 31:].max() == 0
    disc = canvas.ellipse(0.75, 0.5, 0.25)
    assert disc.sum() == pytest.approx(np.pi * 10**2, rel=0.03)


def test_a_patch_covers_its_area_with_its_colour():
    laid = Canvas(0, 40, 40).patch(
        np.zeros((40, 40, 3)), [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)], (1, 0.5, 0)
    )
    assert laid.sum((0, 1)) == pytest.approx([400, 200, 0], rel=0.05)
    assert laid[20, 20].tolist() == [1, 0.5, 0]


def test_distance_to_marked_pixels():
    canvas = Canvas(0, 30, 20)
    marked = np.zeros((20, 30), bool)
    marked[10, 10] = True
    away = canvas.distance(marked)
    assert away[10, 10] == pytest.approx(0, abs=1e-6)
    assert away[14, 13] == pytest.approx(5 / 20, abs=1e-6)


def test_strokes_follow_the_field():
    canvas = Canvas(0, 40, 40)
    starts = np.array([[0.1, 0.5], [0.2, 0.2]])
    points = canvas.follow(starts, np.full((40, 40, 1), np.pi / 2), 0.3)
    assert points[:, -1] == pytest.approx(starts + [0, 0.3])


def test_curves_and_ramps():
    assert path("10,20 30.5,-4") == [(0.1, 0.2), (0.305, -0.04)]
    corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]
    curve = smooth(corners, each=4)
    assert curve[0] == (0, 0)
    assert curve[4] == (1, 0)
    assert curve[-1] == (1, 1)
    assert ramp(np.array([[0.25]]), "#000000", "#ff0000", "#ffffff")[0].tolist() == [0.5, 0, 0]
