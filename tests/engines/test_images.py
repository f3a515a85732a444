import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from engines.base import EngineError
from engines.images import (
    as_pixels,
    as_sheet,
    as_tensor,
    load_picture,
    middle_square,
    on_white,
    padded_square,
    resized,
)


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


# ---------------------------------------------------------------------------------------------- modes


def ramp(mode: str, dtype, high: float) -> Image.Image:
    return Image.fromarray((np.linspace(0, 1, 64).reshape(8, 8) * high).astype(dtype)).convert(mode)


@pytest.mark.parametrize(
    ("mode", "dtype", "high"), [("I;16", np.uint16, 65535), ("I", np.int32, 65535), ("I", np.int32, 2**31 - 1),
                                ("F", np.float32, 1), ("F", np.float32, 1000)]
)  # fmt: skip
def test_deep_grey_keeps_its_shades(mode, dtype, high):
    picture = np.asarray(on_white(ramp(mode, dtype, high)))
    assert picture.shape == (8, 8, 3)
    wanted = np.linspace(0, 255, 64).reshape(8, 8, 1)
    assert np.abs(picture - wanted).max() < 1.01


def test_deep_grey_with_negative_and_endless_numbers():
    numbers = np.array([[-1, 0, 1, np.nan, np.inf, -np.inf]], np.float32)
    assert np.asarray(on_white(Image.fromarray(numbers)))[0, :3, 0].tolist() == [0, 128, 255]
    assert np.asarray(on_white(Image.fromarray(np.zeros((2, 2), np.float32)))).max() == 0


def test_sixteen_bit_files(tmp_path):
    ramp("I;16", np.uint16, 65535).save(tmp_path / "a.png")
    picture = load_picture(tmp_path / "a.png")
    assert (picture.min(), picture.max()) == (0, 255)
    assert 120 < picture.mean() < 135


def test_transparency_of_every_kind_lies_on_white(tmp_path):
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    grey = Image.new("LA", (4, 4), (0, 0))
    for number, (image, options) in enumerate(
        [(palette, {"transparency": 1}), (palette, {"transparency": b"\xff\x00"}), (grey, {}),
         (Image.new("RGB", (4, 4), (1, 2, 3)), {"transparency": (1, 2, 3)}),
         (Image.new("L", (4, 4), 7), {"transparency": 7}), (Image.new("RGBA", (4, 4), (9, 9, 9, 0)), {})]
    ):  # fmt: skip
        image.save(tmp_path / f"{number}.png", **options)
        assert (load_picture(tmp_path / f"{number}.png") == 255).all(), number
    palette.save(tmp_path / "opaque.png")
    assert load_picture(tmp_path / "opaque.png")[0, 0].tolist() == [255, 0, 0]


def test_other_modes(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = load_picture(tmp_path / "a.jpg")[4, 4].tolist()
    assert red > 200 > 60 > max(green, blue)
    Image.new("1", (8, 8), 1).save(tmp_path / "b.png")
    assert (load_picture(tmp_path / "b.png") == 255).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_orientation_in_every_format(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 6)).save(tmp_path / f"a.{suffix}", exif=exif)
    assert load_picture(tmp_path / f"a.{suffix}").shape == (8, 6, 3)


@pytest.mark.parametrize(("size", "shape"), [((1, 1), (1, 1)), ((2000, 4), (2, 1024)), ((5, 20_000), (1024, 1))])
def test_extreme_shapes(tmp_path, size, shape):
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    picture = load_picture(tmp_path / "a.png")
    assert picture.shape == (*shape, 3)
    for square in (middle_square(picture), padded_square(picture)):
        assert resized(as_tensor(square)[None], 32).shape == (1, 3, 32, 32)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_only_the_first_of_many_frames_is_decoded(tmp_path, suffix):
    frames = [Image.new("RGB", (16, 16), (index % 256, 0, 0)) for index in range(500)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    assert load_picture(tmp_path / f"a.{suffix}").shape == (16, 16, 3)


def test_text_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    text = zlib.compress(b"x" * (200 << 20), 9)
    chunk = b"zTXtatelier\0\0" + text
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(content[:33] + packed + content[33:])
    with pytest.raises(EngineError, match="a.png"):
        load_picture(tmp_path / "a.png")
