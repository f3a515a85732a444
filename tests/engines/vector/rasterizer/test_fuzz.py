"""Random scenes, many of them absurd: never a crash, never NaN out of finite input, a clear error for the rest.

`make torture` draws 10,000 on every backend.
"""

import math

import numpy as np
import pytest
import torch

from engines.base import EngineError
from engines.vector import Scene, rasterize

PARAMETERS = ("points", "widths", "colors")
BACKENDS = ("torch", "native")


def random_scene(rng: np.random.Generator) -> Scene:
    width, height, count = (int(value) for value in rng.integers(1, (40, 40, 6)))
    segments = [
        [int(k) for k in rng.integers(-1, 3, rng.integers(0, 4))] + [int(rng.integers(0, 3))] for _ in range(count)
    ]
    points = [distorted(rng, rng.uniform(-10, 50, (1 + sum(max(k, 0) + 1 for k in own), 2))) for own in segments]
    widths = rng.uniform(-1, 8, count) * rng.choice([0, 0.01, 0.1, 1, 1, 1, 20, 1e9, 1e37], count)
    colors = rng.choice([0, 0.3, 0.7, 1], (count, 4)) * rng.choice([1, 1, 1, -2, 50, 1e38], (count, 4))
    return Scene.from_paths(
        points, segments, widths, colors, width, height, paints=rng.choice([0, 0, 1, 2], count).tolist()
    )


def distorted(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Grid points, coincident points, axis-parallel lines, gigantic and tiny figures."""
    match rng.integers(0, 8):
        case 0:
            return np.round(points)
        case 1:
            return np.repeat(points[:1], len(points), 0)
        case 2:
            points[rng.integers(0, len(points), len(points) // 2)] = points[0]
        case 3:
            return points * 10 ** rng.uniform(0, 36.5)
        case 4:
            points[:, rng.integers(0, 2)] = np.round(points[0, 0]) + 0.5 * rng.integers(0, 2)
        case 5:
            return points[:1] + (points - points[:1]) * 10 ** rng.uniform(-9, 0)
    return points


def fuzz(backend: str, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    for number in range(count):
        scene = random_scene(rng)
        convention = "clipdraw" if number % 2 else "opaque"
        if number % 10 == 9:
            values = getattr(scene, PARAMETERS[number % 3]).view(-1)
            values[int(rng.integers(0, len(values)))] = rng.choice([math.nan, math.inf, -math.inf])
            with pytest.raises(EngineError, match="must be finite"):
                rasterize(scene, backend=backend, convention=convention)
            continue
        for name in PARAMETERS:
            getattr(scene, name).requires_grad_()
        picture = rasterize(scene, backend=backend, convention=convention)
        assert torch.isfinite(picture).all(), (seed, number)
        picture.sum().backward()
        for name in PARAMETERS:
            assert torch.isfinite(getattr(scene, name).grad).all(), (seed, number, name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_fuzz(backend):
    fuzz(backend, seed=1000, count=150)


@pytest.mark.torture
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(20))
def test_fuzz_for_long(backend, seed):
    fuzz(backend, seed, count=500)
