import base64
import io

import numpy as np
import pytest
from PIL import Image

from engines.base import Frame
from engines.vector import Scene
from ui.components import preview


def drawing(strokes: int) -> Scene:
    points = [[[1, 1], [9, 9]]] * strokes
    return Scene.from_paths(points, [[0]] * strokes, [1.0] * strokes, [[1, 0, 0, 1]] * strokes, 10, 10)


def frame(**parts) -> Frame:
    return Frame(1, 2, lambda: np.zeros((1000, 2000, 3), np.uint8), **parts)


def content(url: str, kind: str) -> bytes:
    head, _, packed = url.partition(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(packed)


def test_a_drawing_travels_as_svg_with_its_background():
    svg = content(preview.data_url(frame(scene=drawing(3), background=(0, 0, 1))), "image/svg+xml").decode()
    assert svg.count("<path") == 3
    assert "rgb(0%, 0%, 100%)" in svg


def test_a_picture_travels_as_small_jpeg():
    with Image.open(io.BytesIO(content(preview.data_url(frame()), "image/jpeg"))) as image:
        assert (image.format, image.size) == ("JPEG", (768, 384))


def test_a_small_picture_travels_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 255, (128, 96, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(content(preview.data_url(Frame(0, 1, lambda: pixels)), "image/png"))) as image:
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("strokes", [preview._MOST_STROKES + 1])
def test_more_strokes_than_a_browser_likes_travel_as_jpeg(strokes):
    content(preview.data_url(frame(scene=drawing(strokes))), "image/jpeg")
