"""Filled paths against areas known exactly, on every backend."""

import math

import pytest
import torch

from engines.vector import MOVE, Paint, Scene, load_svg, rasterize

BACKENDS = ("torch", "native")
SQUARE = [[4.25, 4.5], [12.75, 4.5], [12.75, 13.25], [4.25, 13.25]]
HOLE = [[6.5, 6.5], [6.5, 10.5], [10.5, 10.5], [10.5, 6.5]]

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def filled(points, segments, paint=Paint.NONZERO, size=16):
    return Scene.from_paths([points], [segments], [0], [[1, 1, 1, 1]], size, size, paints=[paint])


def coverage(scene, backend):
    return rasterize(scene, backend=backend)[3]


def test_square_covers_exactly_its_pixels(backend):
    found = coverage(filled(SQUARE, [0, 0, 0]), backend)
    across = torch.tensor([max(0, min(x + 1, 12.75) - max(x, 4.25)) for x in range(16)])
    down = torch.tensor([max(0, min(y + 1, 13.25) - max(y, 4.5)) for y in range(16)])
    torch.testing.assert_close(found, down[:, None] * across, rtol=0, atol=1e-5)


@pytest.mark.parametrize("hole", [HOLE, HOLE[::-1]])
def test_rules_differ_in_holes(backend, hole):
    def area(paint):
        return coverage(filled(SQUARE + hole, [0, 0, 0, MOVE, 0, 0, 0], paint), backend).sum().item()

    turns_alike = hole is not HOLE
    assert area(Paint.EVENODD) == pytest.approx(8.5 * 8.75 - 16, abs=1e-3)
    assert area(Paint.NONZERO) == pytest.approx(8.5 * 8.75 - (0 if turns_alike else 16), abs=1e-3)


def test_disc(backend, tmp_path):
    (tmp_path / "disc.svg").write_text('<svg viewBox="0 0 40 40"><circle cx="20.3" cy="19.6" r="15.7"/></svg>')
    found = coverage(load_svg(tmp_path / "disc.svg"), backend)
    assert found.sum().item() == pytest.approx(math.pi * 15.7**2, rel=1e-3)


def test_canvas_cuts_without_a_trace(backend):
    """What lies left, right, above and below still winds around the pixels in view."""
    large = [[-100.0, -70.0], [130.0, -60.0], [120.0, 90.0], [-90.0, 80.0]]
    torch.testing.assert_close(coverage(filled(large, [0, 0, 0]), backend), torch.ones(16, 16))
    left = [[-50.0, 3.0], [-20.0, 3.0], [-20.0, 9.0], [-50.0, 9.0]]
    assert not coverage(filled(left, [0, 0, 0]), backend).any()
    crossing = [[-50.0, 3.0], [8.0, 3.0], [8.0, 9.0], [-50.0, 9.0]]
    assert coverage(filled(crossing, [0, 0, 0]), backend).sum().item() == pytest.approx(48)


def test_gradient_is_the_swept_area(backend, leaf):
    scene = leaf(filled(SQUARE, [0, 0, 0]))
    coverage(scene, backend).sum().backward()
    right = [-8.75 / 2, 8.75 / 2, 8.75 / 2, -8.75 / 2]  # half of a side's length for each of its ends
    down = [-8.5 / 2, -8.5 / 2, 8.5 / 2, 8.5 / 2]
    wanted = torch.tensor(list(zip(right, down, strict=True)))
    torch.testing.assert_close(scene.points.grad, wanted, rtol=1e-3, atol=1e-3)


def test_icon_is_found_again_by_optimisation(backend, leaf, tmp_path):
    """A distorted heart finds back to its picture."""
    heart = "M12 21C5 15 2 12 2 8C2 5 4 3 7 3C9 3 11 4 12 6C13 4 15 3 17 3C20 3 22 5 22 8C22 12 19 15 12 21Z"
    (tmp_path / "heart.svg").write_text(f'<svg viewBox="0 0 24 24"><path d="{heart}" fill="#d22"/></svg>')
    icon = load_svg(tmp_path / "heart.svg")
    target = rasterize(icon, (48, 48), backend=backend)
    noise = torch.randn(icon.points.shape, generator=torch.Generator().manual_seed(1))
    scene = leaf(icon.replace(points=icon.points + noise))
    optimizer = torch.optim.Adam([scene.points], lr=0.2)
    losses = []
    for _ in range(60):
        loss = (rasterize(scene, (48, 48), backend=backend) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
