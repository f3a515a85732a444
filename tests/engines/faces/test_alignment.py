"""The square around a face against references and geometry, and what is cut out of a picture where it leaves it."""

import numpy as np
import pytest
from PIL import Image

from engines.faces.alignment import align_face, quad_from_clicks, quad_from_landmarks, quad_side

CLICKS = np.array([[40.0, 50], [80, 46], [62, 70], [48, 90], [76, 87]])
"""A face that leans a little to its right: eyes, nose, corners of the mouth."""


def landmarks_of(clicks: np.ndarray) -> np.ndarray:
    """68 landmarks with these eyes and corners of the mouth; all others are far away."""
    landmarks = np.full((68, 2), 1e3)
    ring = np.array([[-6, 0], [-3, -2], [3, -2], [6, 0], [3, 2], [-3, 2]])
    landmarks[36:42], landmarks[42:48] = clicks[0] + ring, clicks[1] + ring
    landmarks[[48, 54]] = clicks[3:]
    return landmarks


def square(centre, side: float, degrees: float = 0) -> np.ndarray:
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * side / 2
    turn = np.radians(degrees)
    return corners @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] + centre


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


# ---------------------------------------------------------------------------------------------- references


@pytest.mark.parametrize("case", range(3))
def test_references(references, case):
    reference = {key.removesuffix(f"_{case}"): value for key, value in references.arrays("face_align").items()}
    quad = quad_from_landmarks(reference["landmarks"])
    np.testing.assert_allclose(quad, reference["quad"], rtol=0, atol=1e-6)
    assert quad_side(quad) == pytest.approx(reference["qsize"], abs=1e-6)
    aligned = align_face(reference["image"], quad)
    assert (aligned.shape, aligned.dtype) == ((256, 256, 3), np.uint8)
    difference = np.abs(aligned.astype(int) - reference["aligned"])
    assert difference.max() <= 2  # 0 with the Pillow they were made with
    assert difference.mean() < 0.05


@pytest.mark.parametrize("case", range(3))
def test_clicks_on_the_references(references, case):
    arrays = references.arrays("face_align")
    landmarks = arrays[f"landmarks_{case}"]
    clicks = [landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30], landmarks[48], landmarks[54]]
    np.testing.assert_allclose(quad_from_clicks(clicks), arrays[f"quad_{case}"], rtol=0, atol=1e-6)


# ---------------------------------------------------------------------------------------------- the square


def test_an_upright_face_by_hand():
    """Eyes 40 px apart, mouth 30 px below: half a side is max(2 · 40, 1.8 · 30) = 80, centre 3 px below the eyes."""
    clicks = np.array([[80, 100], [120, 100], [100, 115], [90, 130], [110, 130]])
    np.testing.assert_allclose(quad_from_clicks(clicks), square((100, 103), 160))
    clicks[2:] += (0, 20), (0, 30), (0, 30)  # mouth 60 px below: 108 and 6 px
    np.testing.assert_allclose(quad_from_clicks(clicks), square((100, 106), 216))


def test_landmarks_and_clicks_agree():
    np.testing.assert_allclose(quad_from_landmarks(landmarks_of(CLICKS)), quad_from_clicks(CLICKS))


@pytest.mark.parametrize("degrees", [0, 33, 90, 180, 290])
def test_the_square_goes_with_the_face(degrees):
    turn = np.radians(degrees)
    move = 1.7 * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    moved = quad_from_clicks(CLICKS @ move + (500, 300))
    np.testing.assert_allclose(moved, quad_from_clicks(CLICKS) @ move + (500, 300))
    sides = np.roll(moved, -1, axis=0) - moved
    np.testing.assert_allclose(np.hypot(*sides.T), quad_side(moved))
    np.testing.assert_allclose((sides * np.roll(sides, 1, axis=0)).sum(1), 0, atol=1e-8)


@pytest.mark.parametrize("order", [[1, 0, 2, 3, 4], [0, 1, 2, 4, 3], [1, 0, 2, 4, 3]])
def test_left_and_right_may_be_swapped(order):
    for clicks in (CLICKS, CLICKS @ [[0, 1], [-1, 0]]):
        np.testing.assert_allclose(quad_from_clicks(clicks[order]), quad_from_clicks(clicks))


@pytest.mark.parametrize("order", [[2, 0, 1, 3, 4], [0, 2, 1, 3, 4], [0, 1, 3, 4, 2]])
def test_clicks_in_another_order(refused, order):
    refused("nose is not between", quad_from_clicks, CLICKS[order])


def test_wrong_points(refused):
    for find, count in ((quad_from_landmarks, 68), (quad_from_clicks, 5)):
        refused(rf"shape \({count - 1}, 2\); give {count} pairs", find, np.zeros((count - 1, 2)))
        refused(f"give {count} pairs", find, np.zeros((count, 3)))
        refused("not all finite", find, np.full((count, 2), np.nan))
        refused("no numbers", find, [["left", "eye"]] * count)
        refused("no numbers", find, [[1, 2], [3]])
    refused("are no face", quad_from_landmarks, np.full((68, 2), 7))
    refused("between the eyes and the mouth", quad_from_clicks, np.full((5, 2), 7))


