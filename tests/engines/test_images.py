import numpy as np
import pytest
import torch
from PIL import Image

from engines.base import EngineError
from engines.images import as_pixels, as_sheet, as_tensor, load_picture, middle_square, padded_square, resized


def test_pictures_are_rgb_and_small(tmp_path):
    Image.new("RGBA", (3000, 1500), (255, 0, 0, 0)).save(tmp_path / "a.png")
    picture = load_picture(tmp_path / "a.png", max_side=300)
    assert picture.shape == (150, 300, 3)
    assert (picture == 255).all()  # transparent parts lie on white


def test_the_camera_s_turn_is_undone(tmp_path):
    image = Image.fromarray(np.arange(6, dtype=np.uint8).repeat(8).reshape(6, 8))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert load_picture(tmp_path / "a.jpg").shape == (8, 6, 3)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_unreadable_files_are_one_sentence(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(EngineError, match="a.png"):
        load_picture(tmp_path / "a.png")


@pytest.mark.parametrize("size", [(20_000, 20_000), (8_000, 5_000)])
def test_a_huge_picture_is_refused_from_its_header(tmp_path, size):
    Image.new("1", size).save(tmp_path / "huge.png")
    with pytest.raises(EngineError, match="huge.png is too large"):
        load_picture(tmp_path / "huge.png")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EngineError, match="nowhere.png"):
        load_picture(tmp_path / "nowhere.png")


def test_pixels_there_and_back():
    pixels = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
    tensors = as_tensor(pixels)
    assert tensors.shape == (4, 3, 8, 8)
    assert (tensors.min(), tensors.max()) == (0, 1)
    assert np.array_equal(as_pixels(tensors), pixels)
    assert np.array_equal(as_pixels(as_tensor(pixels[0])), pixels[0])
    assert as_pixels(torch.full((1, 3, 1, 1), 7.0)).max() == 255


def test_a_sheet_goes_row_by_row_and_the_rest_is_white():
    shades = torch.tensor([0.0, 0.25, 0.5]).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    sheet = as_sheet(shades, 2)
    assert sheet.shape == (4, 4, 3)
    assert (sheet[0, 0, 0], sheet[3, 3, 0]) == (0, 255)
    assert sheet[0, 0, 0] < sheet[0, 2, 0] < sheet[2, 0, 0]


def test_pictures_become_squares():
    picture = np.zeros((2, 6, 3), np.uint8)
    square = padded_square(picture)
    assert square.shape == (6, 6, 3)
    assert not square[2:4].any()
    assert (square[[0, 1, 4, 5]] == 255).all()
    assert resized(as_tensor(picture)[None], 4).shape == (1, 3, 4, 4)
    assert np.array_equal(middle_square(square[1:5]), square[1:5, 1:5])
    assert np.array_equal(middle_square(square[:, 1:5]), square[1:5, 1:5])


def test_resizing_stays_in_its_range():
    edge = torch.tensor([-1.0, -1, 1, 1]).expand(1, 3, 4, 4)
    larger = resized(edge, 16, low=-1)
    assert (larger.min(), larger.max()) == (-1, 1)
    torch.testing.assert_close(resized(edge / 2 + 0.5, 16), larger / 2 + 0.5)
