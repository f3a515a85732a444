"""Latent optimisation as an engine: the latent code of one face is optimised until CLIP sees the prompt.

StyleCLIP (Patashnik et al., arXiv 2103.17249), §4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from engines.clip.encoder import ClipEncoder
from engines.clip.losses import REFERENCE_SIZE, clip_input, reference_clip_input
from engines.clip.prompts import parse_prompt
from engines.engine import Frame, reading_state
from engines.errors import EngineError, Sentence
from engines.settings import LiveSettings
from engines.styleclip.face import FaceEngine, identity_of, to_pixels
from engines.styleclip.optimize.latent import LatentOptimization
from engines.styleclip.optimize.settings import StyleCLIPOptimizeSettings

__all__ = ["StyleCLIPOptimize"]


class StyleCLIPOptimize(FaceEngine):
    """`Frame.losses` are those of `LatentOptimization.step`: the unweighted terms, and "loss", their weighted sum."""

    name: ClassVar[str] = "styleclip-optimize"
    title: ClassVar[str] = "StyleCLIP optimisation"
    summary: ClassVar[str] = "Optimise the latent of a face, step by step, until CLIP sees the prompt."
    Settings: ClassVar[type[StyleCLIPOptimizeSettings]] = StyleCLIPOptimizeSettings

    def __init__(self, models):
        super().__init__(models)
        self._optimization: LatentOptimization | None = None
        self._saved: dict[str, Any] | None = None
        self._accepted: int | None = None

    def run(self, settings: StyleCLIPOptimizeSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        live = live or LiveSettings(settings)
        self._encoder = self.models.clip()
        embed = clip_view(self._encoder, settings.reference_clip_input)
        if settings.mode == "free":
            self.open_generator(settings)
            self._start = self._generator.mapping.w_avg.repeat(1, self._generator.num_ws, 1)
        else:
            yield from self.find_face(settings, settings.num_steps)
        self._begin(settings, embed)
        yield self._frame(live.current, {})
        while self._optimization.steps_done < live.current.num_steps:
            now = live.current
            losses = self._advance(now)
            yield self._frame(now, losses)

    def _begin(self, settings: StyleCLIPOptimizeSettings, embed: Callable[[Tensor], Tensor]) -> None:
        self._identity = None if settings.mode == "free" else identity_of(self.models, settings)
        self._optimization = LatentOptimization(
            self._generator, self._start, space=settings.space, embed=embed, identity=self._identity
        )  # fmt: skip
        if self._saved is not None:
            self._optimization.load_state_dict(self._saved)
        if self._accepted is None:  # a count that the run begins with is of presses before it
            self._accepted = settings.accepted
        self._before = to_pixels(self._optimization.start_picture)

    def _advance(self, now: StyleCLIPOptimizeSettings) -> dict[str, float]:
        if now.accepted > self._accepted:
            self._optimization.accept()
            self._before = to_pixels(self._optimization.start_picture)
        self._accepted = now.accepted
        is_held = now.mode == "edit"
        losses = self._optimization.step(
            [(self._encoder.encode_text(part.text), part.weight) for part in parse_prompt(now.prompt)],
            num_steps=now.num_steps,
            lr=now.lr,
            l2_lambda=now.l2_lambda if is_held else 0.0,
            id_lambda=now.id_lambda if is_held else 0.0,
            levels=now.levels,
            companions=self._companions(now.companions) if is_held else None,
        )
        self.step += 1
        return losses

    @torch.no_grad()
    def _companions(self, count: int) -> Tensor | None:
        """(count, num_ws, w_dim), for every step others."""
        if not count:
            return None
        random = torch.Generator().manual_seed(self._optimization.steps_done)
        z = torch.randn(count, self._generator.z_dim, generator=random)
        return self._generator.mapping(z.to(self._start.device))

    # ------------------------------------------------------------------ frames and state

    def _frame(self, now: StyleCLIPOptimizeSettings, losses: dict[str, float]) -> Frame:
        optimization, code = self._optimization, self._optimization.code()

        def render() -> np.ndarray:
            with torch.no_grad():
                return to_pixels(optimization.render(code))

        steps = self.step - optimization.steps_done + now.num_steps
        return Frame(
            self.step, steps, render, losses, before=self._before, status=self._status(now), notices=self._notices(now)
        )

    def _status(self, now: StyleCLIPOptimizeSettings) -> str:
        if not now.levels:
            return Sentence("Coarse, medium and fine rows are all held; free some of them to let the face move.")
        return ""

    def _notices(self, now: StyleCLIPOptimizeSettings) -> tuple[str, ...]:
        notices = []
        if now.mode == "edit" and now.id_lambda and self._identity is None:
            notices.append(
                Sentence("There is no identity network for these models, so the weight 'id_lambda' has no effect.")
            )
        notices += [
            Sentence(
                "The prompt is longer than CLIP reads; only the beginning of '{part}…' counts.", part=part.text[:40]
            )
            for part in parse_prompt(now.prompt)
            if self._encoder.is_too_long(part.text)
        ]
        return tuple(notices)

    def state_dict(self) -> dict[str, Any]:
        optimization = self._saved if self._optimization is None else self._optimization.state_dict()
        return {**super().state_dict(), "walk": optimization, "accepted": self._accepted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        with reading_state(self.title):
            self._saved, self._accepted = state["walk"], state["accepted"]


def clip_view(encoder: ClipEncoder, is_reference: bool) -> Callable[[Tensor], Tensor]:
    """What turns pictures (N, 3, R, R), nominally in [-1, 1], into (N, embed_dim), as CLIP was trained or as released.

    Raises `EngineError` for a CLIP that does not look at what the released program shows.
    """
    if not is_reference:
        return lambda pictures: encoder.encode_image(clip_input(pictures, encoder.image_size))
    if encoder.image_size != REFERENCE_SIZE:
        raise EngineError(
            "Setting 'reference_clip_input' needs a CLIP that looks at {REFERENCE_SIZE} pixels, and "
            "{name} looks at {image_size}; switch it off.",
            REFERENCE_SIZE=REFERENCE_SIZE,
            name=encoder.name,
            image_size=encoder.image_size,
        )
    return lambda pictures: encoder.encode_image(reference_clip_input(pictures), normalize=False)
