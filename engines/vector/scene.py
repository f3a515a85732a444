"""A drawing as packed tensors: three parameter tensors and one table of how they form paths.

A scene is a list of paths in painter's order (the first lies at the back). A path is a chain of line, quadratic and
cubic Bézier segments; it is drawn as a stroke with round caps and joins, or filled. All control points of all paths lie
in one tensor, so an optimiser sees three tensors whatever the number of strokes.

Units: pixels of the canvas, x to the right, y down, pixel (x, y) covers [x, x+1) × [y, y+1).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engines.errors import EngineError

__all__ = ["MOVE", "Layout", "Paint", "Scene"]

MOVE = -1
"""Stands in a segment list for a lifted pen: the next point starts a new subpath of the same path."""

CUBIC_FROM = torch.tensor(  # degree elevation: cubic control points = CUBIC_FROM[inner points] @ own control points
    [
        [[1, 0, 0, 0], [2 / 3, 1 / 3, 0, 0], [1 / 3, 2 / 3, 0, 0], [0, 1, 0, 0]],
        [[1, 0, 0, 0], [1 / 3, 2 / 3, 0, 0], [0, 2 / 3, 1 / 3, 0], [0, 0, 1, 0]],
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    ],
    dtype=torch.float64,
)


class Paint(IntEnum):
    """How a path is painted. A filled path closes each of its subpaths with a straight line."""

    STROKE = 0
    NONZERO = 1
    EVENODD = 2


@dataclass(frozen=True, eq=False)
class Pieces:
    """D Bézier segments as cubics: degree elevation keeps curve and parameter.

    index (D, 4): rows of `Scene.points`. elevation (D, 4, 4): what makes a cubic of them. paths (D,): whose they are.
    """

    index: Tensor
    elevation: Tensor
    paths: Tensor

    def __len__(self) -> int:
        return len(self.paths)

    def cubics(self, points: Tensor) -> Tensor:
        """Control points, (P, 2) → (D, 4, 2)."""
        own = points.index_select(0, self.index.flatten()).view(-1, 4, 2)
        return self.elevation.to(points.dtype) @ own


@dataclass(frozen=True, eq=False)
class Layout:
    """How packed points form N paths of S segments. Integer tensors on the scene's device; never changes.

    segments (S,): inner control points per segment (0 line, 1 quadratic, 2 cubic, `MOVE` lifted pen).
    segment_offsets (N+1,), point_offsets (N+1,): where each path's segments and points start. paints (N,): `Paint`.
    """

    segments: Tensor
    segment_offsets: Tensor
    point_offsets: Tensor
    paints: Tensor

    @property
    def num_paths(self) -> int:
        return len(self.paints)

    @cached_property
    def segment_paths(self) -> Tensor:
        """(S,) the path of each segment."""
        paths = torch.arange(self.num_paths, device=self.paints.device)
        return torch.repeat_interleave(paths, self.segment_offsets.diff())

    @cached_property
    def segment_starts(self) -> Tensor:
        """(S,) index of each segment's first point; its last point is the first of the next."""
        steps = self.segments.clamp_min(0) + 1
        before = steps.cumsum(0) - steps  # a path has one point more than its steps, hence the path's number
        return before + self.segment_paths

    @cached_property
    def strokes(self) -> Pieces:
        """The segments of stroked paths."""
        return self._pieces(self.paints == Paint.STROKE)

    @cached_property
    def fills(self) -> Pieces:
        """The segments of filled paths, and after them the straight lines that close their subpaths."""
        drawn = self._pieces(self.paints != Paint.STROKE)
        filled = self.paints[self.segment_paths] != Paint.STROKE
        lifted = self.segments == MOVE
        begins = lifted.clone()  # segments with which a subpath begins
        begins[self.segment_offsets[:-1]] = True
        first = (self.segment_starts + lifted.long())[begins & filled]
        ends = torch.cat([begins[1:], begins.new_ones(1)])  # segments with which a subpath ends
        last = (self.segment_starts + self.segments.clamp_min(0) + 1)[ends & filled]
        lines = CUBIC_FROM.to(first.device)[torch.zeros_like(first)]
        return Pieces(
            torch.cat([drawn.index, torch.stack([last, first, first, first], 1)]),
            torch.cat([drawn.elevation, lines]),
            torch.cat([drawn.paths, self.segment_paths[begins & filled]]),
        )

    @cached_property
    def pieces(self) -> Pieces:
        """`strokes` and `fills` together, sorted by path."""
        both = self.strokes, self.fills
        paths, order = torch.cat([own.paths for own in both]).sort(stable=True)
        index, elevation = (torch.cat([getattr(own, name) for own in both])[order] for name in ("index", "elevation"))
        return Pieces(index, elevation, paths)

    def _pieces(self, wanted: Tensor) -> Pieces:
        chosen = torch.nonzero((self.segments != MOVE) & wanted[self.segment_paths]).squeeze(1)
        inner, start = self.segments[chosen], self.segment_starts[chosen]
        steps = torch.arange(4, device=inner.device)
        index = start[:, None] + torch.minimum(steps, inner[:, None] + 1)
        return Pieces(index, CUBIC_FROM.to(inner.device)[inner], self.segment_paths[chosen])

    def to(self, device: torch.device | str) -> Layout:
        if self.segments.device == torch.device(device):
            return self
        return Layout(*(getattr(self, field.name).to(device) for field in dataclasses.fields(self)))


