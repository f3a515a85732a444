"""The strokes while they are optimised: packed parameters, what the optimisers remember, and what is born or removed.

Everything per stroke lives in `Scene`s of one layout (the parameters and every running mean), so that adding and
removing strokes is `concatenate` and `select` for all of them alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engines.clipdraw.settings import REFERENCE_SIDE, CLIPDrawSettings
from engines.vector import Scene, rasterize

__all__ = ["Rates", "Strokes", "point_rate_factor", "random_strokes", "strokes_along_edges"]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
RMSPROP_DECAY = 0.99
PARAMETERS = ("points", "widths", "colors")


@dataclass(frozen=True)
class Rates:
    """Learning rates in canvas px (points, widths) and in units of [0, 1] (colours)."""

    points: float
    widths: float
    colors: float


def point_rate_factor(schedule: str, progress: float) -> float:
    """Factor of the point rate at a share of the run, in [0, 1]. "paper": the released code of arXiv 2106.14843."""
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    if schedule == "paper":
        return 1.0 if progress < 0.5 else 0.4 if progress < 0.75 else 0.1
    return 1.0


class Strokes:
    """N strokes under optimisation. `scene` holds the parameters, which require gradients.

    The optimisers are written out because strokes come and go in mid-run: running means and age are kept per stroke.
    A run may use several; each has a memory of its own.
    """

    def __init__(self, scene: Scene):
        zero = _like(scene, 0.0)
        self._set(scene, {"first": zero, "second": zero.clone()}, torch.zeros(len(scene), device=scene.device))

    def __len__(self) -> int:
        return len(self.scene)

    @property
    def unit(self) -> float:
        """Canvas px per px of the paper's canvas."""
        return min(self.scene.width, self.scene.height) / REFERENCE_SIDE

    # ------------------------------------------------------------------ optimisation

    @torch.no_grad()
    def adam_step(self, rates: Rates, locked: Tensor) -> None:
        """One step of Adam (Kingma & Ba 2015) from the gradients of `scene`; the strokes of the mask `locked` (N,)
        stay as they are."""
        self._age += 1
        for name, parameter, rate, age, free in self._moving(rates, locked):
            first, second = (getattr(self._memory[kind], name) for kind in ("first", "second"))
            first.lerp_(parameter.grad, 1 - BETA1)
            second.lerp_(parameter.grad.square(), 1 - BETA2)
            mean, deviation = first / (1 - BETA1**age), (second / (1 - BETA2**age)).sqrt()
            parameter -= rate * free * mean / (deviation + EPSILON)
            parameter.grad = None

    @torch.no_grad()
    def rmsprop_step(self, rates: Rates, locked: Tensor, memory: str) -> None:
        """The same with RMSprop (Hinton 2012), whose running means are kept under the name `memory`.

        Without a correction of the bias, as usual: the first step of a stroke is about ten times `rates`.
        """
        if memory not in self._memory:
            self._memory[memory] = _like(self.scene.detach(), 0.0)
        for name, parameter, rate, _, free in self._moving(rates, locked):
            square = getattr(self._memory[memory], name)
            square.lerp_(parameter.grad.square(), 1 - RMSPROP_DECAY)
            parameter -= rate * free * parameter.grad / (square.sqrt() + EPSILON)
            parameter.grad = None

    def _moving(self, rates: Rates, locked: Tensor) -> Iterator[tuple[str, Tensor, float, Tensor, Tensor]]:
        """(name, parameter, rate, age, 1 where free) of what has a gradient; the last two in the parameter's shape."""
        free, per_point = (~locked).to(self.scene.widths), self._path_of_points()
        for name in PARAMETERS:
            parameter = getattr(self.scene, name)
            if parameter.grad is None:
                continue
            age, mask = (x[per_point] if name == "points" else x for x in (self._age, free))
            age, mask = (x.view(-1, *[1] * (parameter.ndim - 1)) for x in (age, mask))
            yield name, parameter, getattr(rates, name), age, mask

    @torch.no_grad()
    def clamp(self, min_width: float, max_width: float) -> None:
        """Half-widths in canvas px; colours and alpha to [0, 1]."""
        self.scene.widths.clamp_(min_width, max_width)
        self.scene.colors.clamp_(0, 1)

    # ------------------------------------------------------------------ birth and death

    @torch.no_grad()
    def append(self, born: Scene) -> None:
        """Put `born` strokes on top; they begin without history."""
        zero = _like(born, 0.0)
        self._set(
            Scene.concatenate([self.scene.detach(), born]),
            {kind: Scene.concatenate([memory, zero]) for kind, memory in self._memory.items()},
            torch.cat([self._age, torch.zeros(len(born), device=born.device)]),
        )

    @torch.no_grad()
    def keep(self, which: Tensor) -> None:
        """Only the strokes of a mask (N,), or of indices in their order."""
        memory = {kind: memory.select(which) for kind, memory in self._memory.items()}
        self._set(self.scene.detach().select(which), memory, self._age[which])

    @torch.no_grad()
    def replace(self, mask: Tensor, born: Scene) -> None:
        """Put `born` strokes, one for each in the mask (N,), in the place of those."""
        index = torch.nonzero(mask).squeeze(1)
        order = torch.arange(len(self), device=mask.device)
        order[index] = len(self) + torch.arange(len(index), device=mask.device)
        self.append(born)
        self.keep(order)

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        scene = self.scene.detach()
        offsets = scene.layout.segment_offsets.tolist()
        flat = scene.layout.segments.tolist()
        return {
            "segments": [flat[a:b] for a, b in zip(offsets, offsets[1:], strict=False)],
            "paints": scene.layout.paints.tolist(),
            "canvas": [scene.width, scene.height],
            "age": self._age.clone(),
            **{
                f"{kind}.{name}": getattr(own, name).detach().clone()
                for kind, own in {"value": scene, **self._memory}.items()
                for name in PARAMETERS
            },
        }

    @classmethod
    def from_state_dict(cls, state: dict[str, Any], device: torch.device) -> Strokes:
        def scene(kind: str) -> Scene:
            tensors = {name: state[f"{kind}.{name}"] for name in PARAMETERS}
            width, height = state["canvas"]
            packed = Scene.from_paths(
                **tensors, segments=state["segments"], width=width, height=height, paints=state["paints"]
            )
            return packed.to(device).clone()

        strokes = cls(scene("value"))
        kinds = [key.removesuffix(".points") for key in state if key.endswith(".points") and key != "value.points"]
        strokes._set(strokes.scene, {kind: scene(kind) for kind in kinds}, state["age"].to(device).clone())
        return strokes

    def _set(self, scene: Scene, memory: dict[str, Scene], age: Tensor) -> None:
        self.scene = scene.replace(**{name: _leaf(getattr(scene, name)) for name in PARAMETERS})
        self._memory, self._age = memory, age

    def _path_of_points(self) -> Tensor:
        counts = self.scene.layout.point_offsets.diff()
        return torch.repeat_interleave(torch.arange(len(self), device=counts.device), counts)


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(True)


