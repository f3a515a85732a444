"""Fills whose edges lie on pixel borders, centres and the canvas' border: exact areas and gradients."""

import pytest
import torch

from engines.vector import MOVE, Paint, Scene, load_svg, rasterize

BACKENDS = ("torch", "native")
PAINTS = (Paint.NONZERO, Paint.EVENODD)
SIZE = 24

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def rectangle(x0, y0, x1, y1):
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


# name: points, segments, area under the non-zero rule, area under the even-odd rule
SHAPES = {
    "whole pixels": (rectangle(2, 3, 20, 17), [0] * 3, 252, 252),
    "anticlockwise": (rectangle(2, 3, 20, 17)[::-1], [0] * 3, 252, 252),
    "half pixels": (rectangle(2.5, 3.5, 20.5, 17.5), [0] * 3, 252, 252),
    "one pixel": (rectangle(7, 7, 8, 8), [0] * 3, 1, 1),
    "within one pixel": (rectangle(7.25, 7, 7.75, 7.5), [0] * 3, 0.25, 0.25),
    "canvas": (rectangle(0, 0, SIZE, SIZE), [0] * 3, 576, 576),
    "beyond the canvas": (rectangle(-5, -3, SIZE + 4, SIZE + 6), [0] * 3, 576, 576),
    "left border": (rectangle(-6, 4, 3, 9), [0] * 3, 15, 15),
    "right border": (rectangle(20, 4, SIZE, 9), [0] * 3, 20, 20),
    "beside the canvas": (rectangle(SIZE, 4, SIZE + 3, 9), [0] * 3, 0, 0),
    "across bands": (rectangle(4, 16, 9, 17), [0] * 3, 5, 5),
    "closed": ([*rectangle(2, 3, 20, 17), [2, 3]], [0] * 4, 252, 252),
    "repeated points": ([[2, 3], [2, 3], [20, 3], [20, 17], [20, 17], [2, 17]], [0] * 5, 252, 252),
    "L": ([[1, 1], [9, 1], [9, 11], [19, 11], [19, 20], [1, 20]], [0] * 5, 242, 242),
    "step at a half pixel": ([[1, 1], [9.5, 1], [9.5, 11], [19, 11], [19, 20], [1, 20]], [0] * 5, 247, 247),
    "diamond": ([[10, 2], [18, 10], [10, 18], [2, 10]], [0] * 3, 128, 128),
    "straight curves": ([[2, 2], [2, 4], [2, 9], [2, 14], [8, 14], [14, 14]], [2, 1], 72, 72),
    "overlapping": (rectangle(1, 1, 11, 11) + rectangle(6, 6, 16, 16), [0, 0, 0, MOVE, 0, 0, 0], 175, 150),
    "no area": ([[3, 3], [15, 3], [3, 3]], [0, 0], 0, 0),
}
cases = pytest.mark.parametrize("name", SHAPES)
paints = pytest.mark.parametrize("paint", PAINTS)


def scene_of(name, paint):
    points, segments, *_ = SHAPES[name]
    points = torch.tensor(points, dtype=torch.float32)
    return Scene.from_paths([points], [segments], [0], [[1, 1, 1, 1]], SIZE, SIZE, paints=[paint])


def test_svg_rectangle_on_whole_pixels(backend, tmp_path):
    path = tmp_path / "rect.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100">'
        '<rect x="10" y="10" width="80" height="80"/></svg>'
    )
    expected = torch.zeros(100, 100)
    expected[10:90, 10:90] = 1
    torch.testing.assert_close(rasterize(load_svg(path), backend=backend)[3], expected, rtol=0, atol=1e-5)


@cases
@paints
def test_area(backend, name, paint):
    area = SHAPES[name][2 if paint == Paint.NONZERO else 3]
    assert rasterize(scene_of(name, paint), backend=backend)[3].sum().item() == pytest.approx(area, abs=1e-3)


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "no area"])  # coinciding edges count one by one
@paints
def test_gradient_is_the_mean_of_both_sides(backend, leaf, name, paint):
    """Central differences average the derivatives on the two sides of a kink."""
    cotangent = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    scene = leaf(scene_of(name, paint))
    (rasterize(scene, backend=backend)[3] * cotangent).sum().backward()

    exact, step = scene.detach().to(dtype=torch.float64), 1e-3
    moves = step * torch.eye(exact.points.numel(), dtype=torch.float64).view(-1, *exact.points.shape)
    moved = [exact.replace(points=exact.points + sign * move) for move in moves for sign in (1, -1)]
    losses = (rasterize(moved, backend="torch")[:, 3] * cotangent).sum((1, 2))
    expected = ((losses[0::2] - losses[1::2]) / (2 * step)).view_as(scene.points)
    torch.testing.assert_close(scene.points.grad.double(), expected, rtol=1e-3, atol=4e-3)


def test_rectangle_on_whole_pixels_can_move(backend, leaf):
    """Its outer pixels are uncovered, and still pull at its edges."""
    scene = leaf(scene_of("whole pixels", Paint.NONZERO))
    target = rasterize(scene_of("half pixels", Paint.NONZERO), backend=backend)
    optimizer = torch.optim.Adam([scene.points], lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        (rasterize(scene, backend=backend) - target).square().sum().backward()
        optimizer.step()
    assert (scene.points - scene_of("half pixels", Paint.NONZERO).points).abs().max() < 0.1
