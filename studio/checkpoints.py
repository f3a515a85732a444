"""The saved states of a run: the newest for a restart, some earlier ones for going back."""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path
from typing import Any

from engines.errors import EngineError
from engines.saved_files import remove, steps_in

__all__ = ["Checkpoints"]

log = logging.getLogger(__name__)

MAX_FILES = 32
MAX_BYTES = 2 * 1024**3


class Checkpoints:
    """Files ``00000120.safetensors`` in one folder, the name being the step. Thread-safe.

    At most `MAX_FILES` files and `MAX_BYTES`; when there are more, the one goes whose neighbours lie closest together,
    so that what is left covers the run evenly. The first and the newest always stay.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._lock = threading.RLock()

    def steps(self) -> list[int]:
        """The steps that have a state, in order."""
        return steps_in(self._folder, ".safetensors")

    def save(self, step: int, state: dict[str, Any]) -> None:
        from engines.state_file import save_state  # here, not above: the page must not wait for torch

        with self._lock:
            self._folder.mkdir(exist_ok=True)
            save_state(self._path(step), state)
            self._thin()

    def newest(self) -> Path | None:
        steps = self.steps()
        return self._path(steps[-1]) if steps else None

    def nearest(self, step: int) -> tuple[int, dict[str, Any]] | None:
        """The newest readable state at or before `step`, after its own step. None: start from the beginning."""
        from engines.state_file import load_state

        with self._lock:
            for candidate in reversed([s for s in self.steps() if s <= step]):
                try:
                    return candidate, load_state(self._path(candidate))
                except EngineError as error:
                    log.warning("checkpoint %d is skipped: %s", candidate, error)
        return None

    def drop_after(self, step: int) -> None:
        with self._lock:
            for later in [s for s in self.steps() if s > step]:
                remove(self._path(later))

    def copy_nearest(self, step: int, target: Path) -> None:
        """Copy the file that `nearest` would read into the folder `target`."""
        with self._lock:
            earlier = [s for s in self.steps() if s <= step]
            if earlier:
                target.mkdir(exist_ok=True)
                shutil.copyfile(self._path(earlier[-1]), target / self._path(earlier[-1]).name)

    def _thin(self) -> None:
        steps = self.steps()
        size = max(1, self._path(steps[-1]).stat().st_size)
        while len(steps) > max(2, min(MAX_FILES, MAX_BYTES // size)):
            index = min(range(1, len(steps) - 1), key=lambda i: steps[i + 1] - steps[i - 1])
            remove(self._path(steps.pop(index)))

    def _path(self, step: int) -> Path:
        return self._folder / f"{step:08d}.safetensors"
