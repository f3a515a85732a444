"""What can be set on a CLIPDraw run.

Lengths and learning rates of strokes are given for a canvas whose shorter side is 224 px, as in the paper, and grow
with the canvas: the same settings make the same drawing at any size.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from engines.clip.guidance import KNOWN_WORDS
from engines.clip.prompts import MAX_PROMPT, parse_prompt
from engines.colors import parse_color, parse_palette
from engines.errors import EngineError
from engines.settings import EngineSettings, setting

__all__ = ["REFERENCE_SIDE", "CLIPDrawSettings", "parse_stroke_numbers"]

REFERENCE_SIDE = 224.0
"""px; the paper's canvas."""


class CLIPDrawSettings(EngineSettings):
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "Paper": {
            "width": 224, "height": 224, "num_strokes": 256, "segments": "random", "start_width": 1.0,
            "min_width": 1.0, "max_width": 50.0, "num_steps": 1000, "num_augmentations": 4, "color_lr": 0.01,
            "dead_strokes": "keep", "convention": "clipdraw", "normalize_clip": False, "contrast": 0.0,
            "known_words": 0.0, "painter_weight": 0.0, "crop_min": 0.7, "crop_max": 0.9, "random_backgrounds": 0.0,
        },
        "Ink": {"color_mode": "ink", "num_strokes": 48, "max_width": 5.0, "background": "#fdfbf5"},
        "Few bold strokes": {"num_strokes": 16, "start_width": 6.0, "max_width": 28.0},
        "Fine lines": {"num_strokes": 256, "start_width": 1.0, "max_width": 3.0, "segments": "3"},
    }  # fmt: skip

    # ------------------------------------------------------------------ Prompt
    prompt: str = setting(
        "", label="Prompt", group="Prompt", live=True, kind="longtext", max_length=MAX_PROMPT,
        help='What to draw. Several, weighted: "a red apple:1 | watercolor:0.4 | text:-0.3".',
    )  # fmt: skip
    negative_prompt: str = setting(
        "", label="Negative prompt", group="Prompt", live=True, max_length=MAX_PROMPT,
        help="What to keep away from; several parts and weights as in the prompt.",
    )  # fmt: skip
    negative_weight: float = setting(
        0.3, label="Negative weight", group="Prompt", live=True, minimum=0, maximum=2, step=0.05,
        help="How strongly the negative prompt pushes away. The paper used 0.3.",
    )  # fmt: skip
    image_prompt: str = setting(
        "", label="Image prompt", group="Prompt", kind="image", advanced=True,
        help="A picture whose content to draw, beside or instead of words.",
    )  # fmt: skip
    image_prompt_weight: float = setting(
        1.0, label="Image prompt weight", group="Prompt", live=True, minimum=0, maximum=2, step=0.05, advanced=True,
        help="How strongly the image prompt pulls.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Strokes
    num_strokes: int = setting(
        48, label="Strokes", group="Strokes", live=True, minimum=1, maximum=2048, step=1,
        help="How many strokes. While it draws, new ones come on top and the least visible go first.",
    )  # fmt: skip
    segments: Literal["1", "2", "3", "random"] = setting(
        "2", label="Curves per stroke", group="Strokes",
        help="Cubic Bézier curves that make one stroke; random: 1 to 3, as in the paper.",
    )  # fmt: skip
    start_width: float = setting(
        6.0, label="First width", group="Strokes", minimum=0.1, maximum=50, step=0.1,
        help="Half-width of new strokes, in px of a 224-px canvas.",
    )  # fmt: skip
    min_width: float = setting(
        0.7, label="Narrowest", group="Strokes", live=True, minimum=0.1, maximum=50, step=0.1,
        help="Smallest half-width, in px of a 224-px canvas.",
    )  # fmt: skip
    max_width: float = setting(
        14.0, label="Widest", group="Strokes", live=True, minimum=0.1, maximum=50, step=0.1,
        help="Largest half-width, in px of a 224-px canvas: narrow the pen while it draws.",
    )  # fmt: skip
    color_mode: Literal["free", "grey", "ink", "palette"] = setting(
        "free", label="Colours", group="Strokes", live=True,
        help="Any colour, shades of grey, one ink, or the nearest of a fixed palette.",
    )  # fmt: skip
    ink: str = setting(
        "#1a1a1a", label="Ink", group="Strokes", live=True, kind="color", help="The one colour of the mode 'ink'.",
    )  # fmt: skip
    palette: str = setting(
        "#1d3557 #457b9d #e63946 #f1c453 #f1faee #2a9d8f", label="Palette", group="Strokes", live=True, max_length=1000,
        help="The colours of the mode 'palette', like #1d3557 #e63946.",
    )  # fmt: skip
    use_alpha: bool = setting(
        True, label="Transparent strokes", group="Strokes", live=True, help="Strokes may be see-through; off: opaque.",
    )  # fmt: skip
    dead_strokes: Literal["keep", "reseed", "prune"] = setting(
        "reseed", label="Invisible strokes", group="Strokes", live=True, advanced=True,
        help="Strokes that nobody can see: keep them, begin them anew until three quarters of the run, or remove them.",
    )  # fmt: skip
    locked_strokes: str = setting(
        "", label="Locked strokes", group="Strokes", live=True, max_length=200, advanced=True,
        help='Numbers of strokes that must not change, lowest first: "0-15, 20".',
    )  # fmt: skip

    # ------------------------------------------------------------------ Canvas
    width: int = setting(
        512, label="Width", group="Canvas", minimum=64, maximum=2048, step=8, help="Canvas width in px.",
    )  # fmt: skip
    height: int = setting(
        512, label="Height", group="Canvas", minimum=64, maximum=2048, step=8, help="Canvas height in px.",
    )  # fmt: skip
    background: str = setting(
        "#ffffff", label="Background", group="Canvas", live=True, kind="color", help="Colour behind the strokes.",
    )  # fmt: skip
    learn_background: bool = setting(
        False, label="Learn the background", group="Canvas", live=True,
        help="The background colour is optimised as well.",
    )  # fmt: skip
    init: Literal["random", "image", "svg"] = setting(
        "random", label="Begin with", group="Canvas",
        help="Random strokes, strokes along the edges and in the colours of a picture, or the strokes of an SVG.",
    )  # fmt: skip
    init_image: str = setting(
        "", label="First picture", group="Canvas", kind="image", advanced=True, help="For 'Begin with: image'.",
    )  # fmt: skip
    init_svg: str = setting(
        "", label="First SVG", group="Canvas", kind="svg", advanced=True,
        help="For 'Begin with: svg'; for example an earlier drawing.",
    )  # fmt: skip
    region: str = setting(
        "", label="Region", group="Canvas", kind="image", advanced=True,
        help="A picture of the canvas in which white marks where to draw.",
    )  # fmt: skip
    region_weight: float = setting(
        5.0, label="Region weight", group="Canvas", live=True, minimum=0, maximum=20, step=0.5, advanced=True,
        help="How strongly ink outside the region is pushed away.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Optimiser
    num_steps: int = setting(
        250, label="Steps", group="Optimiser", live=True, minimum=1, maximum=5000, step=1, help="Optimisation steps.",
    )  # fmt: skip
    seed: int = setting(
        0, label="Seed", group="Optimiser", minimum=0, maximum=2**31 - 1, step=1,
        help="Same seed, same settings, same device: same pixels.",
    )  # fmt: skip
    best_of: int = setting(
        1, label="Best of", group="Optimiser", minimum=1, maximum=8, step=1, advanced=True,
        help="Begin this many drawings for 40 steps each and go on with the one CLIP likes best.",
    )  # fmt: skip
    points_lr: float = setting(
        1.0, label="Point rate", group="Optimiser", live=True, minimum=0, maximum=10, step=0.05, advanced=True,
        help="Learning rate of control points, in px of a 224-px canvas.",
    )  # fmt: skip
    width_lr: float = setting(
        0.1, label="Width rate", group="Optimiser", live=True, minimum=0, maximum=2, step=0.01, advanced=True,
        help="Learning rate of half-widths, in px of a 224-px canvas.",
    )  # fmt: skip
    color_lr: float = setting(
        0.03, label="Colour rate", group="Optimiser", live=True, minimum=0, maximum=0.2, step=0.005, advanced=True,
        help="Learning rate of colours and alpha. The paper used 0.01 over 1000 steps.",
    )  # fmt: skip
    lr_schedule: Literal["paper", "cosine", "constant"] = setting(
        "paper", label="Schedule", group="Optimiser", advanced=True,
        help="Of the point rate. Paper: 0.4 of it from half of the run, 0.1 from three quarters.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Guidance
    clip_models: str = setting(
        "", label="CLIP models", group="Guidance", max_length=200, advanced=True,
        help='Empty for the chosen family\'s own; or an ensemble like "ViT-B-32:1 | RN50:0.5".',
    )  # fmt: skip
    num_augmentations: int = setting(
        8, label="Views per step", group="Guidance", live=True, minimum=1, maximum=64, step=1,
        help="Randomly warped copies that CLIP looks at in every step. More: calmer and slower.",
    )  # fmt: skip
    contrast: float = setting(
        1.0, label="Contrast", group="Guidance", live=True, minimum=0, maximum=4, step=0.1,
        help="How much counts what tells the prompt from all other names, beside the plain likeness. The paper: 0.",
    )  # fmt: skip
    known_words: float = setting(
        KNOWN_WORDS, label="Known words", group="Guidance", live=True, minimum=0, maximum=5, step=0.1, advanced=True,
        help="How far a prompt is drawn to names that mean nearly the same, to be understood in other words. "
        "Less leaves more of what else it says. The paper: 0.",
    )  # fmt: skip
    painter_weight: float = setting(
        10.0, label="Painter", group="Guidance", live=True, minimum=0, maximum=50, step=0.5,
        help="How much the drawing follows a picture of the prompt that the text-to-image model paints first, beside "
        "what CLIP sees. The paper, and Full models: 0.",
    )  # fmt: skip
    num_paintings: int = setting(
        16, label="Paintings", group="Guidance", live=True, minimum=1, maximum=64, step=1, advanced=True,
        help="How many pictures the painter makes; the drawing follows the one CLIP likes best.",
    )  # fmt: skip
    distortion: float = setting(
        0.5, label="Perspective", group="Guidance", live=True, minimum=0, maximum=0.9, step=0.05, advanced=True,
        help="How far the corners of a view may move inwards.",
    )  # fmt: skip
    crop_min: float = setting(
        1.0, label="Smallest crop", group="Guidance", live=True, minimum=0.1, maximum=4, step=0.05, advanced=True,
        help="Smallest share of the picture's area in a view. The paper: 0.7.",
    )  # fmt: skip
    crop_max: float = setting(
        2.0, label="Largest crop", group="Guidance", live=True, minimum=0.1, maximum=4, step=0.05, advanced=True,
        help="Largest share of the picture's area in a view; above 1 it is also seen smaller. The paper: 0.9.",
    )  # fmt: skip
    random_backgrounds: float = setting(
        0.5, label="Random backgrounds", group="Guidance", live=True, minimum=0, maximum=1, step=0.05, advanced=True,
        help="Share of the views with another colour behind the strokes: what is drawn becomes solid. The paper: 0.",
    )  # fmt: skip
    normalize_clip: bool = setting(
        True, label="CLIP normalisation", group="Guidance", live=True, advanced=True,
        help="Shift and scale pixels as CLIP was trained. The paper's pictures were made without.",
    )  # fmt: skip
    convention: Literal["opaque", "clipdraw"] = setting(
        "opaque", label="Edges", group="Guidance", advanced=True,
        help="opaque: clean edges. clipdraw: the darker edges of the original renderer.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> CLIPDrawSettings:
        if not parse_prompt(self.prompt) and not self.image_prompt:
            raise EngineError("Setting 'prompt' is empty; type what to draw.")
        _attempt("negative_prompt", parse_prompt, self.negative_prompt)
        _attempt("background", parse_color, self.background)
        _attempt("ink", parse_color, self.ink)
        if not _attempt("palette", parse_palette, self.palette):
            raise EngineError("Setting 'palette' has no colour; write some like #1d3557 #e63946.")
        _attempt("locked_strokes", parse_stroke_numbers, self.locked_strokes)
        for low, high in (("min_width", "max_width"), ("crop_min", "crop_max")):
            if getattr(self, low) > getattr(self, high):
                raise EngineError("Setting '{low}' is larger than '{high}'; make it smaller.", low=low, high=high)
        for kind in ("image", "svg"):
            if self.init == kind and not getattr(self, f"init_{kind}"):
                raise EngineError(
                    "Setting 'init_{kind}' is empty; choose a file to begin with, or begin at random.", kind=kind
                )
        return self


def parse_stroke_numbers(text: str) -> list[int]:
    """ "0-3, 7" → [0, 1, 2, 3, 7]."""
    numbers = []
    for part in filter(None, re.split(r"[\s,;]+", text.strip())):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part)
        if not match:
            raise EngineError("'{part}' is not a stroke number; write them like 0-15, 20.", part=part[:20])
        first, last = int(match[1]), int(match[2] or match[1])
        numbers.extend(range(first, last + 1))
    return numbers


def _attempt(name: str, parse, text: str):
    try:
        return parse(text)
    except EngineError as error:
        raise EngineError("Setting '{name}': {reason}", name=name, reason=error) from None
