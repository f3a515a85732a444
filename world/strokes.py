"""Stroke drawings of the subjects: what a good drawing in this studio's own medium looks like.

Every sprite is copied once by Bézier strokes, fitted through the rasteriser. Such copies stand among the training
pictures, so that the tower cannot tell a real picture from its own scribbles by the strokes, only by what they show.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.vector import Scene, rasterize

STROKES, CANVAS = 48, 64.0
STEPS, CHUNK = 120, 48
RATES = {"points": 0.5, "widths": 0.12, "colors": 0.05}
POINTS = 7
"""Of a stroke: two cubic curves."""


def stroke_template(strokes: int, canvas: float) -> Scene:
    """A scene of two-curve strokes whose tensors are to be replaced."""
    return Scene.from_paths(
        [torch.zeros(POINTS, 2)] * strokes,
        [[2, 2]] * strokes,
        torch.ones(strokes),
        torch.zeros(strokes, 4),
        canvas,
        canvas,
    )


class StrokeCopies:
    """values, in px of CANVAS: points (subjects, STROKES, 7, 2), widths (subjects, STROKES), colors (…, STROKES, 4)."""

    def __init__(self, values: dict[str, Tensor]):
        self.values = values
        self.template = stroke_template(STROKES, CANVAS)

    @classmethod
    def cached(cls, atlas: Tensor, file: Path) -> StrokeCopies:
        """From `file`, or fitted (some minutes) and saved there."""
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.save(fit_strokes(atlas), file)
        return cls(torch.load(file, weights_only=True))

    def __call__(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """(B,) → premultiplied (B, 4, CANVAS, CANVAS): the copies with a shaky hand, uneven pens and lost strokes."""
        points, widths, colors = (self.values[name][index].float() for name in ("points", "widths", "colors"))
        count = len(index)

        def normal(*shape: int) -> Tensor:
            return torch.randn(count, STROKES, *shape, generator=generator)

        shake = torch.rand(count, 1, 1, 1, generator=generator)
        points = points + shake * (1.2 * normal(1, 2) + 0.7 * normal(POINTS, 2))
        widths = widths * (0.25 * normal()).exp()
        colors = (colors + 0.05 * normal(4)).clamp(0, 1)
        lost = torch.rand(count, STROKES, 1, generator=generator) < 0.15 * torch.rand(count, 1, 1, generator=generator)
        colors = torch.cat([colors[..., :3], colors[..., 3:].masked_fill(lost, 0)], dim=-1)
        return rasterize(scenes_of(self.template, {"points": points, "widths": widths, "colors": colors}))


def fit_strokes(atlas: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """Strokes that copy premultiplied sprites (subjects, 4, S, S), by Adam on the squared error."""
    generator = torch.Generator().manual_seed(seed)
    fitted = [_fit(chunk, generator) for chunk in F.interpolate(atlas, int(CANVAS), mode="area").split(CHUNK)]
    return {name: torch.cat([values[name] for values in fitted]).half() for name in RATES}


def _fit(sprites: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    values = {name: value.requires_grad_(True) for name, value in _first_strokes(sprites, generator).items()}
    template = stroke_template(STROKES, CANVAS)
    groups = [{"params": [values[name]], "lr": rate} for name, rate in RATES.items()]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [2 * rate for rate in RATES.values()], STEPS, pct_start=0.1
    )
    for _ in range(STEPS):
        error = (rasterize(scenes_of(template, values)) - sprites).square()
        optimizer.zero_grad(set_to_none=True)
        error.sum().backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            values["widths"].clamp_(0.35, 8)
            values["colors"].clamp_(0, 1)
    return {name: value.detach() for name, value in values.items()}


def _first_strokes(sprites: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Walks that begin on the sprite, in its colours, wide ones below."""
    count, _, side, _ = sprites.shape
    cells = torch.multinomial(sprites[:, 3].flatten(1) + 1e-4, STROKES, replacement=True, generator=generator)
    start = torch.stack([cells % side, cells.div(side, rounding_mode="floor")], dim=-1) + 0.5
    steps = (torch.rand(count, STROKES, POINTS - 1, 2, generator=generator) - 0.5) * 7
    points = torch.cat([start[:, :, None], start[:, :, None] + steps.cumsum(2)], dim=2)
    premultiplied = sprites.flatten(2).gather(2, cells[:, None].expand(-1, 4, -1))
    rgb = (premultiplied[:, :3] / premultiplied[:, 3:].clamp_min(0.05)).clamp(0, 1)
    alpha = torch.full_like(rgb[:, :1], 0.9)
    widths = torch.linspace(5, 0.9, STROKES).expand(count, -1).clone()
    return {"points": points, "widths": widths, "colors": torch.cat([rgb, alpha], 1).transpose(1, 2).contiguous()}


def scenes_of(template: Scene, values: dict[str, Tensor]) -> list[Scene]:
    """Scenes of the template's layout from tensors with a leading scene axis: points, widths, colors."""
    packed = zip(values["points"], values["widths"], values["colors"], strict=True)
    return [
        template.replace(points=points.flatten(0, 1), widths=widths, colors=colors) for points, widths, colors in packed
    ]
