import pytest
import torch

from engines.vector import Paint, Scene, composite, rasterize
from engines.vector.rasterizer import torch_backend

CONVENTIONS = ("opaque", "clipdraw")

# Kinks, where the derivative jumps, are pixels as far from two parts of a stroke and pixel corners on an edge;
# central differences of 1e-6 px meet none of them here.
STROKES = (
    ([[3.1, 4.2], [17.3, 6.4]], [0], 2.3),
    ([[2.2, 15.1], [9.3, 3.2], [18.4, 16.3]], [1], 0.4),
    ([[4.3, 9.7], [8.1, 15.2], [12.6, 2.1], [16.8, 11.9]], [2], 1.6),
)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_gradcheck_away_from_kinks(convention):
    points, segments, widths = zip(*STROKES, strict=True)
    colors = [[0.9, 0.2, 0.1, 0.8], [0.1, 0.7, 0.3, 0.5], [0.2, 0.3, 0.8, 0.9]]
    scene = Scene.from_paths(points, segments, widths, colors, 20, 20).to(dtype=torch.float64)

    cotangents = torch.randn(12, 4, 20, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def projections(points, widths, colors):
        changed = scene.replace(points=points, widths=widths, colors=colors)
        return (cotangents * rasterize(changed, backend="torch", convention=convention)).sum((1, 2, 3))

    inputs = [tensor.clone().requires_grad_() for tensor in (scene.points, scene.widths, scene.colors)]
    assert torch.autograd.gradcheck(projections, inputs, eps=1e-6, atol=1e-5)


def test_gradcheck_of_fills():
    outline = [[9.3, 7.1], [9.3, 11.2], [-2.1, 11.4], [2.2, 7.3], [2.2, 3.1], [9.3, 2.2]]
    scene = Scene.from_paths([outline], [[2, 1]], [0], [[1, 0, 0, 0.7]], 10, 9, paints=[Paint.NONZERO])
    scene = scene.to(dtype=torch.float64)
    points = scene.points.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: rasterize(scene.replace(points=p)), points, eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_bands_change_nothing(random_scene, leaf, monkeypatch, convention):
    """A drawing too large for memory is drawn in bands of rows, recomputed in the backward pass."""
    results = []
    for budget in (torch_backend.BUDGET, 2000):
        monkeypatch.setattr(torch_backend, "BUDGET", budget)
        scene = leaf(random_scene(5, count=12, size=40))
        picture = rasterize(scene, backend="torch", convention=convention)
        picture.square().sum().backward()
        results.append([picture.detach(), scene.points.grad, scene.widths.grad, scene.colors.grad])
    for whole, banded in zip(*results, strict=True):
        torch.testing.assert_close(banded, whole, rtol=1e-5, atol=1e-5)


def test_loss_falls_on_toy(random_scene, leaf):
    """A few gradient steps draw the strokes towards a target picture."""
    with torch.no_grad():
        target = composite(rasterize(random_scene(8, count=3, size=24), backend="torch"), (1, 1, 1))
    scene = leaf(random_scene(9, count=6, size=24))
    optimizer = torch.optim.Adam(
        [{"params": [scene.points], "lr": 0.5}, {"params": [scene.widths, scene.colors], "lr": 0.05}]
    )
    losses = []
    for _ in range(60):
        loss = (composite(rasterize(scene, backend="torch"), (1, 1, 1)) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_each_picture_may_have_a_background_of_its_own():
    grounds = torch.tensor([[0.25, 0.5, 1], [1, 0, 0]])
    assert torch.equal(composite(torch.zeros(2, 4, 3, 5), grounds), grounds[:, :, None, None].expand(2, 3, 3, 5))
