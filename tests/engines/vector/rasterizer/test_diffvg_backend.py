"""diffvg is not on the package index, so a stand-in with its interface is imported in its place: it takes apart what it
is given, as strictly as the original, and draws it with our own rasteriser, un-premultiplied as diffvg answers."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch

from engines.base import EngineError
from engines.vector import MOVE, Paint, Scene, rasterize

SCENE = {
    "points": [
        [[4.0, 4], [20, 8], [12, 28]],
        [[6.0, 30], [12, 2], [20, 40], [34, 12]],
        [[2.0, 2], [30, 2], [30, 30], [2, 30], [8, 8], [24, 8], [24, 24], [8, 24]],
        [[1.0, 20], [10, 20], [20, 35], [30, 20], [38, 26]],
        [[10.0, 10], [32, 14], [18, 34]],
    ],
    "segments": [[0, 0], [2], [0, 0, 0, MOVE, 0, 0, 0], [0, MOVE, 1], [1]],
    "paints": [Paint.STROKE, Paint.STROKE, Paint.EVENODD, Paint.STROKE, Paint.NONZERO],
}


def leaves():
    torch.manual_seed(0)
    points = torch.tensor([point for path in SCENE["points"] for point in path], requires_grad=True)
    widths = torch.tensor([1.5, 3.0, 1.0, 2.0, 1.0], requires_grad=True)
    return points, widths, torch.rand(5, 4).mul(0.8).add(0.1).requires_grad_(True)


def make_scene(points, widths, colors):
    return Scene.from_paths(points, SCENE["segments"], widths, colors, 40, 36, paints=SCENE["paints"])


class Path:
    def __init__(self, num_control_points, points, is_closed, stroke_width):
        assert num_control_points.dtype == torch.int32
        assert points.dtype == torch.float32
        assert points.is_contiguous()
        assert stroke_width.ndim == 0
        assert len(points) == int((num_control_points + 1).sum()) + (not is_closed)
        self.segments, self.points = num_control_points.tolist(), points
        self.is_closed, self.stroke_width = is_closed, stroke_width


class ShapeGroup:
    def __init__(self, shape_ids, fill_color, use_even_odd_rule=True, stroke_color=None):
        assert shape_ids.dtype == torch.int32
        assert (fill_color is None) != (stroke_color is None)
        self.shapes, self.is_filled, self.even_odd = shape_ids.tolist(), fill_color is not None, use_even_odd_rule
        self.color = fill_color if self.is_filled else stroke_color


class RenderFunction:
    @staticmethod
    def serialize_scene(width, height, shapes, groups):
        return [width, height, shapes, groups]

    @staticmethod
    def apply(width, height, across, down, seed, background, *scene):
        assert (width, height) == scene[:2]
        assert (across, down, seed) == (2, 2, 0)
        points, segments, widths, colors, paints = [], [], [], [], []
        for group in scene[3]:
            pieces = [scene[2][number] for number in group.shapes]
            assert all(piece.is_closed == group.is_filled for piece in pieces)
            chain = []
            for piece in pieces:
                own = piece.segments[:-1] if piece.is_closed else piece.segments
                chain += ([MOVE] if chain else []) + own
            points += [piece.points for piece in pieces]
            segments.append(chain)
            widths.append(pieces[0].stroke_width)
            colors.append(group.color)
            filled = Paint.EVENODD if group.even_odd else Paint.NONZERO
            paints.append(filled if group.is_filled else Paint.STROKE)
        packed = Scene.from_paths(
            torch.cat(points), segments, torch.stack(widths), torch.stack(colors), width, height, paints=paints
        )
        if background is not None:
            assert background.shape == (height, width, 4)
            rgb = rasterize(packed, backend="torch")[:3]
            return torch.cat([rgb, torch.ones_like(rgb[:1])]).permute(1, 2, 0)
        rgba = rasterize(packed, backend="torch", convention="clipdraw")
        return torch.cat([rgba[:3] / rgba[3:].clamp_min(1e-6), rgba[3:]]).permute(1, 2, 0)


@pytest.fixture
def diffvg(monkeypatch):
    module = ModuleType("pydiffvg")
    module.__spec__ = ModuleSpec("pydiffvg", None)
    module.Path, module.ShapeGroup, module.RenderFunction = Path, ShapeGroup, RenderFunction
    module.set_use_gpu, module.set_device = (lambda value: None), (lambda value: None)
    monkeypatch.setitem(sys.modules, "pydiffvg", module)


@pytest.mark.parametrize("convention", ["opaque", "clipdraw"])
def test_a_scene_reaches_diffvg_whole_and_comes_back_premultiplied(diffvg, convention):
    cotangent = torch.rand(4, 36, 40, generator=torch.Generator().manual_seed(1))
    pictures, gradients = [], []
    for backend in ("torch", "diffvg"):
        tensors = leaves()
        picture = rasterize(make_scene(*tensors), backend=backend, convention=convention)
        picture.backward(cotangent)
        pictures.append(picture.detach())
        gradients.append([tensor.grad for tensor in tensors])
    assert torch.allclose(pictures[0], pictures[1], atol=1e-4)
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.9999


def test_scenes_are_drawn_one_by_one_at_the_wanted_size(diffvg):
    scenes = [make_scene(*leaves()), make_scene(*leaves()).select(torch.tensor([True, False, True, False, False]))]
    both = rasterize(scenes, (18, 20), backend="diffvg").detach()
    assert both.shape == (2, 4, 18, 20)
    assert torch.allclose(both, rasterize(scenes, (18, 20), backend="torch"), atol=1e-4)


def test_nothing_drawn_is_transparent(diffvg):
    empty = make_scene(*leaves()).select(torch.zeros(5, dtype=torch.bool))
    assert not rasterize(empty, backend="diffvg").any()


def test_who_has_no_diffvg_is_told(monkeypatch):
    monkeypatch.delitem(sys.modules, "pydiffvg", raising=False)
    with pytest.raises(EngineError, match="needs pydiffvg"):
        rasterize(make_scene(*leaves()), backend="diffvg")
