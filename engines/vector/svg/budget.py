"""Limits on the work that one SVG file can cause, and the notices that reading it leaves.

Every loop over a file's content spends from a `Budget`, so time and memory are bounded whatever the file holds.
"""

from __future__ import annotations

from engines.errors import EngineError, Sentence
from engines.svg_file import MAX_BYTES

__all__ = ["MAX_DEPTH", "REASONS", "Budget", "Notices", "shown"]

MAX_COMMANDS = 500_000
"""Commands of all paths, corners of polygons among them; an arc counts as several."""
MAX_DEPTH = 100
"""Nested elements, with those that `use` refers to."""
MAX_POINTS = 1_000_000
"""Control points of the drawing."""

LIMITS = {
    "elements": 50_000,  # in the file
    "characters": MAX_BYTES,  # of attributes and text, after entities are expanded
    "visits": 50_000,  # elements drawn, with every copy that `use` makes
    "points": MAX_POINTS,
    "path commands": MAX_COMMANDS,
    "style characters": 4_000_000,
    "style tokens": 150_000,
    "selectors": 5_000,
    "selector tests": 250_000,
    "transforms": 100_000,
    "item passes": 200_000,  # shapes gone through once more by clips and group opacity
    "geometry": 600_000,  # about the pairs of line segments whose boxes meet, in clips and outlines
}
TOO_MUCH_STYLE = Sentence(
    "The SVG drawing has too much text in its style sheets; save it with presentation attributes."
)
TOO_MANY_RULES = Sentence("The SVG drawing has too many style rules; save it with presentation attributes.")
REASONS = {
    "elements": Sentence("The SVG drawing has too many or too deeply nested elements; simplify it."),
    "characters": Sentence("The SVG drawing declares XML entities that expand beyond bounds; save it as plain SVG."),
    "visits": Sentence("The SVG drawing repeats its parts too often; simplify it."),
    "points": Sentence("The SVG drawing has more than {count:,} points; simplify it.", count=MAX_POINTS),
    "path commands": Sentence(
        "The SVG drawing has paths of more than {count:,} commands; simplify it.", count=MAX_COMMANDS
    ),
    "style characters": Sentence(
        "The SVG drawing has too much text in its style sheets; save it with presentation attributes."
    ),
    "style tokens": Sentence(
        "The SVG drawing has too much text in its style sheets; save it with presentation attributes."
    ),
    "selectors": TOO_MANY_RULES,
    "selector tests": Sentence(
        "The SVG drawing has too many style rules for its elements; save it with presentation attributes."
    ),
    "transforms": Sentence("The SVG drawing has too many transforms; flatten them."),
    "item passes": Sentence("The SVG drawing nests clip paths or group opacity too deeply; flatten it."),
    "geometry": Sentence("The SVG drawing has clip paths that are too complicated; flatten it."),
}
MAX_NOTICES = 20
MORE_NOTICES = Sentence("More parts of the SVG drawing were left out or not understood.")


class Budget:
    """Units of work left, by kind."""

    def __init__(self) -> None:
        self.left = dict(LIMITS)

    def spend(self, kind: str, amount: int = 1) -> None:
        """Take `amount` units; `EngineError` when fewer are left."""
        if not self.afford(kind, amount):
            raise EngineError(REASONS[kind])

    def afford(self, kind: str, amount: int = 1) -> bool:
        """Take `amount` units if they are left; otherwise take none and return False."""
        if amount > self.left[kind]:
            return False
        self.left[kind] -= amount
        return True


class Notices:
    """Sentences on what was left out or not understood, each once and in order; at most `MAX_NOTICES`."""

    def __init__(self) -> None:
        self._sentences: dict[Sentence, None] = {}

    def add(self, sentence: Sentence) -> None:
        if len(self._sentences) < MAX_NOTICES:
            self._sentences[sentence] = None
        else:
            self._sentences[MORE_NOTICES] = None

    def __iter__(self):
        return iter(self._sentences)


def shown(text: str) -> str:
    """At most 40 characters of a file's text, fit for a sentence."""
    text = " ".join(text[:200].split())
    return "".join(c if c.isprintable() else "?" for c in (text if len(text) <= 40 else text[:37] + "..."))
