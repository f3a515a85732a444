"""What is read from random documents looks as resvg draws them."""

import math

import pytest

from engines.base import EngineError
from engines.vector import read_svg
from tests.engines.vector import svg_documents as documents

OVERLAPS = "A translucent group is drawn shape by shape; where its shapes overlap it is too dense."


def shortfall(seed, path):
    """By how many decibels a random document misses its bound: 30, or 20 where a notice says that it is not exact."""
    text = documents.Generator(seed).document()
    path.write_text(text)
    try:
        drawing = read_svg(path)
    except EngineError as error:
        return 0 if "draws nothing" in str(error) else math.inf
    return max(0, (20 if OVERLAPS in drawing.notices else 30) - documents.decibels(drawing.scene, text))


@pytest.mark.parametrize("seed", range(40))
def test_random_documents(tmp_path, seed):
    assert shortfall(seed, tmp_path / "a.svg") == 0


@pytest.mark.torture
@pytest.mark.parametrize("first", range(1000, 1600, 50))
def test_many_random_documents(tmp_path, first):
    found = {seed: shortfall(seed, tmp_path / "a.svg") for seed in range(first, first + 50)}
    assert {seed: missing for seed, missing in found.items() if missing} == {}
