"""Global directions as an engine: two texts, α and β; every frame shows the face under the present settings.

StyleCLIP (Patashnik et al., arXiv 2103.17249), §6.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from engines.clip.templates import sentences
from engines.engine import Frame, RestingEngine
from engines.errors import EngineError, Sentence
from engines.styleclip.directions.edits import Edit, parse_edits
from engines.styleclip.directions.formulas import (
    automatic_beta,
    beta_keeping,
    channel_offset,
    load_relevance,
    num_channels,
    text_direction,
    text_relevance,
)
from engines.styleclip.directions.settings import StyleCLIPDirectionsSettings
from engines.styleclip.face import FaceEngine, to_pixels
from engines.styleclip.loading import find_relevance, relevance_file
from engines.styleclip.relevance import (
    RelevanceEstimates,
    RelevanceTable,
    estimate_relevance,
    measure_remaining,
    relevance_codes,
    style_statistics,
)
from engines.stylegan2.style_space import move_conv_channels

__all__ = ["StyleCLIPDirections"]

CODES = 8  # faces over which relevance is estimated where there is no table
EXACT_CODES = 32  # faces over which a table is measured; published: 100
FEWEST = 100
"""Channels that an automatic beta moves at least; the released program's number for other pictures than FFHQ."""


class StyleCLIPDirections(FaceEngine, RestingEngine):
    name: ClassVar[str] = "styleclip-directions"
    title: ClassVar[str] = "StyleCLIP directions"
    summary: ClassVar[str] = "Edit a face along the direction between two texts; every slider acts at once."
    Settings: ClassVar[type[StyleCLIPDirectionsSettings]] = StyleCLIPDirectionsSettings

    def prepare(self, settings: StyleCLIPDirectionsSettings) -> Iterator[Frame]:
        parse_edits(settings.edits)
        yield from self.find_face(settings, steps=1)
        yield from self._load(settings)

    def is_stale(self, settings: StyleCLIPDirectionsSettings) -> bool:
        return self._measurement is not None

    def advance(self, settings: StyleCLIPDirectionsSettings) -> None:
        """The next estimate is made when its frame is: it says how many there are."""

    def frame(self, settings: StyleCLIPDirectionsSettings) -> Frame:
        if self.follow_face(settings):
            self._show_face()
        try:
            status = self._measure_relevance(settings)
            if self._measurement is None:
                self._picture, status = self._edited(settings)
        except EngineError as error:  # a slider went too far: the picture stays, and the user can go back
            self._measurement = None
            if not self.is_live:
                raise
            status = error.sentence
        return self._frame(status)

    def _load(self, settings: StyleCLIPDirectionsSettings) -> Iterator[Frame]:
        self._encoder = self.models.clip()
        self._relevance: dict[tuple[str, str, bool], Tensor] = {}
        self._fs3: Tensor | None = None
        self._measurement: Iterator[Sentence] | None = None  # of the relevance to two texts, while it is under way
        self._show_face()
        table = find_relevance(self.models, self._generator, self._encoder)
        if table is None:
            file = relevance_file(self._generator, self._encoder)
            self._estimates = RelevanceEstimates(file.with_suffix(".estimates.safetensors"))
            self._statistics = self._estimates.statistics(self._device) or style_statistics(self._generator)
            if settings.exact_relevance and not settings.relevance_table:
                table = yield from self._measure_table(file)
        self._std = self._statistics.std if table is None else table.std.to(self._device)
        if settings.relevance_table:
            self._fs3 = load_relevance(settings.relevance_table).to(self._device)
        elif table is not None:
            self._fs3 = table.fs3.to(self._device)

    def _measure_table(self, file: Path) -> Generator[Frame, None, RelevanceTable]:
        """Measure all channels, continuing where earlier runs stopped."""
        codes = relevance_codes(self._generator, EXACT_CODES)
        for table in measure_remaining(self._generator, self._encoder, self._statistics, codes, file):
            done, channels = len(table.fs3), len(table.std)
            yield self._frame(
                Sentence("Measuring what each style channel means: {number} of {total}.", number=done, total=channels)
            )
            self.step += 1
        return table

    @torch.no_grad()
    def _show_face(self) -> None:
        self._styles = self._generator.styles(self._start)
        self._before = self._picture = to_pixels(self._generator.synthesis_from_styles(self._styles))

    # ------------------------------------------------------------------ what the texts mean

    def _edits(self, now: StyleCLIPDirectionsSettings) -> list[Edit]:
        edits = parse_edits(now.edits)
        if now.prompt:
            edits.append(Edit(now.neutral, now.prompt, now.alpha, None if now.auto_beta else now.beta))
        return edits

    def _measure_relevance(self, now: StyleCLIPDirectionsSettings) -> Sentence | str:
        """Make the next estimate for texts whose relevance is not known yet; returns the status meanwhile."""
        texts = [(edit.neutral, edit.target, now.templates) for edit in self._edits(now)]
        while True:
            if self._measurement is None:
                missing = next((key for key in texts if key not in self._relevance), None)
                if missing is None:
                    return ""
                self._measurement = self._measure(*missing)
            status = next(self._measurement, None)
            if status is not None:
                return status
            self._measurement = None

    def _measure(self, neutral: str, target: str, templates: bool) -> Iterator[Sentence]:
        """Find the relevance of all channels to two texts; without a table picture by picture, with a status each."""
        direction = text_direction(self._embed(target, templates), self._embed(neutral, templates))
        key = (neutral, target, templates)
        if self._fs3 is not None:
            self._relevance[key] = text_relevance(self._fs3, direction)
            return
        known = self._estimates.find(direction)
        if known is not None:
            self._relevance[key] = known
            return
        codes = relevance_codes(self._generator, CODES)
        estimate = estimate_relevance(self._generator, self._encoder, self._statistics, codes, direction)
        for number, estimated in enumerate(estimate, 1):
            self._relevance[key] = estimated
            if number < CODES:
                yield Sentence(
                    "Measuring what each style channel means: {number} of {total} faces.", number=number, total=CODES
                )
        self._estimates.keep(self._statistics, direction, estimated)

    def _embed(self, text: str, templates: bool) -> Tensor:
        return self._encoder.encode_texts(sentences(text) if templates else [text])

    # ------------------------------------------------------------------ frames

    @torch.no_grad()
    def _edited(self, now: StyleCLIPDirectionsSettings) -> tuple[np.ndarray, Sentence]:
        offset, status = torch.zeros_like(self._std), Sentence("Write a target text to edit this face.")
        for edit in self._edits(now):
            relevance = self._relevance[edit.neutral, edit.target, now.templates]
            beta = self._beta(relevance) if edit.beta is None else edit.beta
            offset += channel_offset(relevance, self._std, edit.alpha, beta)
            count = num_channels(relevance, beta)
            status = Sentence(
                "Beta {beta:.2f} moves {count} of {total} style channels.", beta=beta, count=count, total=len(relevance)
            )
        return to_pixels(self._generator.synthesis_from_styles(move_conv_channels(self._styles, offset))), status

    def _frame(self, status: str) -> Frame:
        picture = self._picture
        return Frame(step=self.step, steps=self.step, render=lambda: picture, before=self._before, status=status)

    @staticmethod
    def _beta(relevance: Tensor) -> float:
        """The released program's choice, but never so high that hardly anything moves."""
        return min(automatic_beta(relevance, FEWEST), beta_keeping(relevance, FEWEST))
