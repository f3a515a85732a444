"""StyleGAN-NADA as an engine: a sheet of faces turns into another domain, and may be blended, scrubbed and walked.

Training (`engines.stylegan_nada.training`) goes on until its steps are done; then the run rests, and every setting of
the blend acts at once. A domain that was trained before begins there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.clip.guidance import ClipGuide
from engines.clip.losses import clip_input
from engines.engine import Frame, RestingEngine, reading_state
from engines.errors import EngineError, Sentence, joined
from engines.images import as_sheet
from engines.styleclip.face import MAX_SEED, FaceEngine, latent_of_seed
from engines.stylegan2 import Generator, GeneratorConfig, save_generator
from engines.stylegan_nada.delta import Domain, Strengths, descendant, differences, load_domain, private_copy, render
from engines.stylegan_nada.losses import pairwise_distance
from engines.stylegan_nada.settings import DOMAINS, StyleGANNadaSettings
from engines.stylegan_nada.training import NadaTraining

__all__ = ["StyleGANNada"]

COLUMNS, SIDE = 4, 256
"""Of the sheet: faces in a row, and px of the side of each at most."""
SHEET_EVERY = 5
"""Steps of training between two renderings."""
COLLAPSE = 0.5
"""Share of the original's variety below which the faces are said to become alike."""


