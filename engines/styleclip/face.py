"""The face that an edit starts from, chosen by number or projected from a picture; shared by all StyleGAN methods."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from engines.engine import Engine, Frame, reading_state
from engines.errors import EngineError, Sentence
from engines.faces.alignment import align_face, quad_from_clicks
from engines.faces.e4e import SIDE, Encoder
from engines.faces.identity import IdentityNetwork
from engines.images import as_pixels, load_picture
from engines.settings import EngineSettings, setting
from engines.stylegan2.generator import Generator
from engines.stylegan2.projector import Projector, latent_std, target_tensor

if TYPE_CHECKING:
    from engines.zoo import Models

__all__ = [
    "MAX_SEED",
    "FaceEngine",
    "FaceSettings",
    "PersonSettings",
    "cut_face",
    "encoded",
    "identity_of",
    "latent_of_seed",
    "to_pixels",
]

MAX_SEED = 2**32
FARTHEST_MEAN = 0.5
"""Between the mean codes of an encoder and of its generator, in deviations of w. Means over ten thousand codes differ
by a hundredth; a generator that was trained on from another one keeps its mean, or nearly."""


class FaceSettings(EngineSettings):
    # ------------------------------------------------------------------ Face
    seed: int = setting(
        9, label="Face number", group="Face", minimum=0, maximum=2**32 - 1, step=1,
        help="Each number is another face; the numbers mean the same as in NVIDIA's programs.",
    )  # fmt: skip
    truncation_psi: float = setting(
        1.0, label="Truncation", group="Face", minimum=0, maximum=1.2, step=0.05,
        help="How far a face may be from the average one: 0 the average, 1 as the generator learned. Published: 0.7.",
    )  # fmt: skip
    photo: str = setting(
        "", label="Own picture", group="Face", kind="image",
        help="A face to edit instead of a numbered one. The generator first searches for it.",
    )  # fmt: skip
    face_points: str = setting(
        "", label="Eyes, nose, mouth", group="Face", max_length=200,
        help="Five points of your picture, to cut the face out as FFHQ does: click both eyes, the tip of the nose, "
        "both corners of the mouth. Empty: the middle square.",
    )  # fmt: skip
    projection_steps: int = setting(
        200, label="Search steps", group="Face", minimum=0, maximum=2000, step=10, advanced=True,
        help="How long the generator searches for your own picture. 0: what the encoder found is taken as it is.",
    )  # fmt: skip
    encoder: str = setting(
        "", label="Encoder", group="Face", kind="checkpoint", advanced=True,
        help="An e4e file made for the generator in use. It finds your own picture at once, and the search begins "
        "there. Nothing in it is run.",
    )  # fmt: skip
    generator: str = setting(
        "", label="Own generator", group="Face", kind="checkpoint", advanced=True,
        help="A StyleGAN2 file to use instead: NVIDIA .pkl, rosinality .pt, or one saved here. Nothing in it is run.",
    )  # fmt: skip


class PersonSettings(FaceSettings):
    """Of methods that can keep the person."""

    identity_network: str = setting(
        "", label="Identity network", group="Face", kind="checkpoint", advanced=True,
        help="An ArcFace IR-SE50 file that tells the faces of your own generator apart: model_ir_se50.pth. Without one "
        "they are not kept the same person. Nothing in it is run.",
    )  # fmt: skip


class FaceEngine(Engine):
    """An engine that edits one face. A subclass first does ``yield from self.find_face(settings, steps)``."""

    def __init__(self, models):
        super().__init__(models)
        self.step = 0
        self._start: Tensor | None = None
        self._search: dict[str, Any] | None = None
        self._projector: Projector | None = None
        self._chosen: tuple[int, float] | None = None
        self._device = models.device

    def open_generator(self, settings: FaceSettings) -> None:
        """Set `_generator`: the family's own, or that of a file."""
        self._generator: Generator = self.models.generator(settings.generator)
        if self._generator.c_dim:
            raise EngineError("This generator makes pictures of several classes; choose one that needs no class.")

    def find_face(self, settings: FaceSettings, steps: int) -> Iterator[Frame]:
        """Set `_generator` and `_start`, (1, num_ws, w_dim); yields frames while the user's picture is projected.

        steps: of the method itself, for the number of steps that frames show.
        """
        self.open_generator(settings)
        if self._start is not None:
            return
        if not settings.photo:
            self._start = latent_of_seed(self._generator, settings.seed, settings.truncation_psi)
            return
        yield from self._search_for(cut_face(load_picture(settings.photo), settings.face_points), settings, steps)

    def _search_for(self, photo: np.ndarray, settings: FaceSettings, steps: int) -> Iterator[Frame]:
        start = None
        if settings.encoder and self._search is None:
            start = encoded(self._generator, self.models.face_encoder(settings.encoder), photo)
        if not settings.projection_steps:
            if start is None:
                raise EngineError("Setting 'projection_steps' is 0; raise it, or choose an encoder for your picture.")
            self._start = start
            return
        projector = Projector(
            self._generator, self.models.style_features(), photo,
            num_steps=settings.projection_steps, seed=settings.seed, start=start,
        )  # fmt: skip
        target = to_pixels(projector.target)
        if self._search is not None:
            projector.load_state_dict(self._search)
        total = settings.projection_steps + steps
        losses: dict[str, float] = {}
        self._projector = projector
        while self.step < settings.projection_steps:
            yield Frame(
                step=self.step, steps=total, render=partial(self._rendered, projector.latent), losses=losses,
                before=target, status=Sentence("Searching for your picture in the generator."),
            )  # fmt: skip
            losses = projector.step()
            self.step += 1
        self._start, self._search, self._projector = projector.latent, None, None

    @torch.no_grad()
    def _rendered(self, latent: Tensor) -> np.ndarray:
        return to_pixels(self._generator.synthesis(latent))

    def follow_face(self, now: FaceSettings) -> bool:
        """Take another numbered face if the settings name one; returns whether they do."""
        chosen = None if now.photo else (now.seed, now.truncation_psi)
        if chosen == self._chosen:
            return False
        self._start = latent_of_seed(self._generator, *chosen)
        self._chosen = chosen
        return True

    def state_dict(self) -> dict[str, Any]:
        search = self._search if self._projector is None else self._projector.state_dict()
        return {"step": self.step, "start": self._start, "search": search}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with reading_state(self.title):
            self.step, self._search = state["step"], state["search"]
            self._start = None if state["start"] is None else state["start"].to(self._device)


