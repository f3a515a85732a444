"""A method that needs no models: strokes that wander. It drives the studio and the page in their tests.

Every step depends on all steps before it, on the settings of its moment and on random numbers, so two runs that end in
the same picture did the same thing all the way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import save_file

from engines.base import Engine, EngineError, EngineSettings, Frame, LiveSettings, setting
from engines.vector import Scene

__all__ = ["FAKE_ENGINES", "FakeEngine", "FakeModels", "FakePictures", "FakeSettings", "FakeView"]

CANVAS = 64


@dataclass
class FakeModels:
    """Stands for `engines.zoo.Models`."""

    family: str = "pocket"
    device: str = "cpu"
    used: list[dict[str, str]] = field(default_factory=lambda: [{"name": "fake", "sha256": "0" * 64}])


class FakeSettings(EngineSettings):
    prompt: str = setting(
        "a red apple", label="Prompt", help="What to draw.", group="Prompt", live=True, kind="longtext"
    )
    num_steps: int = setting(40, label="Steps", help="How long it draws.", group="Run", minimum=1, maximum=5000)
    seed: int = setting(0, label="Seed", help="Start of the random numbers.", group="Run", minimum=0, maximum=2**32 - 1)
    strokes: int = setting(8, label="Strokes", help="How many lines.", group="Drawing", minimum=1, maximum=64)
    wander: float = setting(
        1.0, label="Wander", help="How far a line moves.", group="Drawing", live=True, minimum=0, maximum=10, step=0.1
    )
    pen_width: float = setting(
        2.0, label="Pen width", help="In pixels.", group="Drawing", live=True, minimum=0.5, maximum=8, step=0.5
    )
    background: str = setting(
        "#ffffff", label="Background", help="The paper.", group="Drawing", live=True, kind="color"
    )
    init_image: str = setting("", label="Start from", help="A picture.", group="Drawing", kind="image")
    mask: str = setting("", label="Mask", help="Where to draw.", group="Drawing", kind="image", live=True)
    step_seconds: float = setting(
        0.0, label="Step time", help="Seconds that a step takes.", group="Test", minimum=0, maximum=60, live=True
    )
    fail_at: int = setting(-1, label="Fail at", help="The step that fails.", group="Test", minimum=-1, live=True)
    failure: Literal["sentence", "crash", "memory"] = setting(
        "sentence", label="Failure", help="How it fails.", group="Test", live=True
    )


class FakeEngine(Engine):
    name = "fake"
    title = "Fake"
    summary = "Strokes that wander, for tests."
    Settings = FakeSettings
    has_scene = True
    artifact = "numbers"

    def __init__(self, models: Any):
        super().__init__(models)
        self._step = 0
        self._random = torch.Generator()
        self._points: torch.Tensor | None = None

    def run(self, settings: FakeSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        live = live or LiveSettings(settings)
        if self._points is None:
            self._random.manual_seed(settings.seed)
            self._points = torch.rand(settings.strokes, 4, 2, generator=self._random) * CANVAS  # (N, K, 2)
        yield self._frame(live.current)
        while self._step < settings.num_steps:
            current = live.current
            if self._step + 1 == current.fail_at:
                raise _failure(current.failure)
            time.sleep(current.step_seconds)
            noise = torch.randn(self._points.shape, generator=self._random)
            pull = len(current.prompt) / 10 + current.pen_width
            self._points = self._points * 0.99 + noise * current.wander + 0.01 * pull
            self._step += 1
            yield self._frame(current)

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step, "points": self._points, "random": self._random.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._step, self._points = state["step"], state["points"]
        self._random.set_state(state["random"])

    @classmethod
    def write_model(cls, state: dict[str, Any], path: Path) -> None:
        save_file({"points": state["points"]}, path)

    def _frame(self, settings: FakeSettings) -> Frame:
        points = self._points
        return Frame(
            step=self._step,
            steps=settings.num_steps,
            render=lambda: _picture(points, settings),
            losses={"distance": float(points.square().mean()), "size": float(points.abs().max())},
            scene=_scene(points, settings) if self.has_scene else None,
            background=tuple(channel / 255 for channel in _rgb(settings.background)) if self.has_scene else None,
        )


class FakePictures(FakeEngine):
    """The same without a drawing: a method that only has pictures."""

    name = "fake-pictures"
    title = "Fake pictures"
    has_scene = False


class FakeView(FakeEngine):
    """Shows what its settings say, and rests until they change."""

    name = "fake-view"
    title = "Fake view"

    def run(self, settings: FakeSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        while True:
            current = settings if live is None else live.current
            self._points = torch.full((current.strokes, 4, 2), current.pen_width)
            yield replace(self._frame(current), is_resting=True)
            if live is None:
                return
            self._step += 1


FAKE_ENGINES = {engine.name: engine for engine in (FakeEngine, FakePictures, FakeView)}


def _picture(points: torch.Tensor, settings: FakeSettings) -> np.ndarray:
    image = np.full((CANVAS, CANVAS, 3), _rgb(settings.background), np.uint8)
    reach = max(1, round(settings.pen_width))
    for stroke, path in enumerate(points.remainder(CANVAS).long().tolist()):
        for x, y in path:
            image[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach] = _color(stroke)
    return image


def _rgb(color: str) -> list[int]:
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def _color(stroke: int) -> tuple[int, int, int]:
    return (stroke * 67) % 256, (stroke * 151 + 40) % 256, (stroke * 29 + 90) % 256


def _scene(points: torch.Tensor, settings: FakeSettings) -> Scene:
    count = len(points)
    colors = [[*(channel / 255 for channel in _color(stroke)), 0.8] for stroke in range(count)]
    widths = [settings.pen_width / 2] * count
    return Scene.from_paths(list(points.remainder(CANVAS)), [[2]] * count, widths, colors, CANVAS, CANVAS)


def _failure(kind: str) -> Exception:
    if kind == "sentence":
        return EngineError("The strokes fell off the paper; choose a smaller wander.")
    if kind == "memory":
        return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return RuntimeError("shape mismatch in /some/secret/place.py")
