"""Captions of pictures, without their style: by BLIP (arXiv 2201.12086), or by the names that a CLIP knows."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from engines.clip.encoder import NAMES_FILE, ClipEncoder
from engines.diffusion.folders import load_network, load_part

__all__ = ["Captioner", "names_in", "without_medium"]

LONGEST_CAPTION = 40
"""Tokens. The prompt's own words and the style need their place too."""
MOST_NAMES = 2
TEMPERATURE = 0.01
"""Of the comparison of names, that of OpenAI's CLIP."""
ENOUGH = 0.3
"""Share that a further name has to have of the first one's."""
_MEDIA = re.compile(r"picture|palette|paintbrush|crayon|film frames|performing arts|sign|button|symbol")
"""In names of things that every painting resembles by being one."""
_MEDIUM = re.compile(
    r"^(?:there (?:is|are) )?(?:(?:an?|the) )?(?:[\w-]+ ){0,3}?"
    r"(?:painting|drawing|picture|photo|photograph|image|illustration|sketch|artwork|watercolou?r) "
    r"(?:of|with|showing) ",
    re.IGNORECASE,
)


# ---------------------------------------------------------------------------------------------- by CLIP


@torch.no_grad()
def names_in(encoder: ClipEncoder, picture: np.ndarray) -> str:
    """What CLIP sees first in a picture, (H, W, 3) uint8, by the names it knows, and a second thing if that is near."""
    names = _names()
    is_thing = torch.tensor([not _MEDIA.search(name) for name in names], device=encoder.device)
    scores = (encoder.encode_picture(picture) @ encoder.name_embeddings.T)[0] / TEMPERATURE
    shares = scores.masked_fill(~is_thing, -torch.inf).softmax(0)
    best = shares.topk(MOST_NAMES)
    found = [
        names[number]
        for share, number in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        if share >= ENOUGH * best.values[0].item()
    ]
    return " and ".join(map(_with_article, found))


@cache
def _names() -> list[str]:
    return [row["en"] for row in json.loads(NAMES_FILE.read_text(encoding="utf-8"))]


def _with_article(name: str) -> str:
    if re.search(r"(?<!s)s$", name.split(" ")[0]) or name[0].isdigit():
        return name
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


# ---------------------------------------------------------------------------------------------- by BLIP


class Captioner:
    """A BLIP in a folder as transformers writes it. Raises `EngineError` when it is missing or cannot be read."""

    def __init__(self, folder: Path | str, device: torch.device | str = "cpu"):
        from engines.diffusion._transformers import BlipForConditionalGeneration, BlipProcessor

        self._processor = load_part(BlipProcessor.from_pretrained, folder, "captioner")
        self._network = load_network(BlipForConditionalGeneration.from_pretrained, folder, "captioner", device)

    @torch.no_grad()
    def __call__(self, picture: np.ndarray) -> str:
        """(H, W, 3) uint8 → a short sentence without what it is made with."""
        inputs = self._processor(images=Image.fromarray(picture), return_tensors="pt").to(self._network.device)
        ids = self._network.generate(**inputs, max_new_tokens=LONGEST_CAPTION)
        return without_medium(self._processor.decode(ids[0], skip_special_tokens=True))


def without_medium(caption: str) -> str:
    """ "a painting of a dog" → "a dog"."""
    return _MEDIUM.sub("", caption.strip())
