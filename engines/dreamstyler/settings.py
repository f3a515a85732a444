"""What a person can set of DreamStyler."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from engines.dreamstyler.prompts import normalize, split_at_place
from engines.dreamstyler.stages import stage_of_timestep
from engines.dreamstyler.styles import MAX_STAGES, stage_shares
from engines.errors import EngineError
from engines.files import ASSETS
from engines.settings import EngineSettings, setting

__all__ = ["NO_STYLE", "SHELF", "DreamStylerSettings"]

NO_STYLE = "none"
SHELF: dict[str, Path] = {path.stem: path for path in sorted((ASSETS / "diffusion" / "styles").glob("*.safetensors"))}
"""Name → file of the styles that are part of the program, learned with its own pocket model."""


class DreamStylerSettings(EngineSettings):
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "Quick": {},
        "Paper": {
            "training_steps": 500, "lr": 0.002, "batch_size": 8, "num_steps": 25,
            "guidance_scale": 5.0, "style_scale": 0.5, "context_scale": 3.0,
        },
        "Released code": {"training_steps": 500, "lr": 0.0001, "batch_size": 4, "num_steps": 25, "guidance_scale": 7.5},
    }  # fmt: skip

    mode: Literal["learn", "paint", "restyle"] = setting(
        "learn", label="Task", group="Task", kind="task",
        help="learn: a style from paintings. paint: anything in a style. restyle: a picture of yours in a style.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Paintings
    painting_1: str = setting(
        "", label="Painting", group="Paintings", kind="image", help="A picture in the style to learn.",
    )  # fmt: skip
    caption_1: str = setting(
        "", label="What it shows", group="Paintings", kind="longtext", max_length=600,
        help="Everything in it that is not style: things, ground, layout. Empty: found by the captioner.",
    )  # fmt: skip
    painting_2: str = setting(
        "", label="Second painting", group="Paintings", kind="image", help="Another picture in the same style.",
    )  # fmt: skip
    caption_2: str = setting(
        "", label="What the second shows", group="Paintings", kind="longtext", max_length=600,
        help="Everything in it that is not style. Empty: found by the captioner.",
    )  # fmt: skip
    painting_3: str = setting(
        "", label="Third painting", group="Paintings", kind="image", help="Another picture in the same style.",
    )  # fmt: skip
    caption_3: str = setting(
        "", label="What the third shows", group="Paintings", kind="longtext", max_length=600,
        help="Everything in it that is not style. Empty: found by the captioner.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Training
    training_steps: int = setting(
        300, label="Training steps", group="Training", live=True, minimum=1, maximum=5000, step=1,
        help="More, set when it has ended, go on where it stood. Published: 500.",
    )  # fmt: skip
    lr: float = setting(
        0.002, label="Learning rate", group="Training", live=True, minimum=0, maximum=0.1, step=0.0005,
        help="Of AdamW. Published: 0.002; the released code begins with 0.0001, which hardly learns.",
    )  # fmt: skip
    batch_size: int = setting(
        6, label="Views per step", group="Training", live=True, minimum=1, maximum=64, step=1,
        help="How many times each step looks at the paintings, each time with other noise. Published: 8.",
    )  # fmt: skip
    num_stages: int = setting(
        6, label="Stages", group="Training", minimum=1, maximum=MAX_STAGES, step=1,
        help="Parts of the way from noise to picture, each with its own vector. 1 is ordinary textual inversion.",
    )  # fmt: skip
    initializer: str = setting(
        "painting", label="First word", group="Training", max_length=60, advanced=True,
        help="The word whose vector every stage begins with. One that the model knows as a whole.",
    )  # fmt: skip
    placeholder: str = setting(
        "<style>", label="Name of the style", group="Training", max_length=60, advanced=True,
        help="As files call it. In prompts it may be written in the place of {}.",
    )  # fmt: skip
    snapshot: int = setting(
        0, label="Style after step", group="Training", live=True, minimum=0, maximum=5000, step=1,
        help="Back to the vectors as they were at this step or before; 0: the latest.",
    )  # fmt: skip
    snapshot_every: int = setting(
        50, label="Snapshot every", group="Training", live=True, minimum=1, maximum=1000, step=1, advanced=True,
        help="Steps between two snapshots. Of more than 40, every second one is forgotten.",
    )  # fmt: skip
    preview_every: int = setting(
        20, label="Preview every", group="Training", live=True, minimum=1, maximum=1000, step=1, advanced=True,
        help="Steps of training between two previews, which are always of the same seed.",
    )  # fmt: skip
    training_seed: int = setting(
        0, label="Training seed", group="Training", minimum=0, maximum=2**31 - 1, step=1, advanced=True,
        help="Of the noise it learns from. Same seed, same settings: same style.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Style
    style: Literal[(NO_STYLE, *SHELF)] = setting(
        NO_STYLE, label="Style", group="Style", kind="swatch", live=True, help="A style that was learned before.",
    )  # fmt: skip
    style_file: str = setting(
        "", label="Own style", group="Style", kind="checkpoint", live=True,
        help="A style to use instead: a file saved here, or a .bin of the released code. Nothing in it is run.",
    )  # fmt: skip
    style_amount: float = setting(
        1.0, label="Amount of style", group="Style", live=True, minimum=0, maximum=1.5, step=0.05,
        help="0 is the plain word it began with, 1 the style as learned; above, it is exaggerated.",
    )  # fmt: skip
    second_style: Literal[(NO_STYLE, *SHELF)] = setting(
        NO_STYLE, label="Second style", group="Style", kind="swatch", live=True,
        help="A style to mix with the first one.",
    )  # fmt: skip
    second_style_file: str = setting(
        "", label="Own second style", group="Style", kind="checkpoint", live=True,
        help="A file to use as the second style.",
    )  # fmt: skip
    mix: str = setting(
        "0 0 0 1 1 1", label="Share of the second style", group="Style", live=True, max_length=300,
        help="From 0 to 1 for each part of the way, from the first (structure) to the last (texture).",
    )  # fmt: skip

    instant_style: str = setting(
        "", label="Instant style", group="Style", kind="image",
        help="A picture whose style is used at once, without learning; for the Full models.",
    )  # fmt: skip
    instant_scale: float = setting(
        1.0, label="Instant style weight", group="Style", live=True, minimum=0, maximum=1.5, step=0.05,
        help="How much that picture counts. Published: 1.",
    )  # fmt: skip
    region: str = setting(
        "", label="Where the style acts", group="Style", kind="image", advanced=True,
        help="A picture that is white where the style shall be and black where it shall not. Empty: everywhere.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Picture
    prompt: str = setting(
        "", label="Prompt", group="Picture", live=True, max_length=600,
        help='What to paint, with {} for the style: "A painting of a lighthouse in the style of {}".',
    )  # fmt: skip
    negative_prompt: str = setting(
        "", label="Negative prompt", group="Picture", live=True, max_length=600, help="What the picture shall not be.",
    )  # fmt: skip
    photo: str = setting(
        "", label="Your picture", group="Picture", kind="image", help="For restyle: the picture to paint anew.",
    )  # fmt: skip
    strength: float = setting(
        0.8, label="Strength", group="Picture", live=True, minimum=0.05, maximum=1, step=0.01,
        help="For restyle: how much of the way is gone anew; 1 keeps nothing of your picture but its structure.",
    )  # fmt: skip
    structure: float = setting(
        0.8, label="Structure", group="Picture", live=True, minimum=0, maximum=2, step=0.05,
        help="For restyle: how firmly depth or edges of your picture are kept, where the models have a ControlNet.",
    )  # fmt: skip
    num_steps: int = setting(
        20, label="Steps", group="Picture", live=True, minimum=2, maximum=200, step=1,
        help="From noise to picture. Published: 25; the pocket model needs no more than 12.",
    )  # fmt: skip
    seed: int = setting(
        0, label="Seed", group="Picture", live=True, minimum=0, maximum=2**31 - 1, step=1,
        help="Of the noise it begins with. Same seed, same settings: same picture.",
    )  # fmt: skip
    best_of: int = setting(
        1, label="Best of", group="Picture", live=True, minimum=1, maximum=16, step=1,
        help="Paint so many pictures side by side, each from other noise, and show the one CLIP likes best.",
    )  # fmt: skip
    center_crop: bool = setting(
        False, label="Crop to a square", group="Picture", advanced=True,
        help="Use the middle square of each picture; otherwise it is squashed to a square, as published.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Guidance
    guidance_scale: float = setting(
        2.0, label="Guidance", group="Guidance", live=True, minimum=0, maximum=20, step=0.1,
        help="How much the picture follows the whole prompt. Published: 5, and 7.5 where it is the only guidance.",
    )  # fmt: skip
    style_scale: float = setting(
        0.0, label="Style guidance", group="Guidance", live=True, minimum=0, maximum=10, step=0.1,
        help="More than the context's: looks more like the style. Published: 0.5 to 3.",
    )  # fmt: skip
    context_scale: float = setting(
        0.0, label="Context guidance", group="Guidance", live=True, minimum=0, maximum=10, step=0.1,
        help="More than the style's: shows better what the prompt tells. Published: 3. Unequal scales double the work.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> DreamStylerSettings:
        if self.mode == "learn":
            if not self.paintings:
                raise EngineError("Setting 'painting_1' is empty; choose a painting to learn the style of.")
        elif not self.style_file and self.style == NO_STYLE and self.has_second_style:
            raise EngineError("Setting 'second_style' is to be mixed with a first one; choose 'style' too.")
        if self.mode == "paint" and not self.prompt.strip():
            raise EngineError("Setting 'prompt' is empty; write what to paint, with {} where the style belongs.")
        if self.mode == "restyle" and not self.photo:
            raise EngineError("Setting 'photo' is empty; choose the picture to paint anew.")
        for name in self._sentences:
            try:
                split_at_place(self.normalized(name))
            except EngineError as error:
                raise EngineError("Setting '{name}': {reason}", name=name, reason=error) from None
        try:
            stage_shares(self.mix)
        except ValueError:
            raise EngineError("Setting 'mix' needs numbers from 0 to 1 like '0 0 0 1 1 1'.") from None
        return self

    @property
    def _sentences(self) -> list[str]:
        """Settings that need a place for the style: a prompt if there is one, captions only where they tell of it."""
        captions = [name for name in ("caption_1", "caption_2", "caption_3") if "{}" in self.normalized(name)]
        is_needed = self.has_style or "{}" in self.normalized("prompt")
        return [*captions, "prompt"] if self.prompt.strip() and is_needed else captions

    def normalized(self, name: str) -> str:
        """A prompt or caption with {} where it may have the style's own name."""
        return normalize(getattr(self, name), self.placeholder)

    @property
    def paintings(self) -> tuple[tuple[str, str], ...]:
        """(file, caption) of those that were chosen."""
        pairs = [(getattr(self, f"painting_{n}"), self.normalized(f"caption_{n}")) for n in (1, 2, 3)]
        return tuple(pair for pair in pairs if pair[0])

    @property
    def has_style(self) -> bool:
        return self.mode == "learn" or bool(self.style_file) or self.style != NO_STYLE

    @property
    def has_second_style(self) -> bool:
        return bool(self.second_style_file) or self.second_style != NO_STYLE

    def share_at(self, timestep: int, num_train_timesteps: int) -> float:
        """Of the second style."""
        shares = stage_shares(self.mix)[::-1]
        return shares[stage_of_timestep(timestep, len(shares), num_train_timesteps)]