# ---------------------------------------------------------------------------------------------- the picture


@pytest.mark.parametrize(
    ("height", "width", "centre", "side", "degrees"),
    [(300, 260, (130, 150), 150, 0), (300, 260, (120, 140), 130, -40), (1700, 1900, (900, 820), 1080, 12)],
    ids=["upright", "turned", "shrunk"],
)
def test_each_pixel_comes_from_its_place(height, width, centre, side, degrees):
    """Red and green of the picture tell where a pixel is."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.rint(np.arange(width) * 255 / width)
    picture[..., 1] = np.rint(np.arange(height) * 255 / height)[:, None]
    quad = square(centre, side, degrees)
    aligned = align_face(picture, quad).astype(float)
    down, right = np.mgrid[:256, :256] / 256 + 1 / 512
    places = quad[0] + right[..., None] * (quad[3] - quad[0]) + down[..., None] * (quad[1] - quad[0])
    np.testing.assert_allclose(aligned[..., :2], places * 255 / (width, height), rtol=0, atol=1.5)


def test_other_sizes():
    picture = noise(400, 400)
    assert align_face(picture, square((200, 200), 120), size=64).shape == (64, 64, 3)
    coarse, fine = (align_face(picture, square((200, 200), 380), size) for size in (64, 256))
    assert coarse.std() < 0.5 * fine.std()  # shrunk, so that each pixel is a mean of several


def test_the_picture_and_the_square_stay_as_they_are():
    picture, quad = noise(90, 80), square((40, 40), 70)
    before = picture.copy(), quad.copy()
    align_face(picture, quad)
    np.testing.assert_array_equal(picture, before[0])
    np.testing.assert_array_equal(quad, before[1])


def plainly_cut(picture: np.ndarray, quad: np.ndarray) -> np.ndarray:
    corners = tuple((quad + 0.5).flatten())
    cut = Image.fromarray(picture).transform((256, 256), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)
    return np.asarray(cut)


def test_only_faces_at_the_edge_are_blurred():
    picture = noise(200, 200)
    inside, close = square((100, 100), 192), square((100, 100), 194)  # 4 and 3 px from the edge
    np.testing.assert_array_equal(align_face(picture, inside), plainly_cut(picture, inside))
    assert (align_face(picture, close) != plainly_cut(picture, close)).mean() > 0.05


def test_beyond_the_edge():
    """Less and less of the noise, and in the end the median; the middle of the face is as it was."""
    picture = noise(240, 240)
    picture[..., 2] = 30
    quad = square((10, 120), 220)  # half of it on the left of the picture
    aligned = align_face(picture, quad).astype(int)
    contrast = aligned[..., 0].std(axis=0)
    assert contrast[0] < 3 < 20 < contrast[200]
    assert contrast[:100].mean() < contrast[120:].mean()
    assert np.abs(aligned[:, 0, 0] - 127).max() < 12
    np.testing.assert_array_equal(aligned[..., 2], 30)
    np.testing.assert_array_equal(aligned[60:200, 200:235], plainly_cut(picture, quad)[60:200, 200:235])


def test_mirrored_at_the_edge():
    """Just outside a bright stripe at the edge it is bright, and not black."""
    picture = np.full((300, 300, 3), 20, np.uint8)
    picture[:, :40] = 220
    aligned = align_face(picture, square((100, 150), 220))  # its left 10 px are outside
    assert aligned[100:150, :8].min() > 150


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (40, 40)])
@pytest.mark.parametrize("side", [9, 300, 2e4, 1e9])
def test_any_picture_and_any_face(size, side):
    picture = np.full((*size, 3), 77, np.uint8)
    aligned = align_face(picture, square((0.5 * size[1], 0.5 * size[0]), side, 20))
    np.testing.assert_array_equal(aligned, np.full((256, 256, 3), 77))


def test_wrong_pictures_and_squares(refused):
    quad, picture = square((50, 50), 40), noise(100, 100)
    for wrong in (picture[..., 0], picture / 255, np.zeros((0, 5, 3), np.uint8), np.zeros((9, 9, 4), np.uint8)):
        refused(r"give \(height, width, 3\) in uint8", align_face, wrong, quad)
    refused("not four finite points", align_face, picture, quad[:3])
    refused("not four finite points", align_face, picture, quad * np.inf)
    refused("smaller than 8 pixels", align_face, picture, square((50, 50), 7.9))
    for centre in ((-1, 50), (50, -1), (100, 50), (50, 101)):
        refused("outside the picture", align_face, picture, square(centre, 150))
