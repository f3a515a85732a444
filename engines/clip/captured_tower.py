"""An image tower replayed as CUDA graphs: one launch each way instead of hundreds.

Written from PyTorch's documentation and tried with a stand-in for the capture only, never on a GPU. Therefore nothing
uses it unasked; `python -m benchmarks.clipdraw_step --device cuda --cuda-graphs` compares it with the eager tower.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engines.clip.fast_tower import Tower

__all__ = ["CapturedTower"]


class CapturedTower:
    """`tower` with the same results and gradients, captured anew for each of the last two batch shapes.

    While it captures, no other thread may use CUDA; and two threads must not look through it at once. Calls that need
    no gradient run eagerly.
    capture: like `torch.cuda.make_graphed_callables`, whose results and gradients live in buffers of the graph, to be
    overwritten by the next call.
    """

    def __init__(self, tower: Tower, capture: Callable = torch.cuda.make_graphed_callables):
        self.tower = tower
        self._capture = capture
        self._graph = lru_cache(maxsize=2)(self._new_graph)

    def __call__(self, pixels: Tensor) -> Tensor:
        if not (pixels.requires_grad and torch.is_grad_enabled()):
            return self.tower(pixels)
        return _Replay.apply(pixels, self._graph(pixels.shape, pixels.dtype, pixels.device))

    def _new_graph(self, shape: torch.Size, dtype: torch.dtype, device: torch.device) -> _Graph:
        sample = torch.zeros(shape, dtype=dtype, device=device, requires_grad=True)
        return _Graph(self.tower, self._capture(self.tower, (sample,)))


class _Graph:
    """A tower, its captured form, and how often that was played."""

    def __init__(self, tower: Tower, captured: Tower):
        self.tower, self.captured, self.plays = tower, captured, 0


class _Replay(torch.autograd.Function):
    """Forward plays the graph. Backward does too, unless another forward has overwritten the graph's activations."""

    @staticmethod
    def forward(ctx, pixels: Tensor, graph: _Graph) -> Tensor:
        ctx.pixels = pixels.detach().requires_grad_()
        with torch.enable_grad():
            ctx.features = graph.captured(ctx.pixels)
        graph.plays += 1
        ctx.graph, ctx.play = graph, graph.plays
        return ctx.features.detach().clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        with torch.enable_grad():
            features = ctx.features if ctx.play == ctx.graph.plays else ctx.graph.tower(ctx.pixels)
        return torch.autograd.grad(features, ctx.pixels, gradient)[0].clone(), None
