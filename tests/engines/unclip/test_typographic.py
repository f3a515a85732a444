import numpy as np
import pytest
import torch

from engines.unclip.typographic import label_probabilities, with_label, zero_shot


@pytest.fixture
def picture():
    picture = np.full((96, 80, 3), (40, 160, 60), np.uint8)
    return picture


def changed(before, after):
    rows, columns = np.nonzero((before != after).any(-1))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_a_label_is_dark_letters_on_light_paper(picture):
    before = picture.copy()
    found = with_label(picture, "iPod")
    assert np.array_equal(picture, before)
    assert (found.shape, found.dtype) == (picture.shape, np.uint8)
    top, bottom, left, right = changed(picture, found)
    patch = found[top:bottom, left:right].mean(-1)
    assert patch.max() > 230
    assert patch.min() < 90
    assert 0.05 < (patch < 140).mean() < 0.5


def test_size_and_place(picture):
    top, bottom, left, right = changed(picture, with_label(picture, "pizza", width=0.5, centre=(0.5, 0.25)))
    assert right - left == 40
    assert (left + right) / 2 == pytest.approx(40, abs=1)
    assert (top + bottom) / 2 == pytest.approx(24, abs=1)


def test_words_differ(picture):
    assert not np.array_equal(with_label(picture, "iPod"), with_label(picture, "pizza"))


def test_a_label_over_the_border(picture):
    found = with_label(picture, "pizza", width=1.4, centre=(1.0, 1.0))
    assert found.shape == picture.shape
    assert not np.array_equal(found, picture)


@pytest.mark.parametrize(("text", "message"), [("", "has no letters"), ("  ", "has no letters"), ("사과", "'사'")])
def test_labels_that_cannot_be_written(picture, refused, text, message):
    refused(message, with_label, picture, text)


# ---------------------------------------------------------------------------------------------- probe


def test_zero_shot_probabilities():
    images = torch.nn.functional.normalize(torch.randn(3, 8), dim=-1)
    labels = torch.nn.functional.normalize(torch.randn(4, 8), dim=-1)
    found = zero_shot(images, labels, 20.0)
    for row in range(3):
        odds = [torch.exp(20 * (images[row] @ label)) for label in labels]
        torch.testing.assert_close(found[row], torch.stack(odds) / sum(odds))


def test_a_plain_picture_is_what_it_shows(pocket):
    """A red disc on white, on which a word can be written without the label of the picture's own kind losing it all."""
    y, x = np.mgrid[:96, :96] - 48
    picture = np.full((96, 96, 3), 255, np.uint8)
    picture[x * x + y * y < 1400] = (220, 30, 30)
    labels = ["a red circle", "a blue square", "a green tree"]
    plain = label_probabilities(pocket.clip(), picture, labels)
    attacked = label_probabilities(pocket.clip(), with_label(picture, "tree"), labels)
    assert plain.sum().item() == pytest.approx(1)
    assert plain.argmax() == 0
    assert not torch.allclose(plain, attacked)


def test_a_single_label(pocket, picture, refused):
    refused("at least two", label_probabilities, pocket.clip(), picture, ["a tree"])
