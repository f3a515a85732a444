"""The sentences that a run shows when a step fails or a file cannot be written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from engines.errors import Sentence

__all__ = ["FOLDER_IS_GONE", "SaveNotices", "failure_message"]

log = logging.getLogger(__name__)

FOLDER_IS_GONE = Sentence("The folder of this run was deleted while it was in use; start the run again.")


class SaveNotices:
    """Saves files of the run in `folder`; a failure becomes a notice and does not end the run."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._notices: dict[str, Sentence] = {}

    @property
    def message(self) -> str:
        """The notice about a file that cannot be saved at present, or an empty string."""
        return next(iter(self._notices.values()), "")

    def save(self, what: str, write: Callable[[], None]) -> None:
        """Call `write`. what: the file in words, "final picture"."""
        try:
            write()
            self._notices.pop(what, None)
        except Exception as error:
            if not self._folder.is_dir():
                self._notices[what] = FOLDER_IS_GONE
                return
            if what not in self._notices:  # not at every step again
                log.exception("%s: %s could not be saved", self._folder.name, what)
            reason = getattr(error, "strerror", None) or type(error).__name__
            self._notices[what] = Sentence(
                "The {what} could not be saved ({reason}); make room on the disk, or see the log.",
                what=what,
                reason=reason,
            )


def failure_message(error: Exception) -> Sentence:
    """The message for an unexpected error."""
    out_of_memory = type(error).__name__ in ("OutOfMemoryError", "MemoryError") or "allocate memory" in str(error)
    if out_of_memory:
        return Sentence(
            "The device ran out of memory; choose a smaller canvas, fewer strokes or fewer augmented copies."
        )
    return Sentence(
        "Something went wrong inside the method; the last picture is kept. Resume to try again, or see the log."
    )
