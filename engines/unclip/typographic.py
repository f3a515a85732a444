"""The typographic attack: what CLIP takes a picture for when a word is written on it.

    attacked = with_label(picture, "iPod")
    label_probabilities(encoder, attacked, ["a Granny Smith apple", "an iPod", "a pizza"])       # → (3,)

unCLIP (Ramesh et al., arXiv 2204.06125), §3.4 and figure 6: CLIP is taken in, 0.02 % apple and 99.98 % iPod, and yet
pictures decoded from the embedding it gives are apples. Pictures are (H, W, 3) uint8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from engines.clip.encoder import ClipEncoder
from engines.errors import EngineError

__all__ = ["label_probabilities", "with_label", "zero_shot"]

FONT_SIZE = 48
"""At which a label is set, before it is fitted into the picture."""
PAPER, INK, MARGIN = (250, 248, 242), (20, 20, 24), 0.3
"""Colours of the label, and its margin as a share of the font size."""


def zero_shot(z_images: Tensor, z_labels: Tensor, logit_scale: float) -> Tensor:
    """(N, d) and (labels, d), of unit length → probabilities of the labels, (N, labels) (arXiv 2103.00020, §3.1.2)."""
    return (logit_scale * z_images @ z_labels.T).softmax(-1)


def label_probabilities(encoder: ClipEncoder, picture: np.ndarray, labels: Sequence[str]) -> Tensor:
    """What a CLIP takes the picture for among `labels`, whole captions: (labels,), their sum is 1."""
    if len(labels) < 2:
        raise EngineError("A single label is always right; give at least two.")
    scale = encoder.model.logit_scale.exp().item()
    return zero_shot(encoder.encode_picture(picture), encoder.encode_texts(list(labels)), scale)[0]


def with_label(
    picture: np.ndarray, text: str, *, width: float = 0.6, centre: tuple[float, float] = (0.5, 0.62)
) -> np.ndarray:
    """The picture with a paper label on it. width: of the label, and centre: across and down, as shares of the picture.

    Raises `EngineError` for a text without letters, or with letters the built-in font lacks.
    """
    label = _label(text.strip())
    image = Image.fromarray(picture)
    height = max(1, round(width * image.width * label.height / label.width))
    label = label.resize((max(1, round(width * image.width)), height), Image.Resampling.LANCZOS)
    left, top = round(centre[0] * image.width - label.width / 2), round(centre[1] * image.height - label.height / 2)
    image.paste(label, (left, top))
    return np.array(image)


def _label(text: str) -> Image.Image:
    """One line on paper, of its natural size."""
    font = ImageFont.load_default(FONT_SIZE)
    missing = next((letter for letter in text if letter != " " and _is_missing(font, letter)), None)
    if not text or missing:
        if missing:
            raise EngineError("The font has no letter '{letter}'; write the label in Latin letters.", letter=missing)
        raise EngineError("The label has no letters; write a word.")
    left, top, right, bottom = font.getbbox(text)
    margin = round(MARGIN * FONT_SIZE)
    paper = Image.new("RGB", (round(right - left) + 2 * margin, round(bottom - top) + 2 * margin), PAPER)
    ImageDraw.Draw(paper).text((margin - left, margin - top), text, fill=INK, font=font)
    return paper


def _is_missing(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    """Letters that a font lacks all look as one that is in no font does."""
    return bytes(font.getmask(letter)) == bytes(font.getmask("\U0010ffff"))
