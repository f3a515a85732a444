"""Weighted prompts: `"a red apple:1 | watercolor:0.4 | text:-0.3"`."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from engines.errors import EngineError

__all__ = ["MAX_PROMPT", "WeightedText", "parse_prompt"]

MAX_PROMPT = 500
"""Characters."""

_WEIGHT = re.compile(r"^(?P<text>.*?)\s*:\s*(?P<weight>[-+]?(\d+\.?\d*|\.\d+))\s*$", re.DOTALL)


@dataclass(frozen=True)
class WeightedText:
    text: str
    weight: float


def parse_prompt(prompt: str) -> list[WeightedText]:
    """Parts between `|`, each with an optional weight after its last colon (1 unless given, may be negative).

    Control characters are dropped. An empty prompt gives an empty list; a weight without text raises `EngineError`.
    """
    printable = "".join(" " if unicodedata.category(c).startswith("C") else c for c in prompt)
    if len(printable) > MAX_PROMPT:
        raise EngineError(
            "The prompt has {count} characters; shorten it to at most {MAX_PROMPT}.",
            count=len(printable),
            MAX_PROMPT=MAX_PROMPT,
        )
    parts = []
    for part in filter(None, (piece.strip() for piece in printable.split("|"))):
        match = _WEIGHT.match(part)
        text, weight = (match["text"].strip(), float(match["weight"])) if match else (part, 1.0)
        if not text:
            raise EngineError(
                "The prompt part '{part}' has a weight but no words; write something before the colon.", part=part
            )
        parts.append(WeightedText(text, weight))
    return parts
