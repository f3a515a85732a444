import numpy as np
import torch

from engines.unclip.pictures import as_sheet, resized, squared, to_pixels, to_tensor


def test_pixels_there_and_back():
    pixels = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
    tensors = torch.cat([to_tensor(picture) for picture in pixels])
    assert (tensors.min(), tensors.max()) == (-1, 1)
    assert np.array_equal(to_pixels(tensors), pixels)
    assert to_pixels(torch.full((1, 3, 1, 1), 7.0)).max() == 255


def test_a_sheet_goes_row_by_row_and_the_rest_is_white():
    shades = torch.tensor([-1.0, -0.5, 0.0]).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    sheet = as_sheet(shades, 2)
    assert sheet.shape == (4, 4, 3)
    assert (sheet[0, 0, 0], sheet[3, 3, 0]) == (0, 255)
    assert sheet[0, 0, 0] < sheet[0, 2, 0] < sheet[2, 0, 0]


def test_pictures_become_squares():
    picture = np.zeros((2, 6, 3), np.uint8)
    square = squared(picture)
    assert square.shape == (6, 6, 3)
    assert not square[2:4].any()
    assert (square[[0, 1, 4, 5]] == 255).all()
    assert resized(to_tensor(picture), 4).shape == (1, 3, 4, 4)
