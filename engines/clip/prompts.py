"""Weighted prompts: `"a red apple:1 | watercolor:0.4 | text:-0.3"`.

A weight is a plain number at the end of a part, after a colon, within ±10; any other colon belongs to the text, as in
"a clock showing 10:30" or "16:9". The emphasis of AUTOMATIC1111's web UI is understood too, for a whole part:
"(watercolor:1.3)", "((watercolor))" for 1.1 × 1.1 and "[watercolor]" for 1 / 1.1. Words within a part have no weight of
their own, as a text is embedded as a whole: emphasised words are then plain words.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from engines.errors import EngineError
from engines.shown import shown

__all__ = ["MAX_PROMPT", "MAX_WEIGHT", "WeightedText", "parse_prompt"]

MAX_PROMPT = 500
"""Characters."""
MAX_WEIGHT = 10.0
EMPHASIS = 1.1
"""Of one pair of parentheses; square brackets divide by it."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_WEIGHT = re.compile(rf"(?P<text>.*?)\s*:\s*(?P<weight>{_NUMBER})", re.DOTALL)
_EMPHASIS = re.compile(rf"(?<!\\)[(\[]([^()\[\]]*?)(?:\s*:\s*{_NUMBER}\s*)?(?<!\\)[)\]]")


@dataclass(frozen=True)
class WeightedText:
    text: str
    weight: float


def parse_prompt(prompt: str) -> list[WeightedText]:
    """Parts between `|`, each with an optional weight after its last colon (1 unless given, may be negative).

    Control characters are dropped. An empty prompt gives an empty list. Raises `EngineError` for a weight without text
    and for an emphasis beyond ±10.
    """
    printable = "".join(" " if unicodedata.category(c).startswith("C") else c for c in prompt)
    if len(printable) > MAX_PROMPT:
        raise EngineError(
            "The prompt has {count} characters; shorten it to at most {MAX_PROMPT}.",
            count=len(printable),
            MAX_PROMPT=MAX_PROMPT,
        )
    return [_parse_part(part) for part in filter(None, (piece.strip() for piece in printable.split("|")))]


def _parse_part(part: str) -> WeightedText:
    text, weight = _split(part, MAX_WEIGHT)
    while enclosed := _enclosed(text):
        inner, given = _split(enclosed, math.inf)
        factor = given if inner != enclosed else EMPHASIS if text[0] == "(" else 1 / EMPHASIS
        text, weight = inner, weight * factor
    text = _without_emphasis(text)
    if not text:
        raise EngineError(
            "The prompt part {part} has a weight but no words; write something before the colon.", part=shown(part)
        )
    if abs(weight) > MAX_WEIGHT:
        raise EngineError(
            "The weight {weight:g} of {text} is beyond ±{MAX_WEIGHT:g}; choose a smaller one.",
            weight=weight,
            text=shown(text, 40),
            MAX_WEIGHT=MAX_WEIGHT,
        )
    return WeightedText(text, weight)


def _split(part: str, limit: float) -> tuple[str, float]:
    """Text and weight; weights beyond ±limit and numbers that follow a number, as in "10:30", belong to the text."""
    match = _WEIGHT.fullmatch(part)
    if match is None or abs(float(match["weight"])) > limit or re.search(r"\d:\d+$", part):
        return part, 1.0
    return match["text"].strip(), float(match["weight"])


def _enclosed(text: str) -> str:
    """The inside of the parentheses or brackets around a whole text; "" if there are none."""
    closing = {"(": ")", "[": "]"}.get(text[:1])
    if closing is None or text[-1] != closing or text[-2:-1] == "\\":
        return ""
    depth = 0
    for index, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if depth == 0:
            return text[1:-1].strip() if index == len(text) - 1 else ""
    return ""


def _without_emphasis(text: str) -> str:
    """Plain words: parentheses of emphasis and their weights within a text left out, escaped ones kept."""
    while (plain := _EMPHASIS.sub(r"\1", text)) != text:
        text = plain
    return re.sub(r"\\([()\[\]])", r"\1", text).strip()
