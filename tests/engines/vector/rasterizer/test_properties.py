"""The native backend against the torch backend on random paths whose coordinates often lie on borders and centres.

One small path per picture, so that no error hides under another path. Strokes are compared with float64: see `smooth`.
`make torture` draws 24,000 fills and 6,000 strokes.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engines.vector import MOVE, Paint, Scene, rasterize

SIZE, BATCH = 24, 100
PARAMETERS = ("points", "widths", "colors")
GRIDS = (1, 2, 4, 0)  # coordinates are whole numbers, halves, quarters, or any floats
FILLS, STROKES = (Paint.NONZERO, Paint.EVENODD), (Paint.STROKE,)
MOVE_BY = 1e-4  # px


def random_path(rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """Points and segments: open, closed and with several subpaths, with axis-parallel edges and repeated points."""
    grid = rng.choice(GRIDS)
    lines_only = rng.random() < 0.5
    segments = [int(k) for k in rng.integers(0, 1 if lines_only else 3, rng.integers(1, 6))]
    if rng.random() < 0.25:
        segments += [MOVE, 0, 0]
    extent = rng.choice([4, 12, 20])
    low = rng.uniform(-4, SIZE + 4 - extent)
    points = rng.uniform(low, low + extent, (1 + sum(max(k, 0) + 1 for k in segments), 2))
    points = np.round(points * grid) / grid if grid else points
    if rng.random() < 0.6:  # axis-parallel edges
        for i in range(1, len(points)):
            points[i, i % 2] = points[i - 1, i % 2]
    if rng.random() < 0.2:
        points[-1] = points[0]
    if rng.random() < 0.15:
        points[rng.integers(1, len(points))] = points[0]
    if rng.random() < 0.2:  # along the canvas' border
        points = np.where(np.abs(points - low) < extent / 4, rng.choice([0, SIZE]), points)
    return points, segments


def random_scenes(seed: int, paints: tuple[Paint, ...]) -> list[Scene]:
    rng = np.random.default_rng(seed)
    scenes = []
    for _ in range(BATCH):
        points, segments = random_path(rng)
        width = rng.choice([0.5, 1, 1.25, 2, rng.uniform(0.1, 5)]) if paints == STROKES else 0
        paint = Paint(int(rng.choice(paints)))
        colors = rng.uniform(0.1, 1, (1, 4))
        scenes.append(Scene.from_paths([points], [segments], [width], colors, SIZE, SIZE, paints=[paint]))
    return scenes


def exact(scenes: list[Scene]) -> list[Scene]:
    return [scene.detach().to(dtype=torch.float64) for scene in scenes]


def smooth(scenes: list[Scene]) -> torch.Tensor:
    """(B, SIZE, SIZE) mask of pixels whose coverage has a derivative.

    It has none where two points of a stroke are nearest to a pixel's centre, and where an edge along an axis lies on a
    pixel border. Found in float64, by moving all parameters forth and back in random directions: at a kink, the second
    difference is as large as the step; elsewhere it is as small as its square.
    """
    scenes, generator = exact(scenes), torch.Generator().manual_seed(0)
    here = rasterize(scenes, backend="torch")[:, 3]
    mask = torch.ones_like(here, dtype=torch.bool)
    for _ in range(6):
        points = [MOVE_BY * torch.randn(one.points.shape, generator=generator, dtype=torch.float64) for one in scenes]
        widths = [MOVE_BY * torch.randn(1, generator=generator, dtype=torch.float64) for _ in scenes]
        forth, back = (
            rasterize(
                [
                    one.replace(points=one.points + sign * p, widths=one.widths + sign * w)
                    for one, p, w in zip(scenes, points, widths, strict=True)
                ],
                backend="torch",
            )[:, 3]
            for sign in (1, -1)
        )
        mask &= ((forth + back - 2 * here).abs() < 0.02 * MOVE_BY) & ((forth - here).abs() < 20 * MOVE_BY)
    return mask


def draw(scenes: list[Scene], cotangents: torch.Tensor, backend: str) -> tuple[torch.Tensor, dict[str, list]]:
    """Pictures (B, 4, SIZE, SIZE), and per parameter the gradients of every scene."""
    leaves = [scene.replace(**{n: getattr(scene, n).clone().requires_grad_() for n in PARAMETERS}) for scene in scenes]
    pictures = rasterize(leaves, backend=backend)
    pictures.backward(cotangents)
    return pictures.detach(), {name: [getattr(leaf, name).grad for leaf in leaves] for name in PARAMETERS}


def largest_differences(seed: int, paints: tuple[Paint, ...]) -> dict[str, float]:
    """Between the backends over one batch: of the pictures, and of each gradient relative to 1 + its norm."""
    scenes = random_scenes(seed, paints)
    cotangents = torch.randn(BATCH, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    mask = smooth(scenes)[:, None] if paints == STROKES else torch.ones(BATCH, 1, 1, 1, dtype=torch.bool)
    cotangents = cotangents * mask
    native, found = draw(scenes, cotangents, "native")
    if paints == STROKES:
        scenes, cotangents = exact(scenes), cotangents.double()
    torch_pictures, wanted = draw(scenes, cotangents, "torch")
    differences = {"pictures": ((native - torch_pictures) * mask).abs().max().item()}
    for name in PARAMETERS:
        pairs = zip(found[name], wanted[name], strict=True)
        differences[name] = max(((a - b).norm() / (1 + b.norm())).item() for a, b in pairs)
    return differences


def check(seed: int, paints: tuple[Paint, ...]) -> None:
    found = largest_differences(seed, paints)
    bounds = {"pictures": 2e-3, "points": 2e-2, "widths": 1e-2, "colors": 1e-3}
    assert all(found[name] < bound for name, bound in bounds.items()), (seed, found)


@pytest.mark.parametrize("paints", [FILLS, STROKES], ids=["fills", "strokes"])
@pytest.mark.parametrize("seed", range(3))
def test_native_agrees_with_torch(seed, paints):
    check(seed, paints)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(1000, 1240))
def test_native_agrees_with_torch_on_many_fills(seed):
    check(seed, FILLS)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(2000, 2060))
def test_native_agrees_with_torch_on_many_strokes(seed):
    check(seed, STROKES)