@dataclass(frozen=True, eq=False)
class Scene:
    """N painted paths on a canvas of width × height pixels.

    points (P, 2): control points in px. widths (N,): half-widths in px, as diffvg's `stroke_width` (a width of 1 draws
    a line 2 px wide; negative counts as 0; unused by filled paths). colors (N, 4): straight RGBA in [0, 1].
    The three are float tensors of one dtype on one device and may require gradients.
    """

    points: Tensor
    widths: Tensor
    colors: Tensor
    layout: Layout
    width: float
    height: float

    def __post_init__(self) -> None:
        count, total = self.layout.num_paths, int(self.layout.point_offsets[-1])
        for name, wanted in (("points", (total, 2)), ("widths", (count,)), ("colors", (count, 4))):
            shape = tuple(getattr(self, name).shape)
            if shape != wanted:
                raise EngineError(
                    "The scene's {name} have shape {shape}, but its {count} paths need {wanted}.",
                    name=name,
                    shape=shape,
                    count=count,
                    wanted=wanted,
                )
        for name, value in (("width", self.width), ("height", self.height)):
            if not 0 < value < 1e6:
                raise EngineError(
                    "The canvas {name} must be between 0 and 1,000,000 pixels (got {value}).", name=name, value=value
                )

    @classmethod
    def from_paths(
        cls,
        points: Sequence[Any] | Tensor,
        segments: Sequence[Sequence[int]],
        widths: Sequence[Any] | Tensor,
        colors: Sequence[Any] | Tensor,
        width: float,
        height: float,
        *,
        paints: Sequence[Paint] | None = None,
    ) -> Scene:
        """Pack paths into a scene.

        points: per path (n, 2) control points in px; or all of them packed, a (P, 2) tensor or array.
        segments: per path the number of inner control points of each segment (0, 1 or 2; `MOVE` lifts the pen), so that
        a path of these has 1 + Σ (inner + 1) points. widths: N half-widths in px. colors: N straight RGBA.
        paints: N `Paint`; strokes unless given. Tensors keep their gradients.
        Raises `EngineError` naming what is wrong: shapes, counts, values that are not finite.
        """
        layout = _layout(segments, paints)
        tensors = [
            _packed_points(points, layout),
            _tensor(widths, "widths", (layout.num_paths,)),
            _tensor(colors, "colors", (layout.num_paths, 4)),
        ]
        dtype = torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
        device = next((tensor.device for tensor in tensors if tensor.device.type != "cpu"), torch.device("cpu"))
        tensors = [tensor.to(device=device, dtype=dtype) for tensor in tensors]
        scene = cls(*tensors, layout.to(device), width, height)
        scene.check_finite()
        return scene

    def __len__(self) -> int:
        """Number of paths."""
        return self.layout.num_paths

    @property
    def device(self) -> torch.device:
        return self.points.device

    def check_finite(self) -> None:
        """`EngineError` naming the parameter that holds NaN or infinity."""
        for name in ("points", "widths", "colors"):
            values = getattr(self, name).detach()
            # A sum is several times cheaper than a look at every value, and finite if they are (but for overflow).
            if not math.isfinite(values.sum().item()) and not torch.isfinite(values).all():
                raise EngineError("The scene's {name} must be finite numbers; some are NaN or infinite.", name=name)

    def replace(self, **changes: Any) -> Scene:
        """A scene with other parameters (`points`, `widths`, `colors`, `width`, `height`) and the same paths."""
        return dataclasses.replace(self, **changes)

    def detach(self) -> Scene:
        return self.replace(points=self.points.detach(), widths=self.widths.detach(), colors=self.colors.detach())

    def clone(self) -> Scene:
        return self.replace(points=self.points.clone(), widths=self.widths.clone(), colors=self.colors.clone())

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Scene:
        device = self.device if device is None else device
        moved = {name: getattr(self, name).to(device, dtype) for name in ("points", "widths", "colors")}
        return self.replace(layout=self.layout.to(device), **moved)

    def scaled(self, factor: float) -> Scene:
        """The same drawing on a canvas `factor` times as large."""
        return self.replace(
            points=self.points * factor,
            widths=self.widths * factor,
            width=self.width * factor,
            height=self.height * factor,
        )

    def select(self, which: Tensor | Sequence[int] | Sequence[bool] | slice) -> Scene:
        """The paths named by a mask or by indices, in that order (an index may occur twice). Keeps gradients."""
        every = torch.arange(len(self), device=self.device)
        if not isinstance(which, slice):
            which = torch.as_tensor(which, device=self.device)
            which = which if len(which) else which.long()
        try:
            chosen = every[which]
        except (IndexError, TypeError) as error:
            raise EngineError("Paths cannot be selected like this: {reason}.", reason=error) from None
        layout = self.layout
        points, point_offsets = _gather_ranges(layout.point_offsets, chosen)
        segments, segment_offsets = _gather_ranges(layout.segment_offsets, chosen)
        return self.replace(
            points=self.points.index_select(0, points),
            widths=self.widths.index_select(0, chosen),
            colors=self.colors.index_select(0, chosen),
            layout=Layout(layout.segments[segments], segment_offsets, point_offsets, layout.paints[chosen]),
        )

    @staticmethod
    def concatenate(scenes: Sequence[Scene]) -> Scene:
        """All paths of several scenes, first scene at the back, on the canvas of the first."""
        if not scenes:
            raise EngineError("There is no scene to concatenate; give at least one.")
        layouts = [scene.layout for scene in scenes]
        return scenes[0].replace(
            points=torch.cat([scene.points for scene in scenes]),
            widths=torch.cat([scene.widths for scene in scenes]),
            colors=torch.cat([scene.colors for scene in scenes]),
            layout=Layout(
                torch.cat([layout.segments for layout in layouts]),
                _joined_offsets([layout.segment_offsets for layout in layouts]),
                _joined_offsets([layout.point_offsets for layout in layouts]),
                torch.cat([layout.paints for layout in layouts]),
            ),
        )


