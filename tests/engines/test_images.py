import numpy as np
import pytest
from PIL import Image

from engines.base import EngineError
from engines.images import load_picture


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
