import pytest

from engines.base import EngineError
from engines.colors import parse_color, parse_palette


@pytest.mark.parametrize(
    ("text", "color"),
    [("#ff0000", (1, 0, 0)), ("0f0", (0, 1, 0)), ("rgb(0, 0, 255)", (0, 0, 1)), ("rgba(255.0, 0, 0, 0.5)", (1, 0, 0))],
)
def test_known_values(text, color):
    assert parse_color(text) == color


@pytest.mark.parametrize("text", ["", "reddish", "#12345", "rgb(1)"])
def test_exceptions(text):
    with pytest.raises(EngineError):
        parse_color(text)


def test_palette():
    assert parse_palette("#f00, #0f0;#00f") == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
