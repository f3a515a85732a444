"""Edits as text: "face > face with glasses @ 4, auto", several separated by ";"."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.errors import EngineError

__all__ = ["Edit", "format_edit", "parse_edits"]


@dataclass(frozen=True)
class Edit:
    """beta: None where it is chosen automatically."""

    neutral: str
    target: str
    alpha: float
    beta: float | None


def format_edit(edit: Edit) -> str:
    beta = "auto" if edit.beta is None else f"{edit.beta:g}"
    return f"{edit.neutral} > {edit.target} @ {edit.alpha:g}, {beta}"


def parse_edits(text: str) -> list[Edit]:
    """The edits in a text as `format_edit` writes them, separated by ";". Raises `EngineError` for anything else."""
    return [_parse_edit(part.strip()) for part in text.split(";") if part.strip()]


def _parse_edit(part: str) -> Edit:
    texts, _, numbers = part.rpartition("@")
    neutral, _, target = (words.strip() for words in texts.partition(">"))
    alpha, _, beta = (number.strip() for number in numbers.partition(","))
    try:
        edit = Edit(neutral, target, float(alpha), None if beta == "auto" else float(beta))
        if not neutral or not target or not math.isfinite(edit.alpha + (edit.beta or 0)):
            raise ValueError
        return edit
    except ValueError:
        raise EngineError(
            "Setting 'edits': '{part}' is no edit; write it like: face > face with glasses @ 4, auto.", part=part[:60]
        ) from None