# ---------------------------------------------------------------------------------------------- packing


def _layout(segments: Sequence[Sequence[int]], paints: Sequence[Paint] | None) -> Layout:
    chains = [[int(inner) for inner in chain] for chain in segments]
    for path, chain in enumerate(chains):
        if not chain or all(inner == MOVE for inner in chain):
            raise EngineError("Path {path} has no segment; give it at least one.", path=path)
        if wrong := set(chain) - {MOVE, 0, 1, 2}:
            raise EngineError(
                "Path {path} has a segment of {value} inner control points; only 0, 1 and 2 exist.",
                path=path,
                value=wrong.pop(),
            )
    if paints is not None and len(paints) != len(chains):
        raise EngineError(
            "There are {count} segment lists but {count_2} paints; give one per path.",
            count=len(chains),
            count_2=len(paints),
        )
    point_counts = [1 + sum(max(inner, 0) + 1 for inner in chain) for chain in chains]
    return Layout(
        segments=torch.tensor([inner for chain in chains for inner in chain], dtype=torch.long),
        segment_offsets=_offsets([len(chain) for chain in chains]),
        point_offsets=_offsets(point_counts),
        paints=torch.tensor(list(paints or [Paint.STROKE] * len(chains)), dtype=torch.long),
    )


def _packed_points(points: Sequence[Any] | Tensor, layout: Layout) -> Tensor:
    if hasattr(points, "shape") and len(points.shape) == 2:
        return _tensor(points, "points", (int(layout.point_offsets[-1]), 2))
    if len(points) != layout.num_paths:
        raise EngineError(
            "There are {count} point lists but {num_paths} segment lists; give one per path.",
            count=len(points),
            num_paths=layout.num_paths,
        )
    if not len(points):
        return torch.zeros(0, 2)
    counts = layout.point_offsets.diff().tolist()
    paths = enumerate(zip(points, counts, strict=True))
    return torch.cat([_tensor(own, f"points of path {path}", (count, 2)) for path, (own, count) in paths])


def _tensor(values: Any, name: str, shape: tuple[int, ...]) -> Tensor:
    """A floating tensor of this shape; plain numbers and arrays become float32."""
    try:
        if isinstance(values, Tensor):
            tensor = values if values.is_floating_point() else values.float()
        elif len(values) and isinstance(values[0], Tensor):
            tensor = torch.stack(list(values))
        else:
            with np.errstate(over="ignore"):  # `check_finite` reports what overflows
                tensor = torch.as_tensor(np.asarray(values, dtype=np.float32))
    except (TypeError, ValueError, RuntimeError):
        raise EngineError("The {name} must be numbers in a table of shape {shape}.", name=name, shape=shape) from None
    if tensor.numel() == 0 and 0 in shape:
        tensor = tensor.reshape(shape)
    if tuple(tensor.shape) != shape:
        raise EngineError(
            "The {name} have shape {shape}, but {shape_2} is needed.",
            name=name,
            shape=tuple(tensor.shape),
            shape_2=shape,
        )
    return tensor


def _offsets(counts: Sequence[int] | Tensor) -> Tensor:
    counts = torch.as_tensor(counts, dtype=torch.long)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _joined_offsets(offsets: Sequence[Tensor]) -> Tensor:
    return _offsets(torch.cat([own.diff() for own in offsets]))


def _gather_ranges(offsets: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the ranges chosen[0], chosen[1], … one after the other, and their new offsets."""
    counts = offsets.diff()[chosen]
    new_offsets = _offsets(counts)
    shift = torch.repeat_interleave(offsets[chosen] - new_offsets[:-1], counts)
    return torch.arange(len(shift), device=shift.device) + shift, new_offsets