def _like(scene: Scene, value: float) -> Scene:
    return scene.replace(
        points=torch.full_like(scene.points, value),
        widths=torch.full_like(scene.widths, value),
        colors=torch.full_like(scene.colors, value),
    )


# ---------------------------------------------------------------------------------------------- where strokes begin


def random_strokes(
    count: int, settings: CLIPDrawSettings, generator: torch.Generator, region: Tensor | None = None
) -> Scene:
    """CLIPDraw's random walks: a uniform first point, then steps of up to 0.05 of the canvas per axis; uniform RGBA.

    region: (h, w) weights of where strokes may begin, stretched over the canvas; everywhere unless given.
    """
    start = _sample(region, count, generator) if region is not None else torch.rand(count, 2, generator=generator)
    colors = torch.rand(count, 4, generator=generator)
    return _walks(start, colors, settings, generator)


def strokes_along_edges(count: int, picture: Tensor, settings: CLIPDrawSettings, generator: torch.Generator) -> Scene:
    """Strokes that begin on the edges of a picture, (3, h, w) in [0, 1] stretched over the canvas, run along them and
    take its colours; a fifth of them begins anywhere, so that plain areas are covered too."""
    grey = picture.mean(0)
    dy, dx = torch.gradient(grey)
    strength = (dx.square() + dy.square()).sqrt()
    start = _sample(strength + strength.mean() * 0.25 + 1e-6, count, generator)
    height, width = grey.shape
    column = (start[:, 0] * width).long().clamp(0, width - 1)
    row = (start[:, 1] * height).long().clamp(0, height - 1)
    colors = torch.cat([picture[:, row, column].T, torch.full((count, 1), 0.9)], dim=1)
    tangent = torch.stack([-dy[row, column] / height, dx[row, column] / width], dim=1)
    tangent = tangent / tangent.norm(dim=1, keepdim=True).clamp_min(1e-9)
    return _walks(start, colors, settings, generator, tangent)


def _walks(
    start: Tensor, colors: Tensor, settings: CLIPDrawSettings, generator: torch.Generator, tangent: Tensor | None = None
) -> Scene:
    count = len(start)
    if settings.segments == "random":
        curves = torch.randint(1, 4, (count,), generator=generator).tolist()
    else:
        curves = [int(settings.segments)] * count
    most = 3 * max(curves, default=1)
    steps = 0.1 * (torch.rand(count, most, 2, generator=generator) - 0.5)
    if tangent is not None:
        steps = 0.3 * steps + 0.03 * tangent[:, None]
    walks = torch.cat([start[:, None], start[:, None] + steps.cumsum(1)], dim=1) * torch.tensor(
        [settings.width, settings.height]
    )
    unit = min(settings.width, settings.height) / REFERENCE_SIDE
    points = (
        torch.cat([walk[: 3 * n + 1] for walk, n in zip(walks, curves, strict=True)]) if count else torch.zeros(0, 2)
    )
    widths = torch.full((count,), settings.start_width * unit)
    return Scene.from_paths(points, [[2] * n for n in curves], widths, colors, settings.width, settings.height)


def _sample(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Points (count, 2) in [0, 1]², drawn with the weights of an (h, w) map."""
    height, width = weights.shape
    cells = torch.multinomial(weights.flatten().clamp_min(0), count, replacement=True, generator=generator)
    corner = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=1)
    return (corner + torch.rand(count, 2, generator=generator)) / torch.tensor([width, height])


def visible_area(scene: Scene, size: tuple[int, int], backend: str) -> Tensor:
    """How much of each stroke is to be seen, (N,) in canvas px²: the derivative of the drawing's summed red by the
    stroke's red is exactly the opacity-weighted area that nothing covers."""
    colors = scene.colors.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        picture = rasterize(scene.detach().replace(colors=colors), size, backend=backend)
        (gradient,) = torch.autograd.grad(picture[0].sum(), colors)
    return gradient[:, 0] * (scene.width * scene.height) / math.prod(size)
