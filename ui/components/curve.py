"""The loss curve as points for an SVG polyline: at most 200 per term, whatever the length of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["HEIGHT", "WIDTH", "curve"]

WIDTH, HEIGHT = 200, 60
_MOST_POINTS = 200
_MARGIN = 2


def curve(losses: Sequence[tuple[int, dict[str, float]]], steps: int) -> list[dict[str, Any]]:
    """One entry per loss term: name, newest value, and the points "x,y x,y ..." in a WIDTH × HEIGHT box.

    Every term has its own vertical scale: terms of different size would otherwise flatten each other. x runs from
    step 0 to `steps`, so a growing curve does not shift what is drawn already.
    """
    if not losses:
        return []
    thinned = _thin(losses)
    names = dict.fromkeys(name for _, terms in thinned for name in terms)
    return [_term(name, [(step, terms[name]) for step, terms in thinned if name in terms], steps) for name in names]


def _thin(losses: Sequence[Any]) -> list[Any]:
    """Every k-th entry and the last one."""
    stride = -(-len(losses) // (_MOST_POINTS - 1))
    kept = list(losses[::stride])
    return kept if kept[-1] is losses[-1] else [*kept, losses[-1]]


def _term(name: str, points: list[tuple[int, float]], steps: int) -> dict[str, Any]:
    values = [value for _, value in points]
    low, high = min(values), max(values)
    scale = (HEIGHT - 2 * _MARGIN) / ((high - low) or 1.0)
    drawn = " ".join(
        f"{x_of(step, steps):.1f},{HEIGHT - _MARGIN - (value - low) * scale:.1f}" for step, value in points
    )
    return {"name": name, "value": values[-1], "points": drawn}


def x_of(step: int, steps: int) -> float:
    return WIDTH * step / max(steps, 1)
