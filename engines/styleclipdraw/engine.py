"""The StyleCLIPDraw loop: CLIPDraw whose strokes also take on the style of a picture.

Schaldenbrand, Liu & Oh, "StyleCLIPDraw: Coupling Content and Style in Text-to-Drawing Translation", arXiv 2202.12362
(workshop version 2111.03133). The released code couples the two in three ways; each is a preset here:

    Slow    alternating: one Adam step for the prompt; at every fifth, 50 RMSprop steps for the style alone
    Fast    joint: RMSprop on the sum; the prompt counts a tenth in the last fifth of the run
    Joint   joint: Adam on the sum, style weight 4 · strength / 100; without the prompt in the last tenth

and so is the baseline that the paper compares with, the style transferred to the strokes of a finished drawing.

Style loss: half the sum of relaxed EMD, moments and palette, each with a weight. Deviations: strokes are brought back
into their range after every step, not after a whole turn of the style; every step for the style alone is a step of the
run, so that it is seen and can be stopped; means over the views, as in CLIPDraw. By default the style network looks at
96 px and fewer samples, so that a step costs at most two of CLIPDraw's, and the background takes part in the style.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.clipdraw.engine import CLIPDraw
from engines.clipdraw.strokes import Rates
from engines.engine import reading_state
from engines.images import load_picture
from engines.style import (
    SWATCHES,
    Samples,
    drawing_positions,
    gram_loss,
    hypercolumns,
    moment_loss,
    palette_loss,
    relaxed_emd,
    self_similarity_loss,
    style_statistics,
)
from engines.styleclipdraw.settings import StyleCLIPDrawSettings
from engines.vector import composite, rasterize

__all__ = ["StyleCLIPDraw"]

STYLE_TERMS = {"texture": relaxed_emd, "moments": moment_loss, "palette": palette_loss, "gram": gram_loss}
"""Label in `Frame.losses`, and of the setting that weighs it → the loss."""
USUAL_STRENGTH = 50.0
"""At which steps for the style alone have their set rates."""


@dataclass(frozen=True)
class StyleSource:
    """All that the statistics of a style depend on. picture, region: files; region may be ""."""

    picture: str
    region: str
    mapping: str
    draws: int


class StyleCLIPDraw(CLIPDraw):
    name: ClassVar[str] = "styleclipdraw"
    title: ClassVar[str] = "StyleCLIPDraw"
    summary: ClassVar[str] = "Bézier strokes that become the prompt in the style of a picture."
    Settings = StyleCLIPDrawSettings
    SHORTEST_SIDE: ClassVar = 16  # the style network halves four times

    def __init__(self, models):
        super().__init__(models)
        self._style_done = 0  # steps for the style alone so far
        self._style_due = 0  # and those left of this turn
        self._skipped = 0  # steps that an early end of the prompt spared
        self._best_likeness: tuple[int, float] | None = None  # (step, score)
        self._drawn: Tensor | None = None  # what the transfer began with, (3, H, W)
        self._drawn_maps: list[Tensor] | None = None
        self._statistics: dict[StyleSource, Samples] = {}

    def _prepare(self, settings: StyleCLIPDrawSettings) -> None:
        self._encoder = self.models.style_features()
        super()._prepare(settings)
        self._clip_size = self._size(settings, super()._guidance_side(settings))
        self._style_size = self._size(settings, settings.style_size)
        self._styles(settings)  # what is wrong with a picture is said before the first step

    def _guidance_side(self, settings: StyleCLIPDrawSettings) -> int:
        return max(super()._guidance_side(settings), settings.style_size)

    # ------------------------------------------------------------------ whose turn it is

    def _advance(self, settings: StyleCLIPDrawSettings) -> dict[str, float]:
        if self._is_style_alone(settings):
            return self._advance_style(settings)
        losses = super()._advance(settings)
        if settings.coupling == "alternating" and self._ends_in_style(settings, self._step - 1):
            self._style_due = settings.style_steps
        self._drawn = self._drawn_maps = None
        return losses

    def _advance_style(self, settings: StyleCLIPDrawSettings) -> dict[str, float]:
        """One step for the style alone; returns the loss terms."""
        self._match_stroke_count(settings)
        if settings.coupling == "sequential" and self._drawn is None:
            self._drawn = self._picture(settings)
        losses = self._descend(settings, self._style_guidance, self._update_for_style)
        self._style_done += 1
        self._style_due = max(0, self._style_due - 1)
        return losses

    def _is_style_alone(self, settings: StyleCLIPDrawSettings) -> bool:
        if settings.coupling == "alternating":
            return self._style_due > 0
        return settings.coupling == "sequential" and self._step >= super()._total_steps(settings)

    def _ends_in_style(self, settings: StyleCLIPDrawSettings, step: int) -> bool:
        """Alternating: whether the style has its turn after `step`."""
        own = self._try_step(settings, step)
        return own % settings.style_every == 0 or own == settings.num_steps - 1

    @property
    def _steps_done(self) -> int:
        return self._step + self._style_done

    def _total_steps(self, settings: StyleCLIPDrawSettings) -> int:
        drawing = max(super()._total_steps(settings) - self._skipped, self._step)
        if settings.coupling == "alternating":
            turns = sum(self._ends_in_style(settings, step) for step in range(self._step, drawing))
            return drawing + self._style_done + self._style_due + turns * settings.style_steps
        if settings.coupling == "sequential":
            return drawing + max(settings.transfer_steps, self._style_done)
        return drawing

    def _try_step(self, settings: StyleCLIPDrawSettings, step: int | None = None) -> int:
        return super()._try_step(settings, step) + self._skipped

    # ------------------------------------------------------------------ prompt and style

    def _guidance(
        self, settings: StyleCLIPDrawSettings, rgba: Tensor, background: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        content, terms = super()._guidance(settings, _shrunk(rgba, self._clip_size), background)
        if settings.coupling != "joint" or not settings.style_strength:
            return content, terms
        style, style_terms = self._style_guidance(settings, rgba, background)
        self._end_early(settings, -content.item())
        loss = self._content_share(settings) * content + 4 * settings.style_strength / 100 * style
        return loss, {**terms, **style_terms}

    def _content_share(self, settings: StyleCLIPDrawSettings) -> float:
        progress = self._try_step(settings) / settings.num_steps
        return settings.content_weight * (settings.fade_to if progress >= settings.fade_from else 1.0)

    def _end_early(self, settings: StyleCLIPDrawSettings, likeness: float) -> None:
        """Go to where the prompt fades when the likeness has not grown for `patience` steps."""
        if self._best_likeness is None or likeness > self._best_likeness[1]:
            self._best_likeness = self._step, likeness
        ahead = int(settings.fade_from * settings.num_steps) - self._try_step(settings)
        tries_are_over = self._step >= self._spent_on_tries(settings)
        if settings.patience and tries_are_over and self._step - self._best_likeness[0] == settings.patience:
            self._skipped += max(0, ahead)

    def _style_guidance(
        self, settings: StyleCLIPDrawSettings, rgba: Tensor, background: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """How far the drawing is from the style, and in a transfer from the arrangement that it began with."""
        maps = self._maps(settings, composite(rgba, background))
        positions = drawing_positions(*self._style_size, settings.style_samples, self._generator)
        columns = Samples(hypercolumns(maps, positions))
        loss, terms = self._style_loss(settings, columns)
        if self._drawn is not None:
            self._drawn_maps = self._drawn_maps or self._maps(settings, self._drawn)
            terms["arrangement"] = self_similarity_loss(columns, Samples(hypercolumns(self._drawn_maps, positions)))
            loss = loss + settings.keep_weight * terms["arrangement"]
        return loss, {label: value.item() for label, value in terms.items()}

    def _style_loss(self, settings: StyleCLIPDrawSettings, columns: Samples) -> tuple[Tensor, dict[str, Tensor]]:
        """L = ½ Σ weight · term, and the terms whose weight is not 0; mixed styles by their shares."""
        styles = self._styles(settings)
        weights = {label: getattr(settings, f"{label}_weight") for label in STYLE_TERMS}
        terms = {
            label: sum(share * term(columns, style) for style, share in styles)
            for label, term in STYLE_TERMS.items()
            if weights[label]
        }
        return 0.5 * sum(weights[label] * term for label, term in terms.items()), terms

    def _maps(self, settings: StyleCLIPDrawSettings, picture: Tensor) -> list[Tensor]:
        return self._encoder.maps(_shrunk(picture, self._style_size)[None], settings.style_mapping)

    @torch.no_grad()
    def _picture(self, settings: StyleCLIPDrawSettings) -> Tensor:
        """The drawing as it is looked at, (3, H, W)."""
        scene = self._painted(settings)
        rgba = rasterize(scene, self._guidance_size, backend=self._backend, convention=settings.convention)
        return composite(rgba, self._background_now(settings))

    # ------------------------------------------------------------------ optimisers

    def _update(self, settings: StyleCLIPDrawSettings) -> None:
        if settings.optimizer == "adam":
            super()._update(settings)
        else:
            self._strokes.rmsprop_step(self._rates(settings), self._locked(settings), "square")
            self._keep_in_range(settings)

    def _update_for_style(self, settings: StyleCLIPDrawSettings) -> None:
        unit, factor = self._strokes.unit, settings.style_strength / USUAL_STRENGTH
        rates = Rates(
            points=settings.style_points_lr * unit * factor,
            widths=settings.style_width_lr * unit * factor,
            colors=settings.style_color_lr * factor,
        )
        self._strokes.rmsprop_step(rates, self._locked(settings), "style_square")
        self._keep_in_range(settings)

    # ------------------------------------------------------------------ style pictures

    def _styles(self, settings: StyleCLIPDrawSettings) -> list[tuple[Samples, float]]:
        """The styles that count, each with its share. They are looked at once and again only when they are changed."""
        first = settings.style_image or SWATCHES[settings.swatch]
        second = settings.second_style_image or SWATCHES.get(settings.second_swatch)
        shares = {_source(first, settings.style_region, settings): 1 - settings.style_mix if second else 1.0}
        if second:
            source = _source(second, "", settings)
            shares[source] = shares.get(source, 0.0) + settings.style_mix
        shares = {source: share for source, share in shares.items() if share}
        self._statistics = {
            source: self._statistics.get(source) or self._measured(source, settings) for source in shares
        }
        return [(self._statistics[source], share) for source, share in shares.items()]

    def _measured(self, source: StyleSource, settings: StyleCLIPDrawSettings) -> Samples:
        return style_statistics(
            self._encoder,
            load_picture(source.picture),
            generator=torch.Generator().manual_seed(settings.seed),  # its own: a swap leaves the run's numbers alone
            mask=load_picture(source.region).mean(2) / 255 if source.region else None,
            draws=source.draws,
            mapping=source.mapping,
            long_edge=max(self._style_size),
        )

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "style_done": self._style_done,
            "style_due": self._style_due,
            "skipped": self._skipped,
            "best_likeness": self._best_likeness,
            "drawn": self._drawn,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        with reading_state(self.title):
            self._style_done, self._style_due, self._skipped = (
                state[name] for name in ("style_done", "style_due", "skipped")
            )
            self._best_likeness = state["best_likeness"]
            self._drawn = None if state["drawn"] is None else state["drawn"].to(self.models.device)


def _source(picture: str | Path, region: str, settings: StyleCLIPDrawSettings) -> StyleSource:
    return StyleSource(str(picture), region, settings.style_mapping, settings.style_draws)


def _shrunk(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, H, W) → (C, *size), averaging what falls together."""
    if picture.shape[1:] == size:
        return picture
    return F.interpolate(picture[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
