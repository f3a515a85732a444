"""What a person can set of StyleGAN-NADA."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from engines.errors import EngineError
from engines.files import ASSETS
from engines.settings import setting
from engines.style import NO_SWATCH, SWATCHES, SwatchOrNone
from engines.styleclip.face import FaceSettings
from engines.stylegan_nada.delta import Method, Strengths
from engines.stylegan_nada.layers import Phase

__all__ = ["DOMAINS", "TRAIN", "StyleGANNadaSettings"]

TRAIN = "train"
DOMAINS: dict[str, Path] = {path.stem: path for path in sorted((ASSETS / "faces" / "domains").glob("*.safetensors"))}
"""Name → file of the domains that are part of the program."""


class StyleGANNadaSettings(FaceSettings):
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "Style": {},
        "Shape": {"selection": "exact", "mixing": 0.9, "num_steps": 400},
        "Paper": {"lr": 0.0016, "batch_size": 2, "num_steps": 300, "views": 0, "texture_lambda": 0},
    }

    seed: int = FaceSettings.made_live("seed")
    truncation_psi: float = setting(
        0.7, label="Truncation", group="Face", live=True, minimum=0, maximum=1.2, step=0.05,
        help="How far a face may be from the average one: 0 the average, 1 as the generator learned. Published: 0.7.",
    )  # fmt: skip
    faces: int = setting(
        8, label="Faces shown", group="Face", live=True, minimum=1, maximum=16, step=1,
        help="The chosen face and the ones with the next numbers.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Domain
    domain: Literal[(TRAIN, *DOMAINS)] = setting(
        TRAIN, label="Domain", group="Domain", live=True,
        help="A domain that was trained before and shows at once; or train one for your own words or pictures.",
    )  # fmt: skip
    source_text: str = setting(
        "photo", label="Source text", group="Domain", live=True, max_length=300,
        help='What the generator makes: "photo" for a change of style, "face" or "person" for one of things.',
    )  # fmt: skip
    prompt: str = setting(
        "", label="Target text", group="Domain", live=True, max_length=300,
        help='What it shall make: "pencil sketch", "mosaic", "zombie".',
    )  # fmt: skip
    templates: bool = setting(
        True, label="Average over sentences", group="Domain", live=True, advanced=True,
        help="Put an English text into 79 sentences and average them, as the paper does.",
    )  # fmt: skip
    swatch: SwatchOrNone = setting(
        NO_SWATCH, label="Swatch", group="Domain", live=True, kind="swatch",
        help="The style of a picture in the words' place. Pictures of your own go before it.",
    )  # fmt: skip
    style_1: str = setting(
        "", label="Style picture", group="Domain", live=True, kind="image",
        help="A picture of the wanted style. Where there is one the direction is its own and not the texts'.",
    )  # fmt: skip
    style_2: str = setting(
        "", label="Second style picture", group="Domain", live=True, kind="image",
        help="Another picture of the same style: what they have in common counts more.",
    )  # fmt: skip
    style_3: str = setting(
        "", label="Third style picture", group="Domain", live=True, kind="image",
        help="Another picture of the same style: what they have in common counts more.",
    )  # fmt: skip
    domain_file: str = setting(
        "", label="Own domain", group="Domain", kind="checkpoint",
        help="A domain to use instead of the one above: a file of a domain, or any generator adapted from this one.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Blend
    strength: float = setting(
        1.0, label="Strength", group="Blend", live=True, minimum=0, maximum=1.5, step=0.05,
        help="0 is the original, 1 the adapted generator; above, the change is exaggerated.",
    )  # fmt: skip
    coarse: float = setting(
        1.0, label="Coarse blocks", group="Blend", live=True, minimum=0, maximum=1.5, step=0.05,
        help="Share of the strength in the blocks of 4 and 8 px: pose and shape.",
    )  # fmt: skip
    medium: float = setting(
        1.0, label="Medium blocks", group="Blend", live=True, minimum=0, maximum=1.5, step=0.05,
        help="Share of the strength in the blocks of 16 and 32 px: features of the face.",
    )  # fmt: skip
    fine: float = setting(
        1.0, label="Fine blocks", group="Blend", live=True, minimum=0, maximum=1.5, step=0.05,
        help="Share of the strength in the blocks of 64 px and above: colours and texture.",
    )  # fmt: skip
    snapshot: int = setting(
        0, label="Show after step", group="Blend", live=True, minimum=0, maximum=10_000, step=1,
        help="Back to the snapshot that was taken at this step or before; 0: the latest.",
    )  # fmt: skip
    show: Literal["sheet", "walk"] = setting(
        "sheet", label="Show", group="Blend", live=True,
        help="sheet: faces side by side. walk: from face to face, into the domain and back, for the time-lapse.",
    )  # fmt: skip
    walk_frames: int = setting(
        120, label="Frames of the walk", group="Blend", live=True, minimum=8, maximum=2000, step=1, advanced=True,
        help="How long the walk takes.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Training
    num_steps: int = setting(
        120, label="Steps", group="Training", live=True, minimum=1, maximum=10_000, step=1,
        help="Training steps. More, set when it has ended, go on where it stood. Published: 150 to 600.",
    )  # fmt: skip
    method: Method = setting(
        "layers", label="What is trained", group="Training",
        help="layers: whole layers. low-rank: a small change of each. style offsets: one vector for each layer.",
    )  # fmt: skip
    phase: Phase = setting(
        "default", label="Layers", group="Training", live=True,
        help="Which convolutions are trained: default all, shape the first ones, texture all but these.",
    )  # fmt: skip
    selection: Literal["off", "exact", "reference"] = setting(
        "off", label="Adaptive layers", group="Training", live=True,
        help="Train only the layers that matter most to the text, for changes of shape. reference: as released, "
        "one layer beside.",
    )  # fmt: skip
    selection_k: int = setting(
        7, label="Layers at a time", group="Training", live=True, minimum=1, maximum=18, step=1,
        help="How many layers are chosen. Published: two thirds of them.",
    )  # fmt: skip
    lr: float = setting(
        0.01, label="Learning rate", group="Training", live=True, minimum=0, maximum=0.1, step=0.0002,
        help="Of Adam. Published: 0.0016.",
    )  # fmt: skip
    batch_size: int = setting(
        4, label="Faces per step", group="Training", live=True, minimum=1, maximum=32, step=1,
        help="Faces that each step learns from. Published: 2.",
    )  # fmt: skip
    views: int = setting(
        3, label="Views of a face", group="Training", minimum=0, maximum=16, step=1, advanced=True,
        help="Crops in which CLIP sees each face besides the whole: changes have to hold in all. Published: 0.",
    )  # fmt: skip
    mixing: float = setting(
        0.0, label="Style mixing", group="Training", minimum=0, maximum=1, step=0.05, advanced=True,
        help="Share of faces that are made of two. Published: 0, or 0.9 for changes of shape.",
    )  # fmt: skip
    rank: int = setting(
        4, label="Rank", group="Training", minimum=1, maximum=64, step=1, advanced=True,
        help="Of the low-rank change: more can express more and takes more space.",
    )  # fmt: skip
    selection_batch: int = setting(
        4, label="Faces to choose layers by", group="Training", live=True, minimum=1, maximum=16, step=1, advanced=True,
        help="Published: 8.",
    )  # fmt: skip
    selection_steps: int = setting(
        1, label="Steps to choose layers by", group="Training", live=True, minimum=1, maximum=10, step=1, advanced=True,
        help="How far codes walk towards the text. Published: 1.",
    )  # fmt: skip
    selection_every: int = setting(
        10, label="Choose layers every", group="Training", live=True, minimum=1, maximum=1000, step=1, advanced=True,
        help="Steps between two choices. Published: 1, which doubles the work.",
    )  # fmt: skip
    snapshot_every: int = setting(
        25, label="Snapshot every", group="Training", live=True, minimum=1, maximum=1000, step=1, advanced=True,
        help="Steps between two snapshots. Of more than eight, every second one is forgotten.",
    )  # fmt: skip
    training_seed: int = setting(
        0, label="Seed", group="Training", minimum=0, maximum=2**31 - 1, step=1, advanced=True,
        help="Of the faces it learns from. Same seed, same settings: same generator.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Guidance
    directional_lambda: float = setting(
        1.0, label="Direction weight", group="Guidance", live=True, minimum=0, maximum=10, step=0.1,
        help="How much it counts that every face moves along the way from source to target.",
    )  # fmt: skip
    global_lambda: float = setting(
        0.0, label="Text weight", group="Guidance", live=True, minimum=0, maximum=10, step=0.1,
        help="How much it counts that every face fits the target text by itself: stronger, but all become alike.",
    )  # fmt: skip
    texture_lambda: float = setting(
        1.0, label="Texture weight", group="Guidance", live=True, minimum=0, maximum=10, step=0.1,
        help="How much it counts that faces have the texture of the style pictures, where there are some. "
        "Published: 0.",
    )  # fmt: skip
    patch_lambda: float = setting(
        0.0, label="Patch weight", group="Guidance", live=True, minimum=0, maximum=10, step=0.1, advanced=True,
        help="The direction for parts of the picture and of an animal; experimental.",
    )  # fmt: skip
    manifold_lambda: float = setting(
        0.0, label="Distance weight", group="Guidance", live=True, minimum=0, maximum=10, step=0.1, advanced=True,
        help="How much it counts that faces move as far as the two texts lie apart; experimental.",
    )  # fmt: skip
    clip_models: str = setting(
        "", label="CLIP models", group="Guidance", max_length=200, advanced=True,
        help='Empty for the chosen family\'s own; or an ensemble like "ViT-B-32:1 | ViT-B-16:1".',
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> StyleGANNadaSettings:
        if self.wants_training and self.needs_words:
            if not self.prompt.strip():
                raise EngineError("Setting 'prompt' is empty; write what to adapt to, or choose a trained domain.")
            if not self.source_text.strip():
                raise EngineError("Setting 'source_text' is empty; write what the generator makes, like 'photo'.")
        if not any(self.loss_weights.values()):
            raise EngineError("Setting 'directional_lambda' is 0 as all other weights are; raise one of them.")
        return self

    @property
    def wants_training(self) -> bool:
        return self.domain == TRAIN and not self.domain_file

    @property
    def needs_words(self) -> bool:
        """Style pictures replace the words of the direction, but not those of the other losses and of the selection."""
        words_only = self.global_lambda or self.manifold_lambda or self.patch_lambda or self.selection != "off"
        return not self.style_pictures or bool(words_only)

    @property
    def style_pictures(self) -> tuple[str, ...]:
        own = tuple(filter(None, (self.style_1, self.style_2, self.style_3)))
        return own or tuple(str(SWATCHES[name]) for name in (self.swatch,) if name != NO_SWATCH)

    @property
    def strengths(self) -> Strengths:
        return Strengths(*(self.strength * share for share in (self.coarse, self.medium, self.fine)))

    @property
    def loss_weights(self) -> dict[str, float]:
        return {
            "directional": self.directional_lambda,
            "global": self.global_lambda,
            "manifold": self.manifold_lambda,
            "patch": self.patch_lambda,
            "texture": self.texture_lambda if self.style_pictures else 0.0,
        }
