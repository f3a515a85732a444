"""Latent mappers as an engine: apply an edit that was trained before, or train one for a text and watch it learn.

StyleCLIP (Patashnik et al., arXiv 2103.17249), §5; the training itself is `engines.styleclip.mapper.training`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.engine import Frame, RestingEngine, reading_state
from engines.errors import EngineError, Sentence
from engines.styleclip.face import MAX_SEED, FaceEngine, identity_of, latent_of_seed, to_pixels
from engines.styleclip.mapper.network import load_mapper, mapper_of, save_mapper
from engines.styleclip.mapper.settings import MAPPERS, StyleCLIPMapperSettings
from engines.styleclip.mapper.training import AnyMapper, MapperTraining, edit_code, render

__all__ = ["StyleCLIPMapper"]

SHEET_FACES = 4
SHEET_SIDE = 256  # px of each face of the sheet, at most
SHEET_EVERY = 5  # training steps between two renderings of the sheet
NO_IDENTITY = Sentence("There is no identity network for these models, so the identity loss is left out.")


class StyleCLIPMapper(FaceEngine, RestingEngine):
    name: ClassVar[str] = "styleclip-mapper"
    title: ClassVar[str] = "StyleCLIP mapper"
    summary: ClassVar[str] = "Train a small network that makes one edit on any face, or use one that was trained."
    Settings: ClassVar[type[StyleCLIPMapperSettings]] = StyleCLIPMapperSettings
    artifact: ClassVar[str] = "mapper"

    def __init__(self, models):
        super().__init__(models)
        self._training: MapperTraining | None = None
        self._loaded: dict[str, Any] | None = None
        self._sheet: Tensor | None = None

    def prepare(self, settings: StyleCLIPMapperSettings) -> Iterator[Frame]:
        yield from self.find_face(settings, settings.num_steps if settings.wants_training else 1)
        self._opened: dict[Path, AnyMapper] = {}
        if settings.mapper_file:
            self._open(Path(settings.mapper_file))
        self._show_face()

    def is_stale(self, settings: StyleCLIPMapperSettings) -> bool:
        training = self._training
        return settings.wants_training and (training is None or training.steps_done < settings.num_steps)

    def advance(self, settings: StyleCLIPMapperSettings) -> None:
        self._training.step(settings)

    def wake(self, settings: StyleCLIPMapperSettings) -> None:
        """Changed settings are shown before training goes on."""

    def frame(self, settings: StyleCLIPMapperSettings) -> Frame:
        if self.follow_face(settings):
            self._show_face()
        if settings.wants_training:
            if self._training is None:
                self._prepare_training(settings)
            if self.is_stale(settings):
                return self._training_frame(settings)
            return self._finished_frame(self._edited(self._training.mapper, settings), self._learned(), settings)
        try:
            mapper = self._open(Path(settings.mapper_file) if settings.mapper_file else MAPPERS[settings.edit])
        except EngineError as error:  # the run stays, and the user can go back
            if not self.is_live:
                raise
            return self._finished_frame(self._before, error.sentence, settings)
        return self._finished_frame(self._edited(mapper, settings), description(mapper), settings)

    @classmethod
    def write_model(cls, state: dict[str, Any], path: Path) -> None:
        """The mapper that was trained, with its prompt and its generator, as a file for `mapper_file`."""
        training = state["training"]
        if training is None:
            raise EngineError("This run has trained no mapper; choose the edit 'train' and write a prompt.")
        save_mapper(mapper_of(training["mapper"], training["metadata"]), path)

    # ------------------------------------------------------------------ preparation

    @torch.no_grad()
    def _show_face(self) -> None:
        self._before = to_pixels(self._generator.synthesis(self._start))

    def _prepare_training(self, settings: StyleCLIPMapperSettings) -> None:
        """Set `_training`, and the faces of its sheet: the chosen one and the next numbers."""
        identity = identity_of(self.models, settings)
        self._has_identity = identity is not None
        self._training = MapperTraining(self._generator, self.models.clip(), identity, settings)
        seeds = [(settings.seed + number) % MAX_SEED for number in range(1, SHEET_FACES)]
        others = [latent_of_seed(self._generator, seed, settings.truncation_psi) for seed in seeds]
        self._faces = torch.cat([self._start, *others])
        with torch.no_grad():
            self._faces_before = as_row(self._generator.synthesis(self._faces))
        self._sheet_key: tuple | None = None
        if self._loaded is not None:
            with reading_state():
                self._training.load_state_dict(self._loaded)
                self._sheet, strength, *levels = self._loaded["sheet"]
                self._sheet_key = (strength, *levels)
            self._loaded = None

    def _open(self, path: Path) -> AnyMapper:
        """The mapper of a file, if it belongs to the generator; cached."""
        if path not in self._opened:
            mapper = load_mapper(path).to(self._device)
            if mapper.metadata.get("generator", self._generator.sha256) != self._generator.sha256:
                raise EngineError(
                    "The mapper '{stem}' was trained with another generator; choose that one or another mapper.",
                    stem=path.stem,
                )
            edit_code(self._generator, mapper, self._start)  # raises where the sizes differ
            self._opened[path] = mapper
        return self._opened[path]

    # ------------------------------------------------------------------ frames

    def _training_frame(self, now: StyleCLIPMapperSettings) -> Frame:
        view = (now.strength, *now.levels)
        if self._training.steps_done % SHEET_EVERY == 0 or view != self._sheet_key:
            self._sheet, self._sheet_key = self._draw_sheet(now), view
        status = Sentence(
            "Training for '{prompt}'. Above: the faces; below: the faces edited by the mapper.", prompt=now.prompt
        )
        return Frame(
            step=self.step,
            steps=self.step + now.num_steps - self._training.steps_done,
            render=self._sheet.numpy,
            losses=self._training.losses,
            status=status,
            notices=() if self._has_identity else (NO_IDENTITY,),
        )

    def _finished_frame(self, picture: np.ndarray, status: str, now: StyleCLIPMapperSettings) -> Frame:
        return Frame(
            step=self.step,
            steps=self.step,
            render=lambda: picture,
            losses=self._training.losses if now.wants_training else {},
            before=self._before,
            status=status,
        )

    def _learned(self) -> Sentence:
        prompt, steps = self._training.mapper.metadata["prompt"], self._training.steps_done
        return Sentence("The mapper learned '{prompt}' in {steps} steps.", prompt=prompt, steps=steps)

    @torch.no_grad()
    def _edited(self, mapper: AnyMapper, now: StyleCLIPMapperSettings) -> np.ndarray:
        _, moved = edit_code(self._generator, mapper, self._start, now.strength, now.levels)
        return to_pixels(render(self._generator, moved))

    @torch.no_grad()
    def _draw_sheet(self, now: StyleCLIPMapperSettings) -> Tensor:
        """(2 · side, 4 · side, 3) uint8: the faces above, the edited faces below."""
        _, moved = edit_code(self._generator, self._training.mapper, self._faces, now.strength, now.levels)
        rows = torch.cat([self._faces_before, as_row(render(self._generator, moved))], dim=2)
        return torch.from_numpy(to_pixels(rows))

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        training = self._loaded
        if self._training is not None:
            training = {**self._training.state_dict(), "sheet": [self._sheet, *self._sheet_key]}
        return {**super().state_dict(), "training": training}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._loaded = state.get("training")


def as_row(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) → (1, 3, side, N · side), side by side and not larger than the sheet shows them."""
    side = min(pictures.shape[-1], SHEET_SIDE)
    return torch.cat(F.interpolate(pictures, (side, side), mode="area").split(1), dim=3)


def description(mapper: AnyMapper) -> Sentence:
    """One sentence about the edit that a mapper's file contains, as far as the file says."""
    prompt = mapper.metadata.get("prompt")
    edit = (
        Sentence("This mapper was trained for '{prompt}'.", prompt=prompt)
        if prompt
        else Sentence("This mapper does not say what it learned.")
    )
    if "generator" in mapper.metadata:
        return edit
    return Sentence("{edit} It does not name its generator, which must be the one in use.", edit=edit)
