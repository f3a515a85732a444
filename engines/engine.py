"""The contract of every method: an engine is a generator of frames that reads its settings afresh at every step::

    for frame in CLIPDraw(models).run(settings, live):
        frame.image, frame.scene, frame.losses, frame.step

The caller owns the loop: to pause is not to ask for the next frame, to stop is to close the generator.
Engines draw no progress bars, write no files of a run, do not sleep and know no threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from engines.errors import EngineError
from engines.settings import EngineSettings, LiveSettings

if TYPE_CHECKING:
    from engines.vector import Scene
    from engines.zoo import Models

__all__ = ["Engine", "Frame", "RestingEngine", "reading_state"]


@dataclass(frozen=True)
class Frame:
    """The state of a running method after a step, as the user sees it.

    step: steps done so far (0: the picture before the first). steps: how many the run will have.
    render: draws the picture, (H, W, 3) uint8 RGB; called at most once, and only if somebody looks (`image`).
    losses: term → value. scene, background: the drawing as vectors and the RGB in [0, 1] behind it, where the method
    has them. before: the picture before it was edited, (H, W, 3) uint8, for a view that compares the two.
    status: one short sentence or "". notices: sentences about what was left out or not understood.
    is_resting: nothing more happens until a live setting changes; the next frame then obeys it.
    """

    step: int
    steps: int
    render: Callable[[], np.ndarray]
    losses: dict[str, float] = field(default_factory=dict)
    scene: Scene | None = None
    background: tuple[float, float, float] | None = None
    before: np.ndarray | None = None
    status: str = ""
    notices: tuple[str, ...] = ()
    is_resting: bool = False

    @cached_property
    def image(self) -> np.ndarray:
        return self.render()


class Engine(ABC):
    """One method. `run` may be iterated once per instance; make a new instance for the next run.

    `state_dict()` holds all that the next step depends on: CPU tensors, and JSON values (numbers, strings, lists,
    dicts of these) for the rest. An engine that loaded it continues as if it had never stopped: same device, same
    pixels. Ask for it between two frames, not during one.
    """

    name: ClassVar[str]
    """As on the command line: "clipdraw"."""
    title: ClassVar[str]
    """As on the page: "CLIPDraw"."""
    summary: ClassVar[str]
    """One sentence."""
    Settings: ClassVar[type[EngineSettings]]
    has_scene: ClassVar[bool] = False
    """Whether its frames carry a scene of strokes."""
    artifact: ClassVar[str] = ""
    """The kind of model that a run produces for other runs to use ("mapper"); `write_model` writes it."""

    def __init__(self, models: Models):
        self.models = models

    @abstractmethod
    def run(self, settings: EngineSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        """Yield a frame for the start (or for the loaded state), then one after every step.

        Settings are read from `live.current` at every step; without `live` they stay as given, and a run that would
        rest (`Frame.is_resting`) ends. Raises `EngineError` with one clear sentence when the user can fix it.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]: ...

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None: ...

    @classmethod
    def write_model(cls, state: dict[str, Any], path: Path) -> None:
        """Write the `artifact` of a run, given the `state_dict()` of its engine, as safetensors.

        Raises `EngineError` when there is nothing to write yet.
        """
        raise EngineError("A run of {title} leaves no model; export a picture instead.", title=cls.title)


class RestingEngine(Engine):
    """An engine that works until its picture follows the settings, then rests until a live setting changes.

    A subclass implements `prepare`, `is_stale`, `advance` and `frame`. `step` counts the steps; `is_live` says whether
    settings can change, so that a frame may report an error as its status and wait for other settings.
    """

    step: int = 0
    is_live: bool = False

    @abstractmethod
    def prepare(self, settings: EngineSettings) -> Iterator[Frame]:
        """Load models and inputs; yield frames where that takes steps of its own (a projection, a measurement)."""

    @abstractmethod
    def is_stale(self, settings: EngineSettings) -> bool:
        """Whether there is work left for these settings."""

    @abstractmethod
    def advance(self, settings: EngineSettings) -> None:
        """Make one step. Called only when `is_stale`."""

    @abstractmethod
    def frame(self, settings: EngineSettings) -> Frame:
        """The present picture under these settings; the loop fills in `is_resting`.

        An `EngineError` ends a run without live settings; a live run keeps its last picture, shows the sentence as its
        status and waits for other settings.
        """

    def wake(self, settings: EngineSettings) -> None:
        """Called in place of `advance` after a rest, with the settings that ended it."""
        if self.is_stale(settings):
            self.advance(settings)

    def run(self, settings: EngineSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        self.is_live = live is not None
        live = live or LiveSettings(settings)
        frame = None
        for frame in self.prepare(settings):
            yield frame
        while True:
            frame = self._checked_frame(live.current, frame)
            yield frame
            if frame.is_resting and not self.is_live:
                return
            now = live.current
            if frame.is_resting:
                self.wake(now)
            elif self.is_stale(now):
                self.advance(now)
            self.step += 1

    def _checked_frame(self, now: EngineSettings, last: Frame | None) -> Frame:
        try:
            frame = self.frame(now)
            return replace(frame, is_resting=not self.is_stale(now))
        except EngineError as error:
            if not self.is_live or last is None:
                raise
            return replace(last, step=self.step, steps=self.step, status=error.sentence, is_resting=True)


@contextmanager
def reading_state(title: str = "") -> Iterator[None]:
    """Turn what goes wrong while a saved state is read into one sentence.

    title: of the method that saved it; without one the state is that of a training.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        if title:
            raise EngineError("The saved state is not one of {title}; choose another one.", title=title) from None
        raise EngineError("The saved state is of a training with other settings; choose another one.") from None
