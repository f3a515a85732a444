"""What a person can set of unCLIP."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from engines.errors import EngineError
from engines.settings import EngineSettings, setting

__all__ = ["COMPARED", "UnCLIPSettings", "split_labels"]

COMPARED = ("diffusion", "autoregressive", "none")
"""The priors in the order in which "compare" shows them."""
MAX_COMPONENTS = 1024


class UnCLIPSettings(EngineSettings):
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "Quick": {},
        "Paper": {
            "prior_steps": 64, "prior_scale": 1.0, "num_candidates": 2, "num_steps": 250, "guidance_scale": 1.25,
            "text_scale": 1.25, "eta": 1.0,
        },
        "Karlo": {
            "prior_steps": 25, "prior_scale": 4.0, "num_candidates": 1, "num_steps": 25, "guidance_scale": 8.0,
            "text_scale": 8.0, "eta": 1.0, "num_pictures": 1,
        },
    }  # fmt: skip

    operation: Literal["generate", "variations", "interpolate", "textdiff", "pca", "probe"] = setting(
        "generate", label="Task", group="Task", kind="task",
        help="generate: from words. variations: of a picture. interpolate: between two. textdiff: a picture along a "
        "difference of words. pca: what its first components show. probe: what a word written on it does to CLIP.",
    )  # fmt: skip

    # ------------------------------------------------------------------ What it is made from
    prompt: str = setting(
        "", label="Prompt", group="Words", live=True, max_length=600,
        help="What the picture shall show; for textdiff what it shall become.",
    )  # fmt: skip
    base_prompt: str = setting(
        "", label="What it shows now", group="Words", live=True, max_length=600,
        help="For textdiff: the words that the prompt is compared with. Empty: with nothing said at all.",
    )  # fmt: skip
    second_prompt: str = setting(
        "", label="Second prompt", group="Words", live=True, max_length=600,
        help="For generate: words to mix in. For interpolate: the other end, where there is no second picture.",
    )  # fmt: skip
    picture_1: str = setting(
        "", label="Picture", group="Pictures", kind="image", help="What to vary, to change or to mix in.",
    )  # fmt: skip
    picture_2: str = setting(
        "", label="Second picture", group="Pictures", kind="image",
        help="The other end to interpolate to, or another picture to mix in.",
    )  # fmt: skip
    prompt_weight: float = setting(
        1.0, label="Weight of the prompt", group="Mixture", live=True, minimum=-2, maximum=2, step=0.05,
        help="For generate from several things: how much this one counts. Below 0 it leads away.",
    )  # fmt: skip
    second_weight: float = setting(
        1.0, label="Weight of the second prompt", group="Mixture", live=True, minimum=-2, maximum=2, step=0.05,
        help="How much the second prompt counts in the mixture.",
    )  # fmt: skip
    picture_1_weight: float = setting(
        1.0, label="Weight of the picture", group="Mixture", live=True, minimum=-2, maximum=2, step=0.05,
        help="How much the picture counts in the mixture.",
    )  # fmt: skip
    picture_2_weight: float = setting(
        1.0, label="Weight of the second picture", group="Mixture", live=True, minimum=-2, maximum=2, step=0.05,
        help="How much the second picture counts in the mixture.",
    )  # fmt: skip

    # ------------------------------------------------------------------ The way
    position: float = setting(
        0.5, label="Between the two", group="Way", live=True, minimum=0, maximum=1, step=0.01,
        help="For interpolate with one picture: 0 is the first, 1 the second. Several pictures show the whole way.",
    )  # fmt: skip
    theta: float = setting(
        0.35, label="Amount of change", group="Way", live=True, minimum=0, maximum=1, step=0.01,
        help="For textdiff: θ, how far the embedding is turned. Published: 0.25 to 0.5. Several pictures lead there.",
    )  # fmt: skip
    difference: Literal["words", "prior"] = setting(
        "words", label="Difference between", group="Way", live=True,
        help="For textdiff: words: what CLIP makes of the two texts, as published. prior: the pictures that the prior "
        "expects of them, which lie where pictures lie.",
    )  # fmt: skip
    theta_scale: float = setting(
        3.0, label="Guidance by the change", group="Way", live=True, minimum=0, maximum=10, step=0.1,
        help="For textdiff with kept noise: how much what θ turned is painted. 1 is none, as published.",
    )  # fmt: skip
    components: str = setting(
        "1 2 4 8 16 32 48", label="Components", group="Way", live=True, max_length=200,
        help="For pca: one picture from so many first components of the embedding each.",
    )  # fmt: skip
    attack: str = setting(
        "pizza", label="Word on the picture", group="Way", live=True, max_length=30,
        help="For probe: written on a paper label in the picture. Latin letters.",
    )  # fmt: skip
    labels: str = setting(
        "an apple; a dog; a pizza", label="What it could be", group="Way", live=True, max_length=600,
        help="For probe: what CLIP has to choose from, with semicolons between.",
    )  # fmt: skip
    invert: bool = setting(
        True, label="Keep the noise of the picture", group="Way", live=True,
        help="Find the noise that leads to the picture, so that it is kept but for what is changed. Off: new noise.",
    )  # fmt: skip
    eta: float = setting(
        0.0, label="Freedom", group="Way", live=True, minimum=0, maximum=1, step=0.05,
        help="η: fresh noise on the way. With kept noise 0 leads back to the picture, and more makes variations of it.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Prior
    prior: Literal["diffusion", "autoregressive", "none", "compare"] = setting(
        "diffusion", label="Prior", group="Prior", live=True,
        help="How words become an embedding of a picture. none: the words' own embedding instead. compare: one row "
        "of pictures from each.",
    )  # fmt: skip
    num_candidates: int = setting(
        2, label="Candidates", group="Prior", live=True, minimum=1, maximum=16, step=1,
        help="Embeddings that are drawn for a picture; the one nearest to the words is kept. Published: 2.",
    )  # fmt: skip
    prior_steps: int = setting(
        25, label="Steps of the prior", group="Prior", live=True, minimum=2, maximum=250, step=1,
        help="Of the diffusion prior. Published: 64; Karlo: 25.",
    )  # fmt: skip
    prior_scale: float = setting(
        2.0, label="Guidance of the prior", group="Prior", live=True, minimum=0, maximum=10, step=0.1,
        help="How much the embedding follows the words. 1 is none, as published; Karlo: 4.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Pictures
    num_pictures: int = setting(
        4, label="Pictures", group="Decoder", live=True, minimum=1, maximum=16, step=1,
        help="How many are made at once; steps of the way for interpolate and textdiff.",
    )  # fmt: skip
    num_steps: int = setting(
        60, label="Steps", group="Decoder", live=True, minimum=2, maximum=500, step=1,
        help="From noise to picture, and as many from a picture to its noise. Karlo: 25; more reconstruct better.",
    )  # fmt: skip
    guidance_scale: float = setting(
        2.0, label="Guidance", group="Decoder", live=True, minimum=0, maximum=20, step=0.1,
        help="How much the picture follows the embedding, where its noise is new. 1 is none; Karlo: 8.",
    )  # fmt: skip
    text_scale: float = setting(
        2.0, label="Guidance by words", group="Decoder", live=True, minimum=0, maximum=20, step=0.1,
        help="How much the decoder follows the prompt itself, beside its embedding. 0: the embedding alone. Karlo: 8.",
    )  # fmt: skip
    edit_scale: float = setting(
        1.0, label="Guidance with kept noise", group="Decoder", live=True, minimum=0, maximum=10, step=0.1,
        help="For variations and interpolate: how much the picture follows the embedding, where its noise was found. "
        "Only 1 leads back exactly.",
    )  # fmt: skip
    upsample: bool = setting(
        True, label="Enlarge", group="Decoder", live=True,
        help="Let the upsampler sharpen the finished picture. May be pressed when it is there: on a CPU, the full "
        "models' takes longer than the picture.",
    )  # fmt: skip
    noise_level: int = setting(
        0, label="Noise on the embedding", group="Decoder", live=True, minimum=0, maximum=999, step=1, advanced=True,
        help="Of Stable-unCLIP alone: how far it may leave what the embedding says. 999: nothing of it is left.",
    )  # fmt: skip
    seed: int = setting(
        0, label="Seed", group="Decoder", live=True, minimum=0, maximum=2**31 - 1, step=1,
        help="Of all that is drawn. Same seed, same settings: same picture.",
    )  # fmt: skip
    model: str = setting(
        "", label="Model", group="Decoder", max_length=60, advanced=True,
        help="Of the full models: Karlo-v1-alpha, Karlo-v1-alpha-variations, Kandinsky-2.2, Stable-unCLIP-small or "
        "Stable-unCLIP. Empty: the first.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> UnCLIPSettings:
        first, second = bool(self.prompt.strip()), bool(self.second_prompt.strip())
        match self.operation:
            case "generate" if not (first or second or self.picture_1 or self.picture_2):
                raise EngineError("Setting 'prompt' is empty; write what the picture shall show.")
            case "variations" | "textdiff" | "probe" if not self.picture_1:
                raise EngineError("Setting 'picture_1' is empty; choose the picture to work with.")
            case "textdiff" if not first:
                raise EngineError("Setting 'prompt' is empty; write what the picture shall become.")
            case "interpolate" if not (first or self.picture_1):
                raise EngineError("Setting 'picture_1' is empty; choose a picture or write a prompt to begin with.")
            case "interpolate" if not (second or self.picture_2):
                raise EngineError(
                    "Setting 'picture_2' is empty; choose a picture or write a second prompt to end with."
                )
            case "pca" if not (first or self.picture_1):
                raise EngineError("Setting 'picture_1' is empty; choose a picture or write a prompt.")
        if self.operation == "pca":
            self._check_components()
        if self.operation == "probe" and len(split_labels(self.labels)) < 2:
            raise EngineError("Setting 'labels' needs at least two, with a semicolon between them.")
        if self.operation == "probe" and not self.attack.strip():
            raise EngineError("Setting 'attack' is empty; write the word for the label.")
        return self

    def _check_components(self) -> None:
        counts = self.components.split()
        fits = all(count.isdecimal() and 0 < int(count) <= MAX_COMPONENTS for count in counts)
        if not 0 < len(counts) <= 16 or not fits:
            raise EngineError("Setting 'components' needs up to 16 whole numbers like '1 2 4 8'.")

    # ------------------------------------------------------------------ what follows from them

    @property
    def texts(self) -> tuple[str, ...]:
        """What a prior has to find embeddings for."""
        first, second = self.prompt.strip(), self.second_prompt.strip()
        if self.operation == "textdiff" and self.difference == "prior":
            return first, self.base_prompt.strip()
        wanted = {
            "generate": (first, second),
            "interpolate": ("" if self.picture_1 else first, "" if self.picture_2 else second),
            "pca": ("" if self.picture_1 else first,),
        }
        return tuple(filter(None, wanted.get(self.operation, ())))

    @property
    def pictures(self) -> tuple[str, ...]:
        """Files that are looked at."""
        count = {"generate": 2, "interpolate": 2}.get(self.operation, 1)
        return tuple(filter(None, (self.picture_1, self.picture_2)[:count]))

    @property
    def priors(self) -> tuple[str, ...]:
        """Whose pictures are shown, in rows."""
        if self.prior == "compare":
            return COMPARED if self.operation == "generate" else COMPARED[:1]
        return (self.prior,)

    @property
    def keeps_noise(self) -> bool:
        """Whether the noise of the pictures is to be found."""
        if not self.invert or self.operation not in ("variations", "interpolate", "textdiff"):
            return False
        return self.operation != "interpolate" or len(self.pictures) == 2


def split_labels(labels: str) -> list[str]:
    """The different ones, in their order."""
    return list(dict.fromkeys(label.strip() for label in labels.split(";") if label.strip()))
