"""The rasteriser as compiled CPU code: float32, on as many threads as PyTorch uses. The kernels are in `native/`."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from engines.vector.rasterizer.native.constants import BAND, BLOCK
from engines.vector.rasterizer.native.geometry import Topology, prepare
from engines.vector.rasterizer.native.passes import draw, gather, new_buffers, trace_back
from engines.vector.scene import Layout, Paint, Scene

__all__ = ["draw_sample", "render"]

MAX_RECORDS = 1 << 28  # numbers kept for the backward pass (1 GB); a larger drawing is drawn again there instead


def render(
    points: Tensor,
    widths: Tensor,
    colors: Tensor,
    layout: Layout,
    pictures: Tensor,
    canvas: tuple[int, int, int],
    convention: str,
) -> Tensor:
    """As `torch_backend.render`; results do not depend on the number of threads."""
    parameters = points, widths, colors
    recording = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in parameters)
    return _Native.apply(*parameters, layout, pictures, canvas, convention == "clipdraw", recording)


def draw_sample() -> None:
    """Draw something small and trace its gradients back, so that every kernel is compiled."""
    corners = [[1.0, 1.0], [7.0, 2.0], [3.0, 6.0]]
    scene = Scene.from_paths(
        [corners] * 2, [[0, 0]] * 2, [1, 0], [[0, 0, 0, 1]] * 2, 8, 8, paints=[Paint.STROKE, Paint.NONZERO]
    )
    points, pictures = scene.points.requires_grad_(), torch.zeros(2, dtype=torch.long)
    with torch.enable_grad():
        image = render(points, scene.widths, scene.colors, scene.layout, pictures, (1, 8, 8), "opaque")
        image.sum().backward()


class _Native(torch.autograd.Function):
    @staticmethod
    def forward(ctx, points, widths, colors, layout, pictures, canvas, clipdraw, recording):
        points, widths, colors = (tensor.detach().contiguous().numpy() for tensor in (points, widths, colors))
        size, num_bands = np.array(canvas), -(-canvas[1] // BAND)
        scene = prepare(points, widths, pictures.numpy(), size, num_bands, _topology(layout))
        image = np.empty((canvas[0], 4, *canvas[1:]), np.float32)
        straight = np.empty((canvas[0], 3, *canvas[1:]) if clipdraw and recording else (0, 3, 0, 0), np.float32)
        entry_blocks = np.empty((len(scene.entries), 3), np.int64)
        threads = min(torch.get_num_threads(), canvas[0] * num_bands)
        kept = recording and scene.blocks * BLOCK <= MAX_RECORDS
        results = image, straight, entry_blocks
        buffers = _Buffers(threads)

        def draw_bands(thread: int) -> None:
            buffers.own[thread] = draw(thread, threads, scene, colors, clipdraw, kept, buffers.own[thread], *results)

        _in_threads(threads, draw_bands)
        picture = torch.from_numpy(image)
        if not kept:
            buffers.give_back()
        if recording:
            ctx.save_for_backward(picture, *([buffers.until_dropped()] if kept else []))
            ctx.state = points, widths, colors, scene, clipdraw, results, buffers if kept else None
        return picture

    @staticmethod
    def backward(ctx, grad):
        _ = ctx.saved_tensors  # raises if autograd has dropped them (and so the buffers) or the picture was changed
        points, widths, colors, scene, clipdraw, results, recorded = ctx.state
        image, straight, entry_blocks = results
        grads = np.empty(scene.entry_grads[-1], np.float32)
        rest = entry_blocks, image, straight, grad.contiguous().numpy(), grads
        bands = scene.size[0] * scene.num_bands
        threads = len(recorded.own) if recorded else min(torch.get_num_threads(), bands)
        buffers = recorded or _Buffers(threads)

        def replay(thread: int) -> None:
            trace_back(thread, threads, scene, colors, clipdraw, *buffers.own[thread], *rest)

        def draw_again(thread: int) -> None:
            for band in range(thread, bands, threads):
                own = draw(band, bands, scene, colors, clipdraw, True, buffers.own[thread], *results)
                trace_back(band, bands, scene, colors, clipdraw, *own, *rest)
                buffers.own[thread] = own

        _in_threads(threads, replay if recorded else draw_again)
        if not recorded:
            buffers.give_back()
        found = gather(scene, grads, points, widths)
        return *(torch.from_numpy(array) for array in found), None, None, None, None, None


class _Buffers:
    """The kernels' memory, one set per thread; lent from a store, as new memory costs more than the drawing."""

    _store: ClassVar[deque] = deque(maxlen=16)
    LARGEST = 1 << 24  # numbers; a larger buffer is not kept

    def __init__(self, threads: int):
        self.own = [self._take() for _ in range(threads)]

    def _take(self) -> tuple[np.ndarray, ...]:
        try:
            return self._store.pop()
        except IndexError:
            return new_buffers(64)

    def give_back(self) -> None:
        self._store.extend(buffers for buffers in self.own if buffers[0].size <= self.LARGEST)

    def until_dropped(self) -> Tensor:
        """A token for autograd to save for the backward pass: when that is over and dropped, the buffers are free."""
        token = np.empty(0, np.float32)
        weakref.finalize(token, self.give_back)
        return torch.from_numpy(token)


_topologies: weakref.WeakKeyDictionary[Layout, Topology] = weakref.WeakKeyDictionary()


def _topology(layout: Layout) -> Topology:
    if layout not in _topologies:
        index, paths = layout.pieces.index, layout.pieces.paths
        # The last point is repeated up to four; a line that closes a subpath runs to an earlier point.
        inner = (index[:, 1:] != index[:, 3:]).sum(1)
        path_segments = torch.searchsorted(paths, torch.arange(layout.num_paths + 1))
        tables = index, inner, paths, path_segments, layout.paints
        _topologies[layout] = Topology(*(table.contiguous().numpy() for table in tables))
    return _topologies[layout]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="rasterizer")


if hasattr(os, "register_at_fork"):  # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """work(0), …, work(count - 1) at once: the kernels release the GIL, and the calling thread does its share."""
    others = [_pool().submit(work, thread) for thread in range(1, count)]
    return [work(0), *(other.result() for other in others)]
