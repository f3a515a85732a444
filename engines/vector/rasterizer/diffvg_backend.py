"""diffvg itself (BachiLi/diffvg), for comparison, where somebody has built it: `import pydiffvg` must work.

Slower by orders of magnitude, noisier (2 × 2 jittered samples a pixel), its gradients are biased, and it aborts the
whole process when 256 strokes lie over one sample: never chosen by "auto". float32; its device setting is global, so
one run at a time.

What diffvg draws over nothing is E[C / A] and E[A] over its samples, not premultiplied; that is the "clipdraw"
convention. The "opaque" one takes the colours from a drawing on black instead, where E[C] comes out. Two of its
drawings in one graph are known to crash, so each has a graph of its own, built anew for the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engines.vector.scene import MOVE, Layout, Paint

__all__ = ["render"]

SAMPLES, SEED = 2, 0
"""Per pixel and axis, as CLIPDraw draws; the jitter is the same in every call, so that a run repeats."""


def render(
    points: Tensor,
    widths: Tensor,
    colors: Tensor,
    layout: Layout,
    pictures: Tensor,
    canvas: tuple[int, int, int],
    convention: str,
) -> Tensor:
    """As `torch_backend.render`: → premultiplied (pictures, 4, height, width)."""
    images = []
    for number in range(canvas[0]):
        paths = torch.nonzero(pictures == number).squeeze(1).tolist()
        images.append(_picture(points, widths, colors, layout, paths, canvas[1:], convention))
    return torch.stack(images)


def _picture(
    points: Tensor, widths: Tensor, colors: Tensor, layout: Layout, paths: list[int], size: tuple[int, int], convention
) -> Tensor:
    if not paths:
        return points.new_zeros(4, *size)

    def draw(black: bool) -> Tensor:
        return _Drawing.apply(points, widths, colors, lambda *tensors: _draw(*tensors, layout, paths, size, black))

    over_nothing = draw(black=False)
    alpha = over_nothing[3:]
    rgb = draw(black=True)[:3] if convention == "opaque" else alpha * over_nothing[:3]
    return torch.cat([rgb, alpha])


class _Drawing(torch.autograd.Function):
    """`draw(points, widths, colors)` in a graph of its own."""

    @staticmethod
    def forward(ctx, points: Tensor, widths: Tensor, colors: Tensor, draw: Callable[..., Tensor]) -> Tensor:
        ctx.save_for_backward(points, widths, colors)
        ctx.draw = draw
        return draw(points, widths, colors)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        leaves = [tensor.detach().requires_grad_(True) for tensor in ctx.saved_tensors]
        with torch.enable_grad():
            picture = ctx.draw(*leaves)
        return *torch.autograd.grad(picture, leaves, gradient, allow_unused=True), None


def _draw(
    points: Tensor,
    widths: Tensor,
    colors: Tensor,
    layout: Layout,
    paths: list[int],
    size: tuple[int, int],
    black: bool,
) -> Tensor:
    """One diffvg drawing, as it comes: (4, height, width)."""
    import pydiffvg

    pydiffvg.set_use_gpu(points.is_cuda)
    pydiffvg.set_device(points.device)
    height, width = size
    shapes, groups = [], []
    for path in paths:
        paint = layout.paints[path].item()
        pieces = [
            pydiffvg.Path(
                num_control_points=torch.tensor(segments, dtype=torch.int32),
                points=points[first:last].contiguous(),
                stroke_width=widths[path],
                is_closed=paint != Paint.STROKE,
            )
            for segments, first, last in _subpaths(layout, path)
        ]
        color = colors[path].contiguous()
        groups.append(
            pydiffvg.ShapeGroup(
                shape_ids=torch.arange(len(shapes), len(shapes) + len(pieces), dtype=torch.int32),
                fill_color=None if paint == Paint.STROKE else color,
                stroke_color=color if paint == Paint.STROKE else None,
                use_even_odd_rule=paint == Paint.EVENODD,
            )
        )
        shapes += pieces
    scene = pydiffvg.RenderFunction.serialize_scene(width, height, shapes, groups)
    ground = points.new_tensor([0.0, 0, 0, 1]).expand(height, width, 4).contiguous() if black else None
    picture = pydiffvg.RenderFunction.apply(width, height, SAMPLES, SAMPLES, SEED, ground, *scene)
    return picture.permute(2, 0, 1).to(points)


def _subpaths(layout: Layout, path: int) -> list[tuple[list[int], int, int]]:
    """(segments, first point, last point + 1) of each; those of a fill are closed by a line to their beginning."""
    closing = [] if layout.paints[path] == Paint.STROKE else [0]
    segments = layout.segments[layout.segment_offsets[path] : layout.segment_offsets[path + 1]].tolist()
    first = last = layout.point_offsets[path].item()
    found, current = [], []
    for segment in segments:
        if segment == MOVE:
            if current:
                found.append((current + closing, first, last + 1))
            first, last, current = last + 1, last + 1, []
        else:
            last += segment + 1
            current.append(segment)
    if current:
        found.append((current + closing, first, last + 1))
    return found
