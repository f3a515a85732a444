import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from engines.base import EngineError
from engines.vector import Paint, Scene, rasterize
from engines.vector.rasterizer import native_backend

CONVENTIONS = ("opaque", "clipdraw")
PARAMETERS = ("points", "widths", "colors")


def draw(scene, leaf, backend, convention="opaque"):
    """Picture and gradients under a fixed random cotangent."""
    scene = leaf(scene)
    picture = rasterize(scene, backend=backend, convention=convention)
    cotangent = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    (picture * cotangent).sum().backward()
    return [picture.detach(), *(getattr(scene, name).grad for name in PARAMETERS)]


def assert_agree(found, wanted):
    assert -10 * torch.log10((found[0] - wanted[0]).square().mean()) > 60
    for one, other in zip(found[1:], wanted[1:], strict=True):
        assert cosine_similarity(one.double().flatten(), other.double().flatten(), dim=0) > 0.9999


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_agrees_with_torch_on_reference_scenes(reference, leaf, convention):
    assert_agree(*(draw(reference.scene, leaf, backend, convention) for backend in ("native", "torch")))


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_torch_on_fills(filled_scene, leaf, convention, seed):
    assert_agree(*(draw(filled_scene(seed), leaf, backend, convention) for backend in ("native", "torch")))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_threads_change_nothing(filled_scene, leaf, monkeypatch, convention):
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        results.append(draw(filled_scene(7, count=30), leaf, "native", convention))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_drawing_again_instead_of_recording_changes_nothing(filled_scene, leaf, monkeypatch, convention):
    recorded = draw(filled_scene(3), leaf, "native", convention)
    monkeypatch.setattr(native_backend, "MAX_RECORDS", 0)
    again = draw(filled_scene(3), leaf, "native", convention)
    assert all(torch.equal(one, other) for one, other in zip(recorded, again, strict=True))


def test_backward_may_run_twice(random_scene, leaf):
    scene = leaf(random_scene(1))
    loss = rasterize(scene, backend="native").square().sum()
    loss.backward(retain_graph=True)
    once = scene.points.grad.clone()
    loss.backward()
    assert torch.equal(scene.points.grad, 2 * once)


def test_buffers_are_lent_again(random_scene, leaf):
    """A second run through the same graph is refused before its records could be someone else's."""
    scene = leaf(random_scene(1))
    loss = rasterize(scene, backend="native").square().sum()
    loss.backward()
    store = native_backend._Buffers._store
    assert len(store) > 0
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_records_grow_beyond_the_estimate(leaf):
    """A stroke to and fro over the same pixels has little area for its length, a fan of them much for its chords'."""
    angles = torch.linspace(0.03, 6.03, 60).tolist()  # none along a row of pixels, where ties are anybody's
    fan = [[[32.0, 32.0], [32 + 40 * math.cos(angle), 32 + 40 * math.sin(angle)]] for angle in angles]
    scene = Scene.from_paths(fan, [[0]] * 60, [9.0] * 60, [[0.5, 0.2, 0.1, 0.5]] * 60, 64, 64)
    assert_agree(*(draw(scene, leaf, backend) for backend in ("native", "torch")))


def test_parameters_beyond_the_limits_have_no_gradient(leaf):
    points = [[[1.0, 1.0], [2e6, 9.0]], [[1.0, 1.0], [9.0, 9.0]]]
    scene = leaf(
        Scene.from_paths(points, [[0], [0]], [2.0, -1.0], [[1, 0, 0, 1]] * 2, 16, 16, paints=[Paint.STROKE] * 2)
    )
    rasterize(scene, backend="native").sum().backward()
    assert scene.points.grad[1, 0] == 0
    assert scene.widths.grad[1] == 0


def test_float64_is_refused(random_scene):
    with pytest.raises(EngineError, match="float32"):
        rasterize(random_scene(0, dtype=torch.float64), backend="native")