@torch.no_grad()
def latent_of_seed(generator: Generator, seed: int, psi: float) -> Tensor:
    """(1, num_ws, w_dim): the face of that number, as NVIDIA's programs sample it."""
    z = np.random.RandomState(seed).randn(1, generator.z_dim).astype(np.float32)
    return generator.mapping(torch.from_numpy(z).to(generator.mapping.w_avg.device), psi=psi)


@torch.no_grad()
def encoded(generator: Generator, encoder: Encoder, photo: np.ndarray) -> Tensor:
    """(1, num_ws, w_dim): what the encoder finds for the middle square of a picture, (H, W, 3) uint8.

    Raises `EngineError` for an encoder of another generator, as far as sizes and the mean code tell.
    """
    mean, centre = encoder.latent_avg, generator.mapping.w_avg
    wanted = (generator.num_ws, generator.w_dim)
    if tuple(mean.shape) != wanted:
        raise EngineError(
            "The encoder finds codes of {shape} × {shape_2} numbers and the generator takes {wanted} × "
            "{wanted_2}; choose the encoder made for it.",
            shape=mean.shape[0],
            shape_2=mean.shape[1],
            wanted=wanted[0],
            wanted_2=wanted[1],
        )
    distance = (mean - centre).square().mean().sqrt() / latent_std(generator)
    if mean.any() and distance > FARTHEST_MEAN:
        raise EngineError(
            "The encoder begins at the mean face of another generator; choose the encoder made for this one, or its "
            "file as your own generator too."
        )
    return encoder(target_tensor(photo, SIDE).to(centre))


def identity_of(models: Models, settings: PersonSettings) -> IdentityNetwork | None:
    """The network that knows the faces of the chosen generator: one of a file, or the family's own for its own."""
    if settings.generator and not settings.identity_network:
        return None
    return models.identity(settings.identity_network)


def cut_face(picture: np.ndarray, points: str) -> np.ndarray:
    """The face of (H, W, 3) uint8, (256, 256, 3), around five points; the picture as it is without points.

    points: "x,y x,y …" in shares of width and height. Raises `EngineError` for anything else, and for no face.
    """
    if not points.strip():
        return picture
    try:
        pairs = [[float(number) for number in pair.split(",")] for pair in points.split()]
        clicks = np.array(pairs, dtype=np.float64).reshape(5, 2)
    except ValueError:
        raise EngineError("Setting 'face_points' needs five pairs like 0.4,0.45; click the points again.") from None
    height, width = picture.shape[:2]
    return align_face(picture, quad_from_clicks(clicks * (width, height)))


def to_pixels(pictures: Tensor) -> np.ndarray:
    """The first of (N, 3, H, W), nominally in [-1, 1] → (H, W, 3) uint8."""
    return as_pixels(pictures[0] / 2 + 0.5)
