"""The seam between a run and what computes it. Plain data crosses it: settings, changes, frames, states."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

from engines.engine import Engine, Frame
from engines.errors import EngineError
from engines.settings import EngineSettings, LiveSettings

__all__ = ["LocalExecutor"]

log = logging.getLogger(__name__)


class LocalExecutor:
    """Drives one engine in this process, on the calling thread.

    `open_models()` loads the models, or finds them loaded; it is called when the engine is first needed, which is
    after the run got its device.
    """

    def __init__(self, engine_class: type[Engine], open_models: Callable[[], Any]):
        self._engine_class = engine_class
        self._open_models = open_models
        self._models: Any = None
        self._engine: Engine | None = None
        self._frames: Iterator[Frame] | None = None
        self._live: LiveSettings | None = None

    def open(self, settings: EngineSettings, state: dict[str, Any] | None) -> None:
        """A new engine that starts from `state`, or from the beginning."""
        self._drop()
        self._models = self._open_models()
        self._engine = self._engine_class(self._models)
        if state is not None:
            self._load(state)
        self._live = LiveSettings(settings)
        self._frames = self._engine.run(settings, self._live)

    def _load(self, state: dict[str, Any]) -> None:
        try:
            self._engine.load_state_dict(state)
        except EngineError:
            raise
        except Exception as error:  # a damaged state may fail anywhere
            log.warning("a saved state does not fit: %r", error)
            raise EngineError("The saved state of this run is damaged; go back to an earlier step.") from None

    def next(self, changes: dict[str, Any]) -> Frame | None:
        """Apply the changed settings, then take one step. None when the method is done."""
        if changes:
            self._live.update(**changes)
        return next(self._frames, None)

    def state_dict(self) -> dict[str, Any]:
        return self._engine.state_dict()

    def used_models(self) -> list[dict[str, str]]:
        """{"name", "sha256"} of what the engine loaded so far."""
        return list(self._models.used)

    def device(self) -> str:
        return str(self._models.device)

    def close(self) -> None:
        """Let the engine go, and the memory it held with it."""
        self._drop()
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _drop(self) -> None:
        if self._frames is not None:
            try:
                self._frames.close()
            except Exception:
                log.exception("an engine did not close well")
        self._models = self._engine = self._frames = self._live = None