class StyleGANNada(FaceEngine, RestingEngine):
    name: ClassVar[str] = "stylegan-nada"
    title: ClassVar[str] = "StyleGAN-NADA"
    summary: ClassVar[str] = "Adapt a whole generator to another domain by words or by a few pictures."
    Settings: ClassVar[type[StyleGANNadaSettings]] = StyleGANNadaSettings
    artifact: ClassVar[str] = "generator"

    def __init__(self, models):
        super().__init__(models)
        self._training: NadaTraining | None = None
        self._loaded: dict[str, Any] | None = None
        self._walked = 0
        self._shown: tuple[dict[str, Tensor], Strengths] | None = None

    def prepare(self, settings: StyleGANNadaSettings) -> Iterator[Frame]:
        yield from self.find_face(settings, settings.num_steps if settings.wants_training else 1)
        self._load(settings)

    def is_stale(self, settings: StyleGANNadaSettings) -> bool:
        return self._is_training(settings) or (settings.show == "walk" and self._walked < settings.walk_frames)

    def advance(self, settings: StyleGANNadaSettings) -> None:
        if self._is_training(settings):
            self._training.step(settings)
            self._walked = 0
        else:
            self._walked += 1

    def wake(self, settings: StyleGANNadaSettings) -> None:
        """A walk begins at its first frame."""
        self._walked = 0
        if self._is_training(settings):
            self._training.step(settings)

    def frame(self, settings: StyleGANNadaSettings) -> Frame:
        self._follow_faces(settings)
        if settings.wants_training and self._training is None:
            self._prepare_training(settings)
        if self._is_training(settings):
            return self._training_frame(settings)
        try:
            change, status = self._chosen_change(settings)
        except EngineError as error:  # the run stays, and the user can go back
            if not self.is_live:
                raise
            change, status = {}, error.sentence
        self._shown = (change, settings.strengths)
        if settings.show == "walk":
            return self._walking_frame(settings, change)
        pictures = self._render(self._codes, change, settings.strengths)
        self._diversity = self._share(pictures)
        return self._still_frame(sheet_of(pictures), self._before, self._with_diversity(status), settings)

    @classmethod
    def write_model(cls, state: dict[str, Any], path: Path) -> None:
        """The generator as it is shown: after the chosen snapshot, with the chosen strengths."""
        made = state["generator"]
        if made is None:
            raise EngineError("This run has changed no generator yet; let it train, or choose a domain.")
        config = json.loads(made["config"])
        features = {name: tuple(config[name]) for name in ("channels", "mapping_features")}
        with torch.device("meta"):
            generator = Generator(GeneratorConfig(**{**config, **features}))
        generator.load_state_dict(made["tensors"], assign=True)
        save_generator(generator, path)

    # ------------------------------------------------------------------ preparation

    def _load(self, settings: StyleGANNadaSettings) -> None:
        self._synthesis = private_copy(self._generator)
        self._guide = ClipGuide.load(self.models.clip, settings.clip_models)
        self._identity = None if settings.generator else self.models.identity()
        self._domains: dict[Path, Domain] = {}
        self._faces_of: tuple | None = None
        self._sheet_key: tuple | None = None
        if settings.domain_file:
            self._open(Path(settings.domain_file))

    def _prepare_training(self, settings: StyleGANNadaSettings) -> None:
        self._training = NadaTraining(self._generator, self._guide.encoders, self.models.style_features, settings)
        if self._loaded is not None:
            with reading_state():
                self._training.load_state_dict(self._loaded)
                self._sheet, self._diversity, *view = self._loaded["sheet"]
                self._sheet_key = tuple(view)
            self._loaded = None

    def _is_training(self, now: StyleGANNadaSettings) -> bool:
        return now.wants_training and self._training is not None and self._training.steps_done < now.num_steps

    def _open(self, path: Path) -> Domain:
        """The domain of a file, if it belongs to the generator; remembered."""
        if path not in self._domains:
            self._domains[path] = load_domain(path, self._generator)
        return self._domains[path]

    @torch.no_grad()
    def _follow_faces(self, now: StyleGANNadaSettings) -> None:
        """Sets `_codes`, (faces, num_ws, w_dim), what the original makes of them, and how much these vary."""
        self.follow_face(now)
        faces_of = (now.seed, now.truncation_psi, now.faces)
        if faces_of == self._faces_of:
            return
        seeds = [(now.seed + number) % MAX_SEED for number in range(1, now.faces)]
        others = [latent_of_seed(self._generator, seed, now.truncation_psi) for seed in seeds]
        self._codes = torch.cat([self._start, *others])
        originals = self._generator.synthesis(self._codes)
        self._before, self._original_diversity = sheet_of(originals), self._vary(originals)
        self._faces_of, self._sheet_key = faces_of, None

    def _vary(self, pictures: Tensor) -> float:
        """Root of the mean squared distance of pictures: of the people in them where an identity network knows these,
        as to a CLIP all that is painted in one manner is alike; 0 for one picture."""
        if len(pictures) == 1:
            return 0.0
        if self._identity is not None:
            features = self._identity(pictures)
        else:
            encoder, _ = self._guide.encoders[0]
            features = encoder.encode_image(clip_input(pictures, encoder.image_size))
        return math.sqrt(max(pairwise_distance(features).item(), 0.0))

    # ------------------------------------------------------------------ frames

    def _chosen_change(self, now: StyleGANNadaSettings) -> tuple[dict[str, Tensor], str]:
        if now.wants_training:
            steps = self._training.steps_done
            return self._training.change_at(now.snapshot), Sentence(
                "Adapted to {target} in {steps} steps.", target=_target(now), steps=steps
            )
        domain = self._open(Path(now.domain_file) if now.domain_file else DOMAINS[now.domain])
        source, target = domain.metadata.get("source"), domain.metadata.get("target")
        if not target:
            return domain.change, ""
        return domain.change, Sentence(
            "This domain was trained from '{source}' to '{target}'.", source=source, target=target
        )

    def _training_frame(self, now: StyleGANNadaSettings) -> Frame:
        training, view = self._training, self._view(now)
        change = training.change_at(now.snapshot)
        if training.steps_done % SHEET_EVERY == 0 or view != self._sheet_key:
            pictures = self._render(self._codes, change, now.strengths)
            self._sheet, self._sheet_key = torch.from_numpy(sheet_of(pictures)), view
            self._diversity = self._share(pictures)
        self._shown = (change, now.strengths)
        losses = dict(training.losses)
        if losses and len(self._codes) > 1:
            losses["diversity"] = self._diversity
        status = self._with_diversity(Sentence("Adapting to {target}.", target=_target(now)))
        if training.is_overtrained:
            late = Sentence("The loss has not fallen for long: an earlier step may look better.")
            status = joined(status, late)
        return Frame(
            step=self.step,
            steps=self.step + now.num_steps - training.steps_done + (now.walk_frames if now.show == "walk" else 0),
            render=self._sheet.numpy,
            losses=losses,
            before=self._before,
            status=status,
        )

    def _view(self, now: StyleGANNadaSettings) -> tuple:
        return (*now.strengths, now.snapshot, now.seed, now.truncation_psi, now.faces)

    def _walking_frame(self, now: StyleGANNadaSettings, change: dict[str, Tensor]) -> Frame:
        """Every face on its way to all others, into the domain and back."""
        share = min(self._walked / now.walk_frames, 1.0)
        codes = walk(self._codes, share)
        into = math.sin(math.pi * share) ** 2
        pictures = sheet_of(self._render(codes, change, Strengths(*(into * strength for strength in now.strengths))))
        before = sheet_of(self._render(codes, {}, now.strengths))
        if share == 1:
            end = Sentence("The walk has ended; its pictures are the time-lapse.")
            return self._still_frame(pictures, before, end, now)
        status = Sentence("Walking: {percent} % into the domain.", percent=round(100 * into))
        return Frame(
            step=self.step,
            steps=self.step + now.walk_frames - self._walked,
            render=lambda: pictures,
            before=before,
            status=status,
        )

    def _still_frame(self, picture: np.ndarray, before: np.ndarray, status: str, now: StyleGANNadaSettings) -> Frame:
        return Frame(
            step=self.step,
            steps=self.step,
            render=lambda: picture,
            losses=dict(self._training.losses) if now.wants_training else {},
            before=before,
            status=status,
        )

    def _share(self, pictures: Tensor) -> float:
        """How much pictures vary, against the original's of the same faces; 0 for one."""
        return self._vary(pictures) / max(self._original_diversity, 1e-6)

    def _with_diversity(self, status: str) -> str:
        """The status, and how much the faces vary compared with the original's."""
        if len(self._codes) == 1:
            return status
        variety = Sentence(
            "The faces vary {percent} % as much as the original's.", percent=round(100 * self._diversity)
        )
        if self._diversity < COLLAPSE:
            alike = Sentence("They become alike: go back to an earlier step, or lower the strength.")
            variety = joined(variety, alike)
        return joined(status, variety)

    @torch.no_grad()
    def _render(self, codes: Tensor, change: dict[str, Tensor], strengths: Strengths) -> Tensor:
        return render(self._synthesis, codes, change, strengths)

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        training = self._loaded
        if self._training is not None:
            training = {**self._training.state_dict(), "sheet": [self._sheet, self._diversity, *self._sheet_key]}
        return {**super().state_dict(), "training": training, "walked": self._walked, "generator": self._made()}

    def _made(self) -> dict[str, Any] | None:
        """The generator that is shown, whole: what a run leaves needs nothing else to be written."""
        if self._shown is None or not any(
            value.any() for value in differences(self._shown[0], self._synthesis).values()
        ):
            return None
        generator = descendant(self._generator, *self._shown)
        tensors = {name: tensor.cpu() for name, tensor in generator.state_dict().items()}
        return {"config": json.dumps(asdict(generator.config)), "tensors": tensors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        with reading_state(self.title):
            self._loaded, self._walked = state["training"], state["walked"]


# ---------------------------------------------------------------------------------------------- sheets and walks


def sheet_of(pictures: Tensor) -> np.ndarray:
    """(N, 3, S, S), nominally in [-1, 1] → (rows · side, columns · side, 3) uint8, four in a row, rest white."""
    side = min(pictures.shape[-1], SIDE)
    small = F.interpolate(pictures, (side, side), mode="area")
    return as_sheet(small / 2 + 0.5, min(COLUMNS, len(small)))


def walk(codes: Tensor, share: float) -> Tensor:
    """(N, num_ws, w_dim): each code after a share in [0, 1] of its way through all the others and home again."""
    place = share * len(codes)
    start = int(place)
    return torch.lerp(codes.roll(-start, dims=0), codes.roll(-start - 1, dims=0), place - start)


def _target(now: StyleGANNadaSettings) -> Sentence:
    return Sentence("the style pictures") if now.style_pictures else Sentence("'{prompt}'", prompt=now.prompt)
