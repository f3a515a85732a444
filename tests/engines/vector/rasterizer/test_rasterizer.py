"""What every backend owes: parity with converged diffvg, true gradients, the same result every time."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from engines.base import EngineError
from engines.vector import Scene, composite, rasterize

BACKENDS = ("torch", "native")
CONVENTIONS = ("opaque", "clipdraw")
PARAMETERS = ("points", "widths", "colors")
WHITE = (1, 1, 1)

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def psnr(picture, wanted):
    return -10 * math.log10((picture - wanted).square().mean().item())


def cosine(a, b):
    return cosine_similarity(a.double().flatten(), b.double().flatten(), dim=0).item()


def one_path(points, segments, width=3.0, color=(0.0, 0.0, 0.0, 1.0), size=32, dtype=torch.float32):
    return Scene.from_paths([points], [segments], [width], [color], size, size).to(dtype=dtype)


def ink(scene, **options):
    return rasterize(scene, **options)[3].sum().item()


@pytest.mark.parametrize(("convention", "floor"), [("opaque", 42), ("clipdraw", 39)])
def test_matches_reference_pictures(reference, backend, convention, floor):
    rgba = rasterize(reference.scene, backend=backend, convention=convention)
    assert rgba.shape == (4, reference.scene.height, reference.scene.width)
    assert psnr(composite(rgba, WHITE), reference.picture(convention)) >= floor


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_matches_reference_gradients(reference, leaf, backend, convention):
    scene = leaf(reference.scene)
    picture = composite(rasterize(scene, backend=backend, convention=convention), WHITE)
    (picture * reference.cotangent()).sum().backward()
    assert cosine(scene.colors.grad, reference.gradient(convention, "colors", "grad")) >= 0.999
    for name in ("points", "widths"):
        true = reference.gradient(convention, name)
        if true is not None:
            assert cosine(getattr(scene, name).grad, true) >= 0.995


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_seed_repeats_bit_for_bit(random_scene, leaf, backend, convention):
    results = []
    for _ in range(2):
        scene = leaf(random_scene(1, count=40, size=64))
        picture = rasterize(scene, backend=backend, convention=convention)
        picture.square().sum().backward()
        results.append([picture.detach(), *(getattr(scene, name).grad for name in PARAMETERS)])
    assert all(torch.equal(first, second) for first, second in zip(*results, strict=True))


def test_size_renders_the_same_drawing_larger(random_scene, leaf, backend):
    scene, twice = leaf(random_scene(2)), leaf(random_scene(2).scaled(2))
    picture = rasterize(scene, (48, 48), backend=backend)
    torch.testing.assert_close(picture, rasterize(twice, backend=backend))
    picture.square().sum().backward()
    rasterize(twice, backend=backend).square().sum().backward()
    torch.testing.assert_close(scene.points.grad, 2 * twice.points.grad)


def test_batch_equals_single_scenes(random_scene, leaf, backend):
    scenes = [leaf(random_scene(seed, count)) for seed, count in ((3, 5), (4, 0), (5, 9))]
    batch = rasterize(scenes, backend=backend)
    assert batch.shape == (3, 4, 24, 24)
    batch.square().sum().backward()
    for scene, picture in zip(scenes, batch, strict=True):
        alone = leaf(scene)
        single = rasterize(alone, backend=backend)
        single.square().sum().backward()
        torch.testing.assert_close(picture, single)
        torch.testing.assert_close(scene.points.grad, alone.points.grad)


def test_no_strokes_draw_nothing(random_scene, backend):
    picture = rasterize(random_scene(0, count=0), (5, 7), backend=backend)
    assert picture.shape == (4, 5, 7)
    assert not picture.any()
    assert composite(picture, (0.25, 0.5, 1)).flatten(1).unique(dim=1).flatten().tolist() == [0.25, 0.5, 1]


def test_round_caps_joins_and_dots(backend):
    dot = one_path([[16, 16], [16, 16]], [0], 5.0)
    assert ink(dot, backend=backend) == pytest.approx(math.pi * 25, rel=0.005)
    line = one_path([[8, 16], [24, 16]], [0], 3.0)
    assert ink(line, backend=backend) == pytest.approx(16 * 6 + math.pi * 9, rel=0.005)
    corner = one_path([[8, 8], [24, 8], [24, 24]], [0, 0], 3.0)
    assert ink(corner, backend=backend) == pytest.approx(2 * 96 - 9 + 1.25 * math.pi * 9, rel=0.005)


def test_straight_even_cubic_keeps_its_body(backend):
    even = one_path([[4, 16], [12, 16], [20, 16], [28, 16]], [2], 2.0)
    assert ink(even, backend=backend) == pytest.approx(24 * 4 + math.pi * 4, rel=0.005)


def test_thin_lines_fade_by_area(backend):
    for width in (0.05, 0.25, 0.5):
        line = one_path([[-9, 10], [41, 23]], [0], width)
        length = 32 * math.hypot(50, 13) / 50
        assert ink(line, backend=backend) == pytest.approx(2 * width * length, rel=0.01)


def test_crossing_itself_covers_once(backend):
    loop = [[4, 4], [28, 28], [28, 4], [4, 28]]
    picture = rasterize(one_path(loop, [0, 0, 0], 2.0, (1, 1, 1, 0.5)), backend=backend)
    assert picture[3].max().item() == pytest.approx(0.5)


def test_painters_order(backend):
    points = [[[-9.0, 16.0], [41.0, 16.0]]] * 2
    scene = Scene.from_paths(points, [[0]] * 2, [20, 20], [[1, 0, 0, 1], [0, 0, 1, 0.25]], 32, 32)
    assert rasterize(scene, backend=backend)[:, 16, 16].tolist() == [0.75, 0, 0.25, 1]


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(
    ("points", "width", "color"),
    [
        ([[5, 5], [5, 5], [5, 5], [5, 5]], 2, (1, 0, 0, 1)),  # a point
        ([[5, 5], [9, 9], [5, 5], [9, 9]], 2, (1, 0, 0, 1)),  # back and forth on a line
        ([[0, 0], [32, 0], [0, 0], [32, 0]], 0, (1, 0, 0, 1)),  # no width
        ([[0, 0], [32, 9], [5, 8], [32, 0]], -3, (1, 0, 0, 1)),  # negative width
        ([[0, 0], [32, 9], [5, 8], [32, 0]], 1e30, (1, 0, 0, 1)),  # wider than everything
        ([[0, 0], [32, 9], [5, 8], [32, 0]], 2, (1, 0, 0, 0)),  # invisible
        ([[0, 0], [32, 9], [5, 8], [32, 0]], 2, (7, -3, 0, 1.5)),  # beyond colour
        ([[-1e38, 3e38], [1e38, -1e38], [1e30, 1], [0, 0]], 2, (1, 0, 0, 1)),  # gigantic
        ([[900, 900], [950, 900], [900, 950], [960, 960]], 2, (1, 0, 0, 1)),  # elsewhere
        ([[16.5, 16.5], [16.5, 16.5], [16.5, 16.5], [16.5, 16.5]], 0.3, (1, 0, 0, 1)),  # a pixel's very centre
    ],
)
def test_degenerate_strokes_stay_finite(leaf, backend, convention, points, width, color):
    scene = leaf(one_path(points, [2], width, color))
    picture = rasterize(scene, backend=backend, convention=convention)
    picture.square().sum().backward()
    assert torch.isfinite(picture).all()
    assert all(torch.isfinite(getattr(scene, name).grad).all() for name in PARAMETERS)


def test_many_overlapping_strokes(backend):
    count = 400  # diffvg fails beyond 255 under one sample
    scene = Scene.from_paths(
        [[[0, 8], [16, 8]]] * count, [[0]] * count, [20] * count, [[1, 1, 1, 0.01]] * count, 16, 16
    )
    assert rasterize(scene, backend=backend)[3, 8, 8].item() == pytest.approx(1 - 0.99**count, rel=1e-4)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(random_scene, backend, name, value):
    scene = random_scene(0)
    getattr(scene, name).view(-1)[3] = value
    with pytest.raises(EngineError, match=f"{name} must be finite"):
        rasterize(scene, backend=backend)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 10)}, "10 × 0 pixels"),
        ({"size": (100_000, 100_000)}, "cannot be drawn"),
        ({"convention": "additive"}, "convention 'additive'"),
        ({"backend": "pencil"}, "backend 'pencil'"),
        ({"size": (math.nan, 3)}, "cannot be drawn"),
    ],
)
def test_exceptions(random_scene, backend, options, message):
    with pytest.raises(EngineError, match=message):
        rasterize(random_scene(0), **{"backend": backend} | options)
