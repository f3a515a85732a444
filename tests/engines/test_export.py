"""Pictures, videos and the settings inside files."""

from __future__ import annotations

import json
import struct
import zlib

import av
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from engines.base import EngineError
from engines.export import read_embedded, write_animation, write_png, write_video
from engines.vector import Scene, save_svg

SETTINGS = {"method": "clipdraw", "settings": {"prompt": 'a "red" <apple> & 사과 🍎', "seed": 3}, "models": "pocket"}


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture
def scene():
    return Scene.from_paths([[(0, 0), (5, 5)]], [[0]], [1.0], [(1, 0, 0, 1)], 10, 10)


# ---------------------------------------------------------------------------------------------- settings in files


def test_png_carries_settings(tmp_path, image):
    write_png(image, tmp_path / "a.png", SETTINGS)
    assert read_embedded(tmp_path / "a.png") == SETTINGS
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)


def test_svg_carries_settings(tmp_path, scene):
    save_svg(scene, tmp_path / "a.svg", metadata=SETTINGS)
    assert read_embedded(tmp_path / "a.svg") == SETTINGS


def test_suffix_does_not_matter(tmp_path, image):
    write_png(image, tmp_path / "a.png", SETTINGS)
    (tmp_path / "a.png").rename(tmp_path / "upload.svg")
    assert read_embedded(tmp_path / "upload.svg") == SETTINGS


def test_files_without_settings(tmp_path, image, scene):
    write_png(image, tmp_path / "a.png")
    save_svg(scene, tmp_path / "a.svg")
    Image.fromarray(image).save(tmp_path / "a.jpg")
    for name in ("a.png", "a.svg", "a.jpg"):
        with pytest.raises(EngineError, match="carries no settings"):
            read_embedded(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "null",
        "[]",
        "3",
        '"text"',
        "{}",
        '{"method": "clipdraw"}',
        '{"method": 3, "settings": {}}',
        '{"method": "clipdraw", "settings": []}',
        "[" * 100_000,
    ],
)
def test_settings_of_other_programs(tmp_path, image, text):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("atelier", text)
    Image.fromarray(image).save(tmp_path / "a.png", pnginfo=chunks)
    (tmp_path / "a.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg"><metadata>{text}</metadata></svg>')
    for name in ("a.png", "a.svg"):
        with pytest.raises(EngineError, match="carries no settings"):
            read_embedded(tmp_path / name)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 50,
        b"<svg",
        b"<svg></svg></svg>",
        b"\xff\xfe\x00\x01",
        b"<!DOCTYPE s [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><svg><metadata>&b;</metadata></svg>",
        b"<metadata>" * 5000,
    ],
)
def test_hostile_files(tmp_path, data):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(EngineError, match="carries no settings"):
        read_embedded(tmp_path / "a.png")


def test_huge_picture_is_not_decoded(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    text = chunk(b"tEXt", b"atelier\0" + json.dumps(SETTINGS).encode())
    pixels = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + text + pixels)
    with pytest.raises(EngineError, match="carries no settings"):
        read_embedded(tmp_path / "a.png")


def test_an_svg_of_many_pieces_of_text_is_read_at_once(tmp_path):
    (tmp_path / "a.svg").write_bytes(b"<svg><metadata>" + b"a<b/>" * 1_000_000 + b"</metadata></svg>")
    with pytest.raises(EngineError, match="carries no settings"):
        read_embedded(tmp_path / "a.svg")


@pytest.mark.parametrize("inner", ["[" * 500 + "]" * 500, '{"a":' * 300 + "1" + "}" * 300])
def test_settings_within_settings_without_end(tmp_path, image, inner):
    """They can be parsed, but whoever walks or prints them would run out of stack."""
    write_text_chunk(tmp_path / "a.png", image, f'{{"method": "clipdraw", "settings": {{"prompt": {inner}}}}}')
    with pytest.raises(EngineError, match="carries no settings"):
        read_embedded(tmp_path / "a.png")


def test_huge_settings(tmp_path, image):
    for value in ("9" * 5000, '"' + "x" * (2 << 20) + '"'):
        write_text_chunk(tmp_path / "a.png", image, f'{{"method": "clipdraw", "settings": {{"seed": {value}}}}}')
        with pytest.raises(EngineError, match="carries no settings"):
            read_embedded(tmp_path / "a.png")


def write_text_chunk(path, image, text: str) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("atelier", text)
    Image.fromarray(image).save(path, pnginfo=chunks)


def test_compressed_settings_that_unpack_to_gigabytes(tmp_path, image):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("atelier", "x" * (100 << 20), zip=True)
    Image.fromarray(image).save(tmp_path / "a.png", pnginfo=chunks)
    with pytest.raises(EngineError, match="carries no settings"):
        read_embedded(tmp_path / "a.png")


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(EngineError, match="cannot be read"):
            read_embedded(path)


# ---------------------------------------------------------------------------------------------- moving pictures


def shades(count: int, height: int = 32, width: int = 48) -> list[np.ndarray]:
    return [np.full((height, width, 3), 20 * index, np.uint8) for index in range(count)]


@pytest.mark.parametrize(("height", "width"), [(32, 48), (31, 47), (1, 1), (3, 200)])
def test_video_has_every_frame_and_holds_the_last(tmp_path, height, width):
    write_video(iter(shades(10, height, width)), tmp_path / "a.mp4", fps=10, hold=1.5)
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        images = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
    assert len(images) == 10 + 15
    assert images[0].shape == (height + height % 2, width + width % 2, 3)
    values = [float(image.mean()) for image in images]
    assert values[:10] == pytest.approx([20.0 * index for index in range(10)], abs=4)
    assert values[10:] == pytest.approx([180.0] * 15, abs=4)


def test_video_can_be_played_while_it_loads(tmp_path):
    write_video(shades(3), tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animation_has_every_frame_and_holds_the_last(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_animation(iter(shades(6)), path, fps=10, hold=1.5)
    with Image.open(path) as image:
        assert image.n_frames == 6
        assert image.info.get("loop") == 0
        durations = []
        for index in range(6):
            image.seek(index)
            image.load()
            durations.append(image.info["duration"])
            assert float(np.asarray(image.convert("RGB")).mean()) == pytest.approx(20.0 * index, abs=6)
    assert durations == [100] * 5 + [1500]


@pytest.mark.parametrize(("write", "name"), [(write_video, "a.mp4"), (write_animation, "a.gif")])
def test_no_frames(tmp_path, write, name):
    with pytest.raises(EngineError, match="no picture"):
        write([], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("write", "name"), [(write_video, "a.mp4"), (write_animation, "a.gif")])
def test_interrupted_writing_leaves_nothing(tmp_path, write, name):
    def frames():
        yield from shades(3)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write(frames(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
