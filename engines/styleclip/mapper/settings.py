"""The settings of StyleCLIP's latent mapper."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from engines.errors import EngineError
from engines.files import ASSETS
from engines.settings import setting
from engines.styleclip.face import PersonSettings
from engines.styleclip.mapper.network import LEVELS, STRENGTH, Level

__all__ = ["MAPPERS", "TRAIN", "StyleCLIPMapperSettings"]

TRAIN = "train"
MAPPERS: dict[str, Path] = {path.stem: path for path in sorted((ASSETS / "faces" / "mappers").glob("*.safetensors"))}
"""Name → file of the embedded mappers, trained by `training.portrait_mappers`."""


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
