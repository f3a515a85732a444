"""The recorded pictures and losses of a run, both thinned to a bounded number."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from pathlib import Path

from engines.errors import EngineError
from engines.saved_files import is_file, read_saved, remove, steps_in

__all__ = ["LossHistory", "Timeline"]

log = logging.getLogger(__name__)

MAX_PICTURES = 300
MAX_LOSSES = 500


class Timeline:
    """JPEG files ``00000120.jpg`` in one folder, the name being the step. Thread-safe.

    Every `stride`-th step is kept. When there would be more than `MAX_PICTURES`, every second one goes and the
    stride doubles.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._lock = threading.RLock()
        self._steps = steps_in(folder, ".jpg")
        self._stride = 1

    def wants(self, step: int, steps: int) -> bool:
        """Whether the picture after `step` of `steps` should be recorded."""
        with self._lock:
            while steps // self._stride >= MAX_PICTURES:
                self._stride *= 2
            return step % self._stride == 0 or step == steps

    def record(self, step: int, jpeg: bytes) -> None:
        with self._lock:
            if step in self._steps:
                return
            self._folder.mkdir(exist_ok=True)
            # Renamed into place, so that a half written picture is never shown; not flushed, it can be spared.
            temporary = self._folder / ".picture"
            temporary.write_bytes(jpeg)
            os.replace(temporary, self._path(step))
            self._steps.append(step)
            while len(self._steps) > MAX_PICTURES:
                self._stride *= 2
                self._keep([s for s in self._steps if s % self._stride == 0 or s == step])

    def steps(self) -> list[int]:
        with self._lock:
            return list(self._steps)

    def picture_at(self, step: int) -> bytes:
        """The JPEG recorded at `step`, or the last one before it."""
        with self._lock:
            for earlier in reversed([s for s in self._steps if s <= step]):
                try:
                    return read_saved(self._path(earlier))
                except EngineError as error:
                    log.warning("recorded picture %d is skipped: %s", earlier, error)
        raise EngineError("No picture was recorded at step {step}.", step=step)

    def drop_after(self, step: int) -> None:
        with self._lock:
            self._keep([s for s in self._steps if s <= step])

    def copy_until(self, step: int, target: Path) -> None:
        with self._lock:
            target.mkdir(exist_ok=True)
            for kept in (s for s in self._steps if s <= step and is_file(self._path(s))):
                shutil.copyfile(self._path(kept), target / self._path(kept).name)

    def _keep(self, steps: list[int]) -> None:
        for step in set(self._steps) - set(steps):
            remove(self._path(step))
        self._steps = steps

    def _path(self, step: int) -> Path:
        return self._folder / f"{step:08d}.jpg"


class LossHistory:
    """(step, seconds that it took, losses) of every `stride`-th step, at most `MAX_LOSSES` of them."""

    def __init__(self, rows: list[tuple[int, float, dict[str, float]]] = ()):
        self.rows = list(rows)
        self._stride = 1

    def record(self, step: int, seconds: float, losses: dict[str, float]) -> None:
        if step % self._stride == 0:
            self.rows.append((step, seconds, {name: float(value) for name, value in losses.items()}))
        if len(self.rows) > MAX_LOSSES:
            self._stride *= 2
            self.rows = [row for row in self.rows if row[0] % self._stride == 0]

    def drop_after(self, step: int) -> None:
        self.rows = [row for row in self.rows if row[0] <= step]
