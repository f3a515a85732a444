"""What can be set on a StyleCLIPDraw run: all of CLIPDraw, the style, and how the two are coupled."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from engines.clipdraw import CLIPDrawSettings
from engines.errors import EngineError
from engines.settings import setting
from engines.style import NO_SWATCH, SWATCHES, Mapping, Swatch, SwatchOrNone

__all__ = ["StyleCLIPDrawSettings"]

_PUBLISHED = {
    **CLIPDrawSettings.PRESETS["Paper"],
    "learn_background": False, "style_mapping": "paper", "style_size": 224, "style_samples": 1024, "style_draws": 5,
}  # fmt: skip


class StyleCLIPDrawSettings(CLIPDrawSettings):
    # The published sums are written as weights of means: ten views are a content weight of ten.
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "Slow": {
            **_PUBLISHED, "coupling": "alternating", "style_every": 5, "style_steps": 50, "num_steps": 1000,
        },
        "Fast": {
            **_PUBLISHED, "num_steps": 500, "normalize_clip": True, "style_strength": 25, "optimizer": "rmsprop",
            "content_weight": 1.0, "points_lr": 0.3, "width_lr": 0.3, "color_lr": 0.03, "lr_schedule": "constant",
            "fade_from": 0.8, "fade_to": 0.1, "patience": 50,
        },
        "Joint": {
            **_PUBLISHED, "num_steps": 500, "num_augmentations": 10, "content_weight": 10.0, "style_strength": 50,
            "fade_from": 0.9, "fade_to": 0.0,
        },
        "Draw first, style after": {"coupling": "sequential"},
        **{name: CLIPDrawSettings.PRESETS[name] for name in ("Few bold strokes", "Fine lines")},
    }  # fmt: skip

    num_strokes: int = CLIPDrawSettings.with_default("num_strokes", 96)
    learn_background: bool = CLIPDrawSettings.with_default("learn_background", True)
    crop_min: float = CLIPDrawSettings.with_default("crop_min", 0.8)
    crop_max: float = CLIPDrawSettings.with_default("crop_max", 1.6)
    random_backgrounds: float = CLIPDrawSettings.with_default("random_backgrounds", 0.0)  # it is part of the style
    painter_weight: float = CLIPDrawSettings.with_default("painter_weight", 0.0)  # it has colours of its own

    # ------------------------------------------------------------------ Style
    swatch: Swatch = setting(
        next(iter(SWATCHES)), label="Swatch", group="Style", live=True, kind="swatch",
        help="A style to begin with. A picture of your own goes before it.",
    )  # fmt: skip
    style_image: str = setting(
        "", label="Style picture", group="Style", live=True, kind="image",
        help="A picture of your own whose colours, textures and shapes the strokes take on.",
    )  # fmt: skip
    style_strength: float = setting(
        50.0, label="Style strength", group="Style", live=True, minimum=0, maximum=100, step=1,
        help="0: the prompt alone. How strongly the style pulls beside the prompt; in steps for style alone, how far.",
    )  # fmt: skip
    texture_weight: float = setting(
        1.0, label="Texture", group="Style", live=True, minimum=0, maximum=5, step=0.1,
        help="Small patterns and shapes: every place of the drawing like some place of the style, and the reverse.",
    )  # fmt: skip
    moments_weight: float = setting(
        1.0, label="Moments", group="Style", live=True, minimum=0, maximum=5, step=0.1,
        help="The style as a whole: which patterns are how frequent, and which come together.",
    )  # fmt: skip
    palette_weight: float = setting(
        1.0, label="Colours of the style", group="Style", live=True, minimum=0, maximum=5, step=0.1,
        help="The style's colours, in its proportions.",
    )  # fmt: skip
    gram_weight: float = setting(
        0.0, label="Gram matrix", group="Style", live=True, minimum=0, maximum=5, step=0.1, advanced=True,
        help="Which patterns come together, after Gatys; the paper does without.",
    )  # fmt: skip
    style_region: str = setting(
        "", label="Part of the style", group="Style", live=True, kind="image", advanced=True,
        help="A picture of the style picture in which white marks what to borrow from.",
    )  # fmt: skip
    style_mapping: Mapping = setting(
        "corrected", label="Input mapping", group="Style", advanced=True,
        help="How the style network is given colours. paper: with half the contrast, as in the released code.",
    )  # fmt: skip
    style_samples: int = setting(
        256, label="Places compared", group="Style", live=True, minimum=16, maximum=4096, step=16, advanced=True,
        help="Places of the drawing that are compared with the style in every step. The paper: 1024.",
    )  # fmt: skip
    style_draws: int = setting(
        1, label="Style samples", group="Style", live=True, minimum=1, maximum=5, step=1, advanced=True,
        help="Thousands of places that stand for the style picture. The paper: 5.",
    )  # fmt: skip
    style_size: int = setting(
        96, label="Style resolution", group="Style", minimum=64, maximum=512, step=16, advanced=True,
        help="Longer side, in px, of the pictures that the style network sees. The paper: 224.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Second style
    second_swatch: SwatchOrNone = setting(
        NO_SWATCH, label="Second swatch", group="Second style", live=True, kind="swatch", advanced=True,
        help="A style to mix with the first.",
    )  # fmt: skip
    second_style_image: str = setting(
        "", label="Second style picture", group="Second style", live=True, kind="image", advanced=True,
        help="A picture of your own to mix with the first style; it goes before the second swatch.",
    )  # fmt: skip
    style_mix: float = setting(
        0.5, label="Share of the second", group="Second style", live=True, minimum=0, maximum=1, step=0.05,
        advanced=True, help="0: the first style alone. 1: the second alone.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Prompt and style
    coupling: Literal["joint", "alternating", "sequential"] = setting(
        "joint", label="Coupling", group="Prompt and style",
        help="joint: both in every step. alternating: steps for style alone in between. "
        "sequential: draw first, transfer the style afterwards.",
    )  # fmt: skip
    content_weight: float = setting(
        2.5, label="Prompt strength", group="Prompt and style", live=True, minimum=0, maximum=20, step=0.1,
        help="How much the prompt counts beside the style in joint steps, whatever the number of views.",
    )  # fmt: skip
    fade_from: float = setting(
        1.0, label="Prompt fades from", group="Prompt and style", live=True, minimum=0, maximum=1, step=0.05,
        advanced=True, help="Share of the run after which the prompt counts less in joint steps; 1: never.",
    )  # fmt: skip
    fade_to: float = setting(
        0.1, label="Prompt fades to", group="Prompt and style", live=True, minimum=0, maximum=1, step=0.05,
        advanced=True, help="How much of the prompt's weight is left then.",
    )  # fmt: skip
    patience: int = setting(
        0, label="Patience", group="Prompt and style", live=True, minimum=0, maximum=1000, step=10, advanced=True,
        help="Steps without a better likeness after which the fading begins early, and the run ends early; 0: never.",
    )  # fmt: skip
    style_every: int = setting(
        5, label="Style turn every", group="Prompt and style", live=True, minimum=1, maximum=1000, step=1,
        advanced=True, help="Alternating: steps for the prompt between two turns of the style.",
    )  # fmt: skip
    style_steps: int = setting(
        20, label="Steps of a turn", group="Prompt and style", live=True, minimum=1, maximum=200, step=1, advanced=True,
        help="Alternating: steps for style alone in each turn. The paper: 50, its demonstrations 20.",
    )  # fmt: skip
    transfer_steps: int = setting(
        150, label="Transfer steps", group="Prompt and style", live=True, minimum=1, maximum=5000, step=1,
        advanced=True, help="Sequential: steps for style alone after the drawing.",
    )  # fmt: skip
    keep_weight: float = setting(
        1.0, label="Keep the drawing", group="Prompt and style", live=True, minimum=0, maximum=20, step=0.1,
        advanced=True, help="Sequential: how strongly the arrangement of the finished drawing is kept.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Optimiser
    optimizer: Literal["adam", "rmsprop"] = setting(
        "adam", label="Optimiser", group="Optimiser", advanced=True,
        help="Of the steps for the prompt and of joint steps. Those for style alone use RMSprop.",
    )  # fmt: skip
    style_points_lr: float = setting(
        0.1, label="Style point rate", group="Optimiser", live=True, minimum=0, maximum=10, step=0.05, advanced=True,
        help="Learning rate of control points in steps for style alone, in px of a 224-px canvas.",
    )  # fmt: skip
    style_width_lr: float = setting(
        0.1, label="Style width rate", group="Optimiser", live=True, minimum=0, maximum=2, step=0.01, advanced=True,
        help="Learning rate of half-widths in steps for style alone, in px of a 224-px canvas.",
    )  # fmt: skip
    style_color_lr: float = setting(
        0.01, label="Style colour rate", group="Optimiser", live=True, minimum=0, maximum=0.2, step=0.005,
        advanced=True, help="Learning rate of colours and alpha in steps for style alone.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check_style(self) -> StyleCLIPDrawSettings:
        if not (self.texture_weight or self.moments_weight or self.palette_weight or self.gram_weight):
            raise EngineError("Setting 'texture_weight' and all other weights of the style are 0; raise one of them.")
        return self
