"""The rasteriser as Triton kernels, for CUDA: one program per tile of 16 × 16 pixels, float32.

The paths that each tile meets are listed on the GPU; a program blends them in registers and records what lay behind
each path. The backward pass replays the records and leaves partial gradients per tile and path, which are summed in a
fixed order: no atomics, so results repeat bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.vector.rasterizer import triton_kernels as kernels
from engines.vector.rasterizer.curves import bezier, cut, expand
from engines.vector.scene import Layout, Paint

__all__ = ["render"]

FAR = 1e6
STROKE_TOLERANCE, FILL_TOLERANCE = 0.25, 0.005
PIXELS = kernels.SIDE**2


def render(
    points: Tensor,
    widths: Tensor,
    colors: Tensor,
    layout: Layout,
    pictures: Tensor,
    canvas: tuple[int, int, int],
    convention: str,
) -> Tensor:
    """As `torch_backend.render`."""
    cubics, radii = layout.pieces.cubics(points.clamp(-FAR, FAR)), widths.clamp(0, FAR)
    recording = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (cubics, radii, colors))
    return _Triton.apply(cubics, radii, colors, layout, pictures, canvas, convention == "clipdraw", recording)


class _Triton(torch.autograd.Function):
    @staticmethod
    def forward(ctx, cubics, radii, colors, layout, pictures, canvas, clipdraw, recording):
        cubics, radii, colors = (tensor.detach().contiguous() for tensor in (cubics, radii, colors))
        tiles = _Tiles.of(cubics, radii, layout, pictures, canvas)
        image = torch.zeros(canvas[0], 7, *canvas[1:], device=cubics.device)  # (S·A or C, A), S
        entries = len(tiles.entries) if recording else 0
        records = (
            torch.empty(entries, PIXELS, device=cubics.device),
            torch.empty(entries, PIXELS, dtype=torch.int32, device=cubics.device),
            torch.empty(entries, 8, PIXELS, device=cubics.device),
        )
        kernels.draw[(tiles.count,)](
            tiles.curves, tiles.chords, tiles.chord_segments, tiles.path_chords, radii, colors, tiles.paints,
            tiles.tile_entries, tiles.entries, image, *records, canvas[2], canvas[1], clipdraw, recording,
        )  # fmt: skip
        if recording:
            ctx.save_for_backward(radii, colors, image, *records)
            ctx.tiles, ctx.canvas, ctx.clipdraw = tiles, canvas, clipdraw
        return image[:, :4].clone()

    @staticmethod
    def backward(ctx, grad):
        radii, colors, image, *records = ctx.saved_tensors
        tiles, canvas = ctx.tiles, ctx.canvas
        own_segments = tiles.path_segments.diff()[tiles.entries].long()
        entry_cubics = own_segments.cumsum(0) - own_segments
        entry_grads = torch.zeros(len(tiles.entries), 8, device=grad.device)
        cubic_grads = torch.zeros(int(own_segments.sum()), 8, device=grad.device)
        kernels.trace_back[(tiles.count,)](
            tiles.curves, tiles.chords, tiles.segment_chords, tiles.path_segments, radii, colors, tiles.paints,
            tiles.tile_entries, tiles.entries, image, *records, grad.contiguous(), entry_cubics, entry_grads,
            cubic_grads, canvas[2], canvas[1], ctx.clipdraw,
        )  # fmt: skip
        by_path = tiles.sum_entries(entry_grads, torch.arange(len(entry_grads), device=grad.device), per_segment=False)
        by_segment = tiles.sum_entries(cubic_grads, entry_cubics, per_segment=True)
        return by_segment.view(-1, 4, 2), by_path[:, 4], by_path[:, :4], None, None, None, None, None


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Chords, and which paths every tile meets. K chords, D segments, N paths, E entries (a path in a tile)."""

    count: int
    curves: Tensor  # (D, 8) polynomial coefficients of x(t) and y(t)
    chords: Tensor  # (K, 6) start, edge, t at the start, t over its length
    chord_segments: Tensor  # (K,) int32
    segment_chords: Tensor  # (D+1,) int32
    path_chords: Tensor  # (N+1,) int32
    path_segments: Tensor  # (N+1,) int32
    segment_paths: Tensor  # (D,)
    paints: Tensor  # (N,) int32
    tile_entries: Tensor  # (tiles+1,) int32
    entries: Tensor  # (E,) int32: the path

    @classmethod
    def of(
        cls, cubics: Tensor, radii: Tensor, layout: Layout, pictures: Tensor, canvas: tuple[int, int, int]
    ) -> _Tiles:
        paths = layout.pieces.paths
        filled = layout.paints != Paint.STROKE
        tolerance = torch.where(filled, FILL_TOLERANCE, STROKE_TOLERANCE).to(cubics.dtype)[paths]
        segment, t0, t1 = cut(cubics, tolerance)
        start, end = bezier(cubics[segment], t0), bezier(cubics[segment], t1)
        chords = torch.cat([start, end - start, t0[:, None], (t1 - t0)[:, None]], 1)
        every_path = torch.arange(layout.num_paths + 1, device=paths.device)
        every_segment = torch.arange(len(paths) + 1, device=paths.device)
        tile, path = _meetings(start, end, paths[segment], radii, filled, pictures, canvas)
        down, across = (-(-side // kernels.SIDE) for side in canvas[1:])
        count = canvas[0] * down * across
        order = torch.argsort(tile, stable=True)
        return cls(
            count,
            _polynomials(cubics),
            chords.contiguous(),
            segment.int(),
            torch.searchsorted(segment, every_segment).int(),
            torch.searchsorted(paths[segment], every_path).int(),
            torch.searchsorted(paths, every_path).int(),
            paths,
            layout.paints.int(),
            torch.searchsorted(tile[order], torch.arange(count + 1, device=paths.device)).int(),
            path[order].int(),
        )

    def sum_entries(self, values: Tensor, entry_rows: Tensor, per_segment: bool) -> Tensor:
        """Sum rows of 8 over each path's entries: one result per path, or per segment, whose rows follow the first."""
        num_paths = len(self.paints)
        entries = self.entries.long()
        order = torch.argsort(entries, stable=True)
        path_entries = torch.searchsorted(entries[order], torch.arange(num_paths + 1, device=values.device))
        if per_segment:
            owners = self.segment_paths
            offsets = torch.arange(len(owners), device=values.device) - self.path_segments[owners]
        else:
            owners = torch.arange(num_paths, device=values.device)
            offsets = torch.zeros_like(owners)
        out = values.new_zeros(len(owners), 8)
        if len(owners):
            kernels.sum_entries[(len(owners),)](values, entry_rows, owners, offsets, path_entries, order, out)
        return out


def _polynomials(cubics: Tensor) -> Tensor:
    p0, p1, p2, p3 = cubics.unbind(1)  # (D, 2) each
    coefficients = torch.stack([p0, 3 * (p1 - p0), 3 * ((p0 - p1) + (p2 - p1)), (p3 - p0) + 3 * (p1 - p2)], 2)
    return coefficients.flatten(1).contiguous()


def _meetings(
    start: Tensor,
    end: Tensor,
    chord_paths: Tensor,
    radii: Tensor,
    filled: Tensor,
    pictures: Tensor,
    canvas: tuple[int, int, int],
) -> tuple[Tensor, Tensor]:
    """Every pair of a tile and a path whose box meets it, sorted by path."""
    index = chord_paths[:, None].expand(-1, 2)
    reach = torch.where(filled, 0, radii + kernels.REACH.value)[:, None]
    empty = start.new_full((len(radii), 2), FAR * 4)
    low = empty.scatter_reduce(0, index, torch.minimum(start, end), "amin") - reach
    high = (-empty).scatter_reduce(0, index, torch.maximum(start, end), "amax") + reach
    limit = low.new_tensor([canvas[2], canvas[1]])
    first = (low.clamp_min(0).minimum(limit) / kernels.SIDE).floor().long()
    last = (high.clamp_min(0).minimum(limit) / kernels.SIDE).ceil().long()
    last = torch.where((last > first).all(1, keepdim=True), last, first)
    down, across = (-(-side // kernels.SIDE) for side in canvas[1:])
    path, row = expand(first[:, 1], last[:, 1])
    which, column = expand(first[path, 0], last[path, 0])
    path, row = path[which], row[which]
    return (pictures[path] * down + row) * across + column, path
