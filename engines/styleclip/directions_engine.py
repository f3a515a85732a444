"""Global directions as an engine: two texts, α and β; every frame is the face as the settings have it now."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from engines.clip.templates import sentences
from engines.engine import Frame
from engines.errors import EngineError
from engines.settings import LiveSettings, setting
from engines.styleclip.directions import (
    automatic_beta,
    beta_keeping,
    channel_offset,
    load_relevance,
    num_channels,
    text_direction,
    text_relevance,
)
from engines.styleclip.face import FaceEngine, FaceSettings, to_pixels
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

__all__ = ["Edit", "StyleCLIPDirections", "StyleCLIPDirectionsSettings", "format_edit", "parse_edits"]

CODES, EXACT_CODES = 8, 32
"""Faces over which relevance is estimated where there is no table, and over which one is measured. Published: 100."""
FEWEST = 100
"""Channels that an automatic beta moves at least; the released program's number for other pictures than FFHQ."""


class StyleCLIPDirectionsSettings(FaceSettings):
    seed: int = FaceSettings.made_live("seed")
    truncation_psi: float = FaceSettings.made_live("truncation_psi")

    # ------------------------------------------------------------------ Texts
    prompt: str = setting(
        "", label="Target text", group="Texts", live=True, max_length=300,
        help='What the face shall be: "face with glasses". Empty: nothing is changed.',
    )  # fmt: skip
    neutral: str = setting(
        "face", label="Neutral text", group="Texts", live=True, max_length=300,
        help="What the face is without the change: the same phrase as the target, but for the attribute.",
    )  # fmt: skip
    alpha: float = setting(
        7.0, label="Strength (alpha)", group="Texts", live=True, minimum=-15, maximum=25, step=0.1,
        help="How far to go; below zero away from the target.",
    )  # fmt: skip
    auto_beta: bool = setting(
        True, label="Choose beta by itself", group="Texts", live=True,
        help="The largest beta from 0.10 to 0.29 that moves more than 100 channels, as in the released program.",
    )  # fmt: skip
    beta: float = setting(
        0.15, label="Disentanglement (beta)", group="Texts", live=True, minimum=0, maximum=0.8, step=0.01,
        help="Only style channels whose relevance reaches beta move: a higher one changes less beside the target.",
    )  # fmt: skip
    templates: bool = setting(
        True, label="Average over sentences", group="Texts", live=True, advanced=True,
        help="Put an English text into 79 sentences and average them, as the paper does.",
    )  # fmt: skip
    edits: str = setting(
        "", label="Accepted edits", group="Texts", live=True, kind="longtext", max_length=4000,
        help='Edits that stay beside the present one: "face > face with glasses @ 4, auto", separated by ";".',
    )  # fmt: skip
    relevance_table: str = setting(
        "", label="Relevance table", group="Face", kind="checkpoint", advanced=True,
        help="An fs3.npy made for your own generator and the CLIP in use. Without one, relevance is estimated.",
    )  # fmt: skip
    exact_relevance: bool = setting(
        False, label="Measure the table", group="Face", advanced=True,
        help="Measure the relevance of every channel instead of estimating it for each text: hours for a large "
        "generator, then kept on this machine.",
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- edits as text


@dataclass(frozen=True)
class Edit:
    """beta: None where it is chosen automatically."""

    neutral: str
    target: str
    alpha: float
    beta: float | None


def format_edit(edit: Edit) -> str:
    beta = "auto" if edit.beta is None else f"{edit.beta:g}"
    return f"{edit.neutral} > {edit.target} @ {edit.alpha:g}, {beta}"


def parse_edits(text: str) -> list[Edit]:
    """The edits in a text as `format_edit` writes them, separated by ";". Raises `EngineError` for anything else."""
    return [_parse_edit(part.strip()) for part in text.split(";") if part.strip()]


def _parse_edit(part: str) -> Edit:
    texts, _, numbers = part.rpartition("@")
    neutral, _, target = (words.strip() for words in texts.partition(">"))
    alpha, _, beta = (number.strip() for number in numbers.partition(","))
    try:
        edit = Edit(neutral, target, float(alpha), None if beta == "auto" else float(beta))
        if not neutral or not target or not math.isfinite(edit.alpha + (edit.beta or 0)):
            raise ValueError
        return edit
    except ValueError:
        raise EngineError(
            "Setting 'edits': '{part}' is no edit; write it like: face > face with glasses @ 4, auto.", part=part[:60]
        ) from None


# ---------------------------------------------------------------------------------------------- the engine


class StyleCLIPDirections(FaceEngine):
    name: ClassVar[str] = "styleclip-directions"
    title: ClassVar[str] = "StyleCLIP directions"
    summary: ClassVar[str] = "Edit a face along the direction between two texts; every slider acts at once."
    Settings: ClassVar[type[StyleCLIPDirectionsSettings]] = StyleCLIPDirectionsSettings

    def run(self, settings: StyleCLIPDirectionsSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        parse_edits(settings.edits)
        yield from self._find_face(settings, steps=1)
        yield from self._prepare(settings)
        while True:
            now = settings if live is None else live.current
            if self._follow_face(now):
                self._show_face()
            try:
                for texts in self._texts_to_measure(now):
                    yield from self._measure(*texts)
                self._picture, status = self._edited(now)
            except EngineError as error:  # a slider went too far: the picture stays, and the hand may go back
                if live is None:
                    raise
                status = str(error)
            yield self._frame(status, is_resting=True)
            if live is None:
                return
            self._step += 1

    def _prepare(self, settings: StyleCLIPDirectionsSettings) -> Iterator[Frame]:
        self._encoder = self.models.clip()
        self._relevance: dict[tuple[str, str, bool], Tensor] = {}
        self._fs3: Tensor | None = None
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
        """Of all channels; what earlier runs measured stays."""
        codes = relevance_codes(self._generator, EXACT_CODES)
        for table in measure_remaining(self._generator, self._encoder, self._statistics, codes, file):
            done, channels = len(table.fs3), len(table.std)
            yield self._frame(f"Measuring what each style channel means: {done} of {channels}.", is_resting=False)
            self._step += 1
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

    def _texts_to_measure(self, now: StyleCLIPDirectionsSettings) -> list[tuple[str, str, bool]]:
        wanted = [(edit.neutral, edit.target, now.templates) for edit in self._edits(now)]
        return [texts for texts in dict.fromkeys(wanted) if texts not in self._relevance]

    def _measure(self, neutral: str, target: str, templates: bool) -> Iterator[Frame]:
        """Sets the relevance of all channels to a pair of texts; where there is no table, picture by picture."""
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
        for number, relevance in enumerate(estimate, 1):
            self._relevance[key] = relevance
            if number < CODES:
                status = f"Measuring what each style channel means: {number} of {CODES} faces."
                yield self._frame(status, is_resting=False)
                self._step += 1
        self._estimates.keep(self._statistics, direction, relevance)

    def _embed(self, text: str, templates: bool) -> Tensor:
        return self._encoder.encode_texts(sentences(text) if templates else [text])

    # ------------------------------------------------------------------ frames

    @torch.no_grad()
    def _edited(self, now: StyleCLIPDirectionsSettings) -> tuple[np.ndarray, str]:
        offset, status = torch.zeros_like(self._std), "Write a target text to edit this face."
        for edit in self._edits(now):
            relevance = self._relevance[edit.neutral, edit.target, now.templates]
            beta = self._beta(relevance) if edit.beta is None else edit.beta
            offset += channel_offset(relevance, self._std, edit.alpha, beta)
            count = num_channels(relevance, beta)
            status = f"Beta {beta:.2f} moves {count} of {len(relevance)} style channels."
        return to_pixels(self._generator.synthesis_from_styles(move_conv_channels(self._styles, offset))), status

    def _frame(self, status: str, *, is_resting: bool) -> Frame:
        picture = self._picture
        return Frame(
            step=self._step, steps=self._step, render=lambda: picture, before=self._before, status=status,
            is_resting=is_resting,
        )  # fmt: skip

    @staticmethod
    def _beta(relevance: Tensor) -> float:
        """As the released program chooses, but never so high that hardly anything moves."""
        return min(automatic_beta(relevance, FEWEST), beta_keeping(relevance, FEWEST))
