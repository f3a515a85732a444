"""The Triton kernels, in Triton's interpreter where there is no GPU. Collected where triton is installed (conftest)."""

import os

os.environ.setdefault("TRITON_INTERPRET", "1")  # before the kernels are imported

import pytest
import torch
from torch.nn.functional import cosine_similarity

from engines.base import EngineError
from engines.vector import Paint, Scene, rasterize
from engines.vector.rasterizer import choice, triton_backend

CONVENTIONS = ("opaque", "clipdraw")
PARAMETERS = ("points", "widths", "colors")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def draw(scene, leaf, backend, convention):
    scene = leaf(scene.to(DEVICE))
    picture = rasterize(scene, backend=backend, convention=convention)
    cotangent = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    (picture * cotangent).sum().backward()
    return [picture.detach(), *(getattr(scene, name).grad for name in PARAMETERS)]


def assert_agree(scene, leaf, convention):
    found, wanted = (draw(scene, leaf, backend, convention) for backend in ("triton", "torch"))
    assert -10 * torch.log10((found[0] - wanted[0]).square().mean()) > 60
    for one, other in zip(found[1:], wanted[1:], strict=True):
        assert cosine_similarity(one.double().flatten(), other.double().flatten(), dim=0) > 0.9999


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("name", ["single_cubic_64", "mixed8_64"])
def test_agrees_with_torch_on_reference_scenes(name, load_reference, leaf, convention):
    assert_agree(load_reference(name).scene, leaf, convention)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_agrees_with_torch_on_fills(leaf, monkeypatch, convention):
    monkeypatch.setattr(triton_backend, "FILL_TOLERANCE", 0.05)  # fewer chords: the interpreter is slow
    points = [
        [[3.2, 4.1], [27.3, 2.2], [24.1, 18.4], [9.7, 15.2], [14.2, 12.3], [16.1, 7.4], [11.3, 6.2]],
        [[-9.0, 3.3], [12.4, 20.2], [18.3, -4.0], [6.1, 17.5]],
        [[2.0, 3.0], [22.0, 13.0]],
    ]
    segments = [[0, 0, 0, -1, 0, 0], [2], [0]]
    colors = [[0.9, 0.2, 0.1, 0.7], [0.1, 0.5, 0.8, 0.6], [0, 0.8, 0.2, 0.9]]
    paints = [Paint.NONZERO, Paint.EVENODD, Paint.STROKE]
    assert_agree(Scene.from_paths(points, segments, [0, 0, 1.5], colors, 28, 19, paints=paints), leaf, convention)


def test_batches_and_empty_scenes(random_scene):
    scenes = [random_scene(1, count=2, size=18), random_scene(2, count=0, size=18), random_scene(3, count=3, size=18)]
    scenes = [scene.to(DEVICE) for scene in scenes]
    wanted = rasterize(scenes, backend="torch")
    torch.testing.assert_close(rasterize(scenes, backend="triton"), wanted, rtol=1e-3, atol=1e-3)


def test_seed_repeats_bit_for_bit(random_scene, leaf):
    results = [draw(random_scene(4, count=3, size=20), leaf, "triton", "opaque") for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_float64_is_refused(random_scene):
    with pytest.raises(EngineError, match="float32 on CUDA"):
        rasterize(random_scene(0, dtype=torch.float64), backend="triton")


def test_auto_on_cuda_is_torch_until_triton_has_been_proven_on_a_gpu():
    assert choice.resolve_backend("cuda") == choice.serving_backend("cuda") == "torch"
