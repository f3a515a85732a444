"""CLIP pixels: every pixel is a parameter, and Adam follows the CLIP loss of random views.

The smallest complete method: settings, frames, live settings, a state that can be saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from engines.clip.augment import random_views
from engines.clip.guidance import ClipGuide
from engines.engine import Engine, Frame, reading_state
from engines.errors import EngineError
from engines.images import as_pixels
from engines.optimization import check_finite, copies, load_moments, moments, set_learning_rate
from engines.settings import EngineSettings, LiveSettings, setting

__all__ = ["CLIPPixels", "CLIPPixelsSettings"]


class CLIPPixelsSettings(EngineSettings):
    prompt: str = setting("", label="Prompt", group="Prompt", live=True, max_length=300, help="What to show.")
    size: int = setting(
        64, label="Size", group="Picture", minimum=16, maximum=256, step=8, help="Side of the picture in px."
    )
    num_steps: int = setting(100, label="Steps", group="Optimiser", live=True, minimum=1, maximum=2000, help="Steps.")
    lr: float = setting(
        0.05,
        label="Learning rate",
        group="Optimiser",
        live=True,
        minimum=0,
        maximum=1,
        step=0.01,
        help="Learning rate of Adam.",
    )
    seed: int = setting(
        0, label="Seed", group="Optimiser", minimum=0, maximum=2**31 - 1, help="Same seed, same picture."
    )


class CLIPPixels(Engine):
    name: ClassVar[str] = "clip-pixels"
    title: ClassVar[str] = "CLIP pixels"
    summary: ClassVar[str] = "Pixels, optimised until CLIP sees the prompt."
    Settings: ClassVar[type[CLIPPixelsSettings]] = CLIPPixelsSettings

    def __init__(self, models):
        super().__init__(models)
        self._step = 0
        self._saved: dict[str, Any] | None = None

    def run(self, settings: CLIPPixelsSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        live = live or LiveSettings(settings)
        if not settings.prompt.strip():
            raise EngineError("Setting 'prompt' is empty; type what to draw.")
        self._prepare(settings)
        yield self._frame(live.current, {})
        while self._step < live.current.num_steps:
            now = live.current
            yield self._frame(now, self._advance(now))

    def _prepare(self, settings: CLIPPixelsSettings) -> None:
        self._guide = ClipGuide.load(self.models.clip, "")
        self._random = torch.Generator().manual_seed(settings.seed)
        noise = torch.rand(3, settings.size, settings.size, generator=self._random)
        self._pixels = noise.to(self.models.device).requires_grad_(True)  # (3, S, S) in [0, 1]
        self._optimizer = torch.optim.Adam([self._pixels])
        if self._saved is not None:
            with reading_state(self.title), torch.no_grad():
                self._pixels.copy_(self._saved["pixels"])
                load_moments(self._optimizer, [self._pixels], self._saved["optimizer"])
                self._random.set_state(self._saved["random"])

    def _advance(self, now: CLIPPixelsSettings) -> dict[str, float]:
        target = self._guide.text_target("prompt", now.prompt, 1.0)
        rgba = torch.cat([self._pixels, torch.ones_like(self._pixels[:1])])
        views = random_views(8, self._random, distortion=0.3, scale=(0.7, 1.0))
        similarities, score = self._guide.look(rgba, rgba.new_ones(3), [target], views)
        losses = {"loss": -score.item(), "prompt": similarities[0].item()}
        check_finite(losses)
        self._optimizer.zero_grad()
        (-score).backward()
        set_learning_rate(self._optimizer, now.lr)
        self._optimizer.step()
        with torch.no_grad():
            self._pixels.clamp_(0, 1)
        self._step += 1
        return losses

    def _frame(self, now: CLIPPixelsSettings, losses: dict[str, float]) -> Frame:
        pixels: Tensor = self._pixels.detach().clone()
        return Frame(self._step, now.num_steps, lambda: as_pixels(pixels), losses)

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self._step,
            "pixels": copies(self._pixels),
            "optimizer": moments(self._optimizer, [self._pixels]),
            "random": self._random.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with reading_state(self.title):
            self._step, self._saved = state["step"], state
