"""The settings of StyleCLIP's global directions."""

from __future__ import annotations

from engines.settings import setting
from engines.styleclip.face import FaceSettings

__all__ = ["StyleCLIPDirectionsSettings"]


class StyleCLIPDirectionsSettings(FaceSettings):
    seed: int = FaceSettings.made_live("seed")
    truncation_psi: float = FaceSettings.made_live("truncation_psi")

    # ------------------------------------------------------------------ Texts
    prompt: str = setting(
        "", label="Target text", group="Texts", live=True, max_length=300,
        help='What the face shall be: "face with glasses". Empty: nothing is changed.',
    )  # fmt: skip
    neutral: str = setting(
        "face", label="Neutral text", group="Texts", live=True, max_length=300,
        help="What the face is without the change: the same phrase as the target, but for the attribute.",
    )  # fmt: skip
    alpha: float = setting(
        7.0, label="Strength (alpha)", group="Texts", live=True, minimum=-15, maximum=25, step=0.1,
        help="How far to go; below zero away from the target.",
    )  # fmt: skip
    auto_beta: bool = setting(
        True, label="Choose beta by itself", group="Texts", live=True,
        help="The largest beta from 0.10 to 0.29 that moves more than 100 channels, as in the released program.",
    )  # fmt: skip
    beta: float = setting(
        0.15, label="Disentanglement (beta)", group="Texts", live=True, minimum=0, maximum=0.8, step=0.01,
        help="Only style channels whose relevance reaches beta move: a higher one changes less beside the target.",
    )  # fmt: skip
    templates: bool = setting(
        True, label="Average over sentences", group="Texts", live=True, advanced=True,
        help="Put an English text into 79 sentences and average them, as the paper does.",
    )  # fmt: skip
    edits: str = setting(
        "", label="Accepted edits", group="Texts", live=True, kind="longtext", max_length=4000,
        help='Edits that stay beside the present one: "face > face with glasses @ 4, auto", separated by ";".',
    )  # fmt: skip
    relevance_table: str = setting(
        "", label="Relevance table", group="Face", kind="checkpoint", advanced=True,
        help="An fs3.npy made for your own generator and the CLIP in use. Without one, relevance is estimated.",
    )  # fmt: skip
    exact_relevance: bool = setting(
        False, label="Measure the table", group="Face", advanced=True,
        help="Measure the relevance of every channel instead of estimating it for each text: hours for a large "
        "generator, then kept on this machine.",
    )  # fmt: skip
