"""The settings of StyleCLIP's latent optimisation."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from engines.clip.prompts import MAX_PROMPT, parse_prompt
from engines.errors import EngineError
from engines.settings import setting
from engines.styleclip.face import PersonSettings
from engines.styleclip.mapper.network import LEVELS, Level

__all__ = ["StyleCLIPOptimizeSettings"]


class StyleCLIPOptimizeSettings(PersonSettings):
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "Paper": {
            "num_steps": 300, "lr": 0.1, "l2_lambda": 0.008, "id_lambda": 0.005, "truncation_psi": 0.7, "companions": 0,
        },
    }  # fmt: skip

    # ------------------------------------------------------------------ Prompt
    prompt: str = setting(
        "", label="Prompt", group="Prompt", live=True, max_length=MAX_PROMPT,
        help='What the face should become. Several, weighted: "face with glasses:1 | smiling face:0.5 | beard:-0.3".',
    )  # fmt: skip

    # ------------------------------------------------------------------ Edit
    mode: Literal["edit", "free"] = setting(
        "edit", label="Mode", group="Edit",
        help="edit: change the chosen face. free: begin with the average face, and nothing pulls back to it.",
    )  # fmt: skip
    num_steps: int = setting(
        60, label="Steps", group="Edit", live=True, minimum=1, maximum=2000, step=1,
        help="How long to walk; the first step only looks. Published: 300.",
    )  # fmt: skip
    companions: int = setting(
        3, label="Companions", group="Edit", live=True, minimum=0, maximum=16, step=1, advanced=True,
        help="Other faces, new ones at each step, on which the same change has to show: CLIP is deceived about one "
        "face, hardly about many. Each takes as long as the face itself. Not used in free mode. Published: 0.",
    )  # fmt: skip
    coarse: bool = setting(
        True, label="Coarse rows", group="Edit", live=True,
        help="Rows 0 to 3 may move: pose, shape of the face and of the hair.",
    )  # fmt: skip
    medium: bool = setting(
        True, label="Medium rows", group="Edit", live=True,
        help="Rows 4 to 7 may move: features of the face.",
    )  # fmt: skip
    fine: bool = setting(
        True, label="Fine rows", group="Edit", live=True,
        help="Rows from 8 on may move: colours and small detail.",
    )  # fmt: skip
    accepted: int = setting(
        0, label="Accept as new start", group="Edit", live=True, kind="press", minimum=0, step=1,
        help="The face as it is now becomes the one that the weights hold on to, while the walk goes on.",
    )  # fmt: skip
    space: Literal["W+", "S"] = setting(
        "W+", label="Latent space", group="Edit", advanced=True,
        help="W+: a row for each layer. S: a style for each convolution; at the same L2 weight it moves less.",
    )  # fmt: skip
    lr: float = setting(
        0.1, label="Learning rate", group="Edit", live=True, minimum=0, maximum=1, step=0.005, advanced=True,
        help="Length of the steps; it rises in the first twentieth of them and falls in the last quarter.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Weights
    l2_lambda: float = setting(
        0.004, label="Stay near (L2)", group="Weights", live=True, minimum=0, maximum=0.1, step=0.0005,
        help="How strongly the latent is held near its start: lower it if nothing happens. Not used in free mode. "
        "Published: 0.008.",
    )  # fmt: skip
    id_lambda: float = setting(
        0.005, label="Keep the person", group="Weights", live=True, minimum=0, maximum=1, step=0.005,
        help="How strongly the identity is kept, as a face recognition network sees it. Not used in free mode.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Guidance
    reference_clip_input: bool = setting(
        False, label="Reference-compatible CLIP input", group="Guidance", advanced=True,
        help="Show CLIP pictures as the released program did, not normalised. Only for a CLIP of 224 pixels.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> StyleCLIPOptimizeSettings:
        try:
            parts = parse_prompt(self.prompt)
        except EngineError as error:
            raise EngineError("Setting 'prompt': {reason}", reason=error) from None
        if not parts:
            raise EngineError("Setting 'prompt' is empty; type what the face should become.")
        return self

    @property
    def levels(self) -> set[Level]:
        """Those that may move."""
        return {level for level in LEVELS if getattr(self, level)}
