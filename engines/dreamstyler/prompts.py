"""Sentences with a place for a style: what is written there for learning, for painting, and without the style.

DreamStyler (Ahn et al., arXiv 2309.06933), §3.2: everything that is not style is told in the sentence, so that the
style's vectors need not learn it.
"""

from __future__ import annotations

import re

from engines.errors import EngineError

__all__ = ["PLACE", "STYLE_PROMPT", "normalize", "sentence_of", "split_at_place", "without_style"]

PLACE = "{}"
STYLE_PROMPT = f"A painting in the style of {PLACE}"
"""The style alone (§3.3, as released)."""
_P = re.escape(PLACE)
_CLAUSES = (
    rf"[\s,]*\b(?:(?:painted|drawn|made|done|rendered) )?(?:in|with) (?:the |a )?(?:style|manner) of {_P}",
    rf"[\s,]*\b(?:(?:painted|drawn|made|done|rendered) )?in (?:the |a )?{_P}['\w]* (?:style|manner)",
    rf"[\s,]*\bin {_P}",
    rf"[\s,]*{_P} ?(?:스타일|양식|화풍|풍)(?:으로|로|의)?(?: 그린)?",
    rf"[\s,]*{_P}(?: style)?",
)
"""How a style is told, longest first."""


def normalize(prompt: str, name: str) -> str:
    """The prompt with `PLACE` where it may have the style's own name."""
    return prompt.replace(name, PLACE) if name.strip() else prompt


def split_at_place(prompt: str) -> tuple[str, str]:
    """What stands before and after `PLACE`. Raises `EngineError` unless there is exactly one."""
    count = prompt.count(PLACE)
    if count != 1:
        found = "no place" if not count else f"{count} places"
        raise EngineError(
            "The prompt '{prompt}' has {found} for the style; write {PLACE} in it exactly once.",
            prompt=prompt[:60],
            found=found,
            PLACE=PLACE,
        )
    before, _, after = prompt.partition(PLACE)
    return before, after


def sentence_of(caption: str) -> str:
    """What a painting is called when its style is learned: its caption, made a sentence unless it has a place already.

    Without a caption the weak variant: the vectors learn what the painting shows too.
    """
    caption = caption.strip().rstrip(".")
    if PLACE in caption:
        return caption
    return f"A painting of {caption}, in the style of {PLACE}" if caption else STYLE_PROMPT


def without_style(prompt: str) -> str:
    """The context alone: the prompt without the clause that tells the style."""
    for clause in _CLAUSES:
        shorter, count = re.subn(clause, "", prompt, flags=re.IGNORECASE)
        if count:
            return re.sub(r"\s+", " ", shorter).strip(" ,")
    return prompt
