"""Latent mappers as an engine: choose an edit that was trained before, or train one for a text while one watches.

    loss = clip_lambda * clip_distance(E(G(w_hat)), E(text)) + latent_l2_lambda * latent_loss(w_hat, w)
           + id_lambda * identity_loss(R(G(w_hat)), R(G(w))),        w_hat = w + 0.1 M(w)

StyleCLIP (Patashnik et al., arXiv 2103.17249), §5, for random faces w of the generator instead of inverted photographs;
CLIP sees them normalised as it was trained. Published: 50000 steps of 2 faces with Ranger at 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor

from engines.clip.encoder import ClipEncoder
from engines.clip.losses import clip_distance, clip_input
from engines.engine import Frame
from engines.errors import EngineError
from engines.faces.identity import IdentityNetwork, identity_loss
from engines.files import ASSETS
from engines.settings import LiveSettings, setting
from engines.styleclip.face import FaceEngine, PersonSettings, identity_of, latent_of_seed, to_pixels
from engines.styleclip.mapper import (
    LEVELS,
    LR_MULTIPLIER,
    ROWS,
    STRENGTH,
    Level,
    LevelsMapper,
    SingleMapper,
    StyleSpaceMapper,
    add_residual,
    latent_loss,
    load_mapper,
    mapper_of,
    save_mapper,
)
from engines.styleclip.ranger import Ranger
from engines.stylegan2 import Generator, is_torgb

__all__ = ["MAPPERS", "MapperTraining", "StyleCLIPMapper", "StyleCLIPMapperSettings", "edit_code", "render"]

AnyMapper = LevelsMapper | SingleMapper | StyleSpaceMapper
Code = Tensor | Mapping[str, Tensor]
"""Of W+, (N, num_ws, w_dim), or of style space."""

TRAIN = "train"
MAPPERS: dict[str, Path] = {path.stem: path for path in sorted((ASSETS / "faces" / "mappers").glob("*.safetensors"))}
"""Name → file of the mappers that are part of the program, trained by `training.portrait_mappers`."""

EPSILON = 1e-8
"""Of Ranger. Gradients of these weights are near 1e-7; the published 1e-5 would drown them and all but stop learning,
unless there are 50000 steps."""
SHEET_FACES, SHEET_SIDE, SHEET_EVERY = 4, 256, 5
"""Faces of the sheet that is shown in training, px of the side of each at most, and steps between two renderings."""
MAX_SEED = 2**32


class StyleCLIPMapperSettings(PersonSettings):
    seed: int = PersonSettings.made_live("seed")
    truncation_psi: float = PersonSettings.made_live("truncation_psi")

    # ------------------------------------------------------------------ Edit
    edit: Literal[(TRAIN, *MAPPERS)] = setting(
        TRAIN, label="Edit", group="Edit", live=True,
        help="An edit that was trained before and shows at once; or train one for your own prompt.",
    )  # fmt: skip
    prompt: str = setting(
        "", label="Prompt", group="Edit", max_length=300,
        help='For training: what every face shall become, like "face with glasses".',
    )  # fmt: skip
    mapper_file: str = setting(
        "", label="Own mapper", group="Edit", kind="checkpoint",
        help="A mapper to use instead of the edit above: a released .pt or one saved here. Nothing in it is run.",
    )  # fmt: skip
    strength: float = setting(
        STRENGTH, label="Strength", group="Edit", live=True, minimum=-0.3, maximum=0.3, step=0.01,
        help="How far to go. 0.1 is what was trained; below zero away from the edit.",
    )  # fmt: skip
    coarse: bool = setting(
        True, label="Coarse", group="Edit", live=True, help="The edit may move the first rows: pose and shape.",
    )  # fmt: skip
    medium: bool = setting(
        True, label="Medium", group="Edit", live=True, help="The edit may move the middle rows: features of the face.",
    )  # fmt: skip
    fine: bool = setting(
        True, label="Fine", group="Edit", live=True, help="The edit may move the last rows: colours and texture.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Training
    num_steps: int = setting(
        400, label="Steps", group="Training", live=True, minimum=1, maximum=50_000, step=1,
        help="Training steps. More, set when it has ended, go on where it stood.",
    )  # fmt: skip
    no_fine: bool = setting(
        False, label="Keep colours", group="Training",
        help="The mapper does not learn the fine level: for edits that shall not change colours.",
    )  # fmt: skip
    clip_lambda: float = setting(
        1.0, label="Text weight", group="Training", live=True, minimum=0, maximum=10, step=0.1,
        help="How much the prompt counts.",
    )  # fmt: skip
    latent_l2_lambda: float = setting(
        0.8, label="Nearness weight", group="Training", live=True, minimum=0, maximum=10, step=0.05,
        help="How much it counts that the code stays near: higher changes less.",
    )  # fmt: skip
    id_lambda: float = setting(
        0.1, label="Identity weight", group="Training", live=True, minimum=0, maximum=10, step=0.05,
        help="How much it counts that one stays the same person; 0 for an edit into somebody else.",
    )  # fmt: skip
    lr: float = setting(
        10.0, label="Learning rate", group="Training", live=True, minimum=0, maximum=50, step=0.5, advanced=True,
        help="Of Ranger. A mapper's weights are a hundred times as large as usual. Published, for 50000 steps: 0.5.",
    )  # fmt: skip
    batch_size: int = setting(
        4, label="Faces per step", group="Training", live=True, minimum=1, maximum=64, step=1, advanced=True,
        help="Random faces that each step learns from. The released mappers saw 2.",
    )  # fmt: skip
    training_psi: float = setting(
        1.0, label="Variety of faces", group="Training", live=True, minimum=0, maximum=1.2, step=0.05, advanced=True,
        help="Truncation of the faces it learns from. Published: 0.7.",
    )  # fmt: skip
    space: Literal["W+", "S"] = setting(
        "W+", label="Latent space", group="Training", advanced=True,
        help="What the mapper moves: the rows of W+, or the style of each convolution.",
    )  # fmt: skip
    training_seed: int = setting(
        0, label="Seed", group="Training", minimum=0, maximum=2**31 - 1, step=1, advanced=True,
        help="Of the faces it learns from and of its first weights. Same seed, same settings: same mapper.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> StyleCLIPMapperSettings:
        if self.wants_training and not self.prompt.strip():
            raise EngineError("Setting 'prompt' is empty; write what to train a mapper for, or choose a trained edit.")
        if self.space == "S" and self.no_fine:
            raise EngineError("Setting 'no_fine' is for mappers of W+; choose that space or allow the fine level.")
        return self

    @property
    def wants_training(self) -> bool:
        return self.edit == TRAIN and not self.mapper_file

    @property
    def levels(self) -> tuple[Level, ...]:
        """Those switched on."""
        return tuple(level for level in LEVELS if getattr(self, level))


# ---------------------------------------------------------------------------------------------- codes


def edit_code(
    generator: Generator, mapper: AnyMapper, w: Tensor, strength: float = STRENGTH, levels: Collection[Level] = LEVELS
) -> tuple[Code, Code]:
    """(N, num_ws, w_dim) → the code in the mapper's own space as it is, and as the mapper moves it (§5).

    Only rows of `levels` move; in style space, the vectors that come from these rows. Raises `EngineError` for a mapper
    of another size of generator.
    """
    code = generator.styles(w) if isinstance(mapper, StyleSpaceMapper) else w
    residual = mapper(code)
    rows = [row for level in levels for row in range(generator.num_ws)[ROWS[level]]]
    if isinstance(residual, Tensor):
        switch = torch.zeros_like(residual[:, :, :1])
        switch[:, rows] = 1
        residual = residual * switch
    else:
        row_of = generator.synthesis.rows
        residual = {name: part * float(row_of[name] in rows) for name, part in residual.items()}
    return code, add_residual(code, residual, strength)


def render(generator: Generator, code: Code) -> Tensor:
    """A code of either space → (N, 3, H, W), nominally in [-1, 1], not clamped."""
    return generator.synthesis(code) if isinstance(code, Tensor) else generator.synthesis_from_styles(code)


# ---------------------------------------------------------------------------------------------- training


class MapperTraining:
    """One mapper in training, a step at a time; gradients reach nothing but the mapper.

    identity: None leaves the term of identity out. settings: the space, the levels, the prompt and the seed are read
    here, everything else at each step. `losses` are those of the last step.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: ClipEncoder,
        identity: IdentityNetwork | None,
        settings: StyleCLIPMapperSettings,
    ):
        self.steps_done, self.losses = 0, {}
        self._generator, self._encoder, self._identity = generator, encoder, identity
        self._device = generator.mapping.w_avg.device
        self._text = encoder.encode_text(settings.prompt)
        self._random = torch.Generator().manual_seed(settings.training_seed)
        self.mapper = new_mapper(generator, settings, self._random)
        self.mapper.metadata = {"prompt": settings.prompt, "generator": generator.sha256}
        self._optimizer = Ranger(self.mapper.parameters(), eps=EPSILON)

    def step(self, settings: StyleCLIPMapperSettings) -> None:
        """Learn from `batch_size` new faces. Raises `EngineError` when the loss is no longer a number."""
        z = torch.randn(settings.batch_size, self._generator.z_dim, generator=self._random).to(self._device)
        with torch.no_grad():
            w = self._generator.mapping(z, psi=settings.training_psi)
        terms = self._terms(w, settings)
        weights = {"clip": settings.clip_lambda, "latent": settings.latent_l2_lambda, "identity": settings.id_lambda}
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        self.losses = {"loss": loss.item(), **{name: term.item() for name, term in terms.items()}}
        if not math.isfinite(self.losses["loss"]):
            raise EngineError("The loss is no longer a number; lower the learning rate and start again.")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for group in self._optimizer.param_groups:
            group["lr"] = settings.lr
        self._optimizer.step()
        self.steps_done += 1

    def _terms(self, w: Tensor, settings: StyleCLIPMapperSettings) -> dict[str, Tensor]:
        code, moved = edit_code(self._generator, self.mapper, w)
        pictures = render(self._generator, moved)
        embeddings = self._encoder.encode_image(clip_input(pictures, self._encoder.image_size))
        terms = {"clip": clip_distance(embeddings, self._text), "latent": latent_loss(moved, code)}
        if self._identity is not None and settings.id_lambda:  # at weight 0 it would be costly for nothing
            with torch.no_grad():
                reference = self._identity(render(self._generator, code))
            terms["identity"] = identity_loss(self._identity(pictures), reference)
        return terms

    def state_dict(self) -> dict[str, Any]:
        """CPU tensors that later steps do not change, and numbers."""
        return {
            "step": self.steps_done,
            "losses": dict(self.losses),
            "mapper": _copies(self.mapper.state_dict()),
            "metadata": dict(self.mapper.metadata),
            "optimizer": [_copies(self._optimizer.state[parameter]) for parameter in self.mapper.parameters()],
            "random": self._random.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mapper.load_state_dict(state["mapper"])
        for parameter, memory in zip(self.mapper.parameters(), state["optimizer"], strict=True):
            self._optimizer.state[parameter] = {
                name: value.to(parameter, copy=True) if isinstance(value, Tensor) else value
                for name, value in memory.items()
            }
        self._random.set_state(state["random"])
        self.steps_done, self.losses = state["step"], dict(state["losses"])


def new_mapper(generator: Generator, settings: StyleCLIPMapperSettings, random: torch.Generator) -> AnyMapper:
    """With first weights drawn from `random`, on the generator's device."""
    if settings.space == "S":
        widths = {
            index: generator.get_submodule(f"synthesis.{name}").in_channels
            for index, name in enumerate(generator.synthesis.rows)
            if not is_torgb(name)
        }
        mapper = StyleSpaceMapper(widths)
    else:
        mapper = LevelsMapper(generator.w_dim, ("coarse", "medium") if settings.no_fine else LEVELS)
    with torch.no_grad():
        for name, parameter in mapper.named_parameters():
            if name.endswith("weight"):
                parameter.copy_(torch.randn(parameter.shape, generator=random) / LR_MULTIPLIER)
    return mapper.to(generator.mapping.w_avg.device)


def _copies(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.detach().clone().cpu() if isinstance(value, Tensor) else value for name, value in values.items()
    }


# ---------------------------------------------------------------------------------------------- the engine


class StyleCLIPMapper(FaceEngine):
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

    def run(self, settings: StyleCLIPMapperSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        steps = settings.num_steps if settings.wants_training else 1
        yield from self._find_face(settings, steps)
        self._prepare(settings)
        while True:
            now = settings if live is None else live.current
            if self._follow_face(now):
                self._show_face()
            if now.wants_training and self._training is None:
                self._prepare_training(now)
            frame = self._frame(now, can_change=live is not None)
            yield frame
            if frame.is_resting and live is None:
                return
            now = settings if live is None else live.current
            if not frame.is_resting and self._has_to_train(now):
                self._training.step(now)
            self._step += 1

    @classmethod
    def write_model(cls, state: dict[str, Any], path: Path) -> None:
        """The mapper that was trained, with its prompt and its generator, as a file for `mapper_file`."""
        training = state["training"]
        if training is None:
            raise EngineError("This run has trained no mapper; choose the edit 'train' and write a prompt.")
        save_mapper(mapper_of(training["mapper"], training["metadata"]), path)

    # ------------------------------------------------------------------ preparation

    def _prepare(self, settings: StyleCLIPMapperSettings) -> None:
        self._opened: dict[Path, AnyMapper] = {}
        if settings.mapper_file:
            self._open(Path(settings.mapper_file))
        self._show_face()

    @torch.no_grad()
    def _show_face(self) -> None:
        self._before = to_pixels(self._generator.synthesis(self._start))

    def _prepare_training(self, settings: StyleCLIPMapperSettings) -> None:
        """Sets `_training`, and the faces of its sheet: the chosen one and the next numbers."""
        identity = identity_of(self.models, settings)
        self._has_identity = identity is not None
        self._training = MapperTraining(self._generator, self.models.clip(), identity, settings)
        seeds = [(settings.seed + number) % MAX_SEED for number in range(1, SHEET_FACES)]
        others = [latent_of_seed(self._generator, seed, settings.truncation_psi) for seed in seeds]
        self._faces = torch.cat([self._start, *others])
        with torch.no_grad():
            self._faces_before = as_row(self._generator.synthesis(self._faces))
        self._drawn: tuple | None = None
        if self._loaded is not None:
            try:
                self._training.load_state_dict(self._loaded)
                self._sheet, strength, *levels = self._loaded["sheet"]
                self._drawn = (strength, *levels)
            except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):
                raise EngineError("The saved state is of a training with other settings; choose another one.") from None
            self._loaded = None

    def _has_to_train(self, now: StyleCLIPMapperSettings) -> bool:
        return now.wants_training and self._training.steps_done < now.num_steps

    def _open(self, path: Path) -> AnyMapper:
        """The mapper of a file, if it belongs to the generator; remembered."""
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

    def _frame(self, now: StyleCLIPMapperSettings, *, can_change: bool) -> Frame:
        if self._has_to_train(now):
            return self._training_frame(now)
        if now.wants_training:
            return self._resting_frame(self._edited(self._training.mapper, now), self._learned(), now)
        try:
            mapper = self._open(Path(now.mapper_file) if now.mapper_file else MAPPERS[now.edit])
        except EngineError as error:  # the run stays, and the hand may go back
            if not can_change:
                raise
            return self._resting_frame(self._before, str(error), now)
        return self._resting_frame(self._edited(mapper, now), says(mapper), now)

    def _training_frame(self, now: StyleCLIPMapperSettings) -> Frame:
        view = (now.strength, *now.levels)
        if self._training.steps_done % SHEET_EVERY == 0 or view != self._drawn:
            self._sheet, self._drawn = self._draw_sheet(now), view
        status = f"Training for '{now.prompt}': above as the faces are, below as the mapper edits them."
        if not self._has_identity:
            status += " There is no identity network for these models, so the term of identity is left out."
        return Frame(
            step=self._step,
            steps=self._step + now.num_steps - self._training.steps_done,
            render=self._sheet.numpy,
            losses=self._training.losses,
            status=status,
        )

    def _resting_frame(self, picture: np.ndarray, status: str, now: StyleCLIPMapperSettings) -> Frame:
        return Frame(
            step=self._step,
            steps=self._step,
            render=lambda: picture,
            losses=self._training.losses if now.wants_training else {},
            before=self._before,
            status=status,
            is_resting=True,
        )

    def _learned(self) -> str:
        prompt = self._training.mapper.metadata["prompt"]
        return f"The mapper learned '{prompt}' in {self._training.steps_done} steps."

    @torch.no_grad()
    def _edited(self, mapper: AnyMapper, now: StyleCLIPMapperSettings) -> np.ndarray:
        _, moved = edit_code(self._generator, mapper, self._start, now.strength, now.levels)
        return to_pixels(render(self._generator, moved))

    @torch.no_grad()
    def _draw_sheet(self, now: StyleCLIPMapperSettings) -> Tensor:
        """(2 · side, 4 · side, 3) uint8: above the faces, below what the mapper makes of them."""
        _, moved = edit_code(self._generator, self._training.mapper, self._faces, now.strength, now.levels)
        rows = torch.cat([self._faces_before, as_row(render(self._generator, moved))], dim=2)
        return torch.from_numpy(to_pixels(rows))

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        training = self._loaded
        if self._training is not None:
            training = {**self._training.state_dict(), "sheet": [self._sheet, *self._drawn]}
        return {**super().state_dict(), "training": training}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._loaded = state.get("training")


def as_row(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) → (1, 3, side, N · side), side by side and not larger than the sheet shows them."""
    side = min(pictures.shape[-1], SHEET_SIDE)
    return torch.cat(F.interpolate(pictures, (side, side), mode="area").split(1), dim=3)


def says(mapper: AnyMapper) -> str:
    """What a mapper's file tells of it."""
    prompt = mapper.metadata.get("prompt")
    status = f"This mapper was trained for '{prompt}'." if prompt else "This mapper does not say what it learned."
    if "generator" not in mapper.metadata:
        status += " It does not name its generator, which must be the one in use."
    return status
