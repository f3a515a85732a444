"""CLIP models as guides: frozen, normalised, with cached text embeddings. Pocket and published ones alike."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.errors import EngineError
from engines.files import ASSETS
from engines.images import as_tensor, padded_square, resized

__all__ = ["ClipEncoder"]

NAMES_FILE = ASSETS / "clip" / "names.json"

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
"""Of pixels in [0, 1], as OpenAI's CLIPs were trained."""


class ClipEncoder:
    """One frozen CLIP on one device. Embeddings are unit length, (n, embed_dim) float32."""

    def __init__(
        self,
        name: str,
        model: torch.nn.Module,
        tokenizer,
        sha256: str,
        mean: tuple[float, ...] = OPENAI_MEAN,
        std: tuple[float, ...] = OPENAI_STD,
    ):
        from engines.clip.fast_tower import fast_tower  # imports open_clip, which takes seconds

        self.name, self.model, self.tokenizer, self.sha256 = name, model.eval().requires_grad_(False), tokenizer, sha256
        self.tower = fast_tower(model)
        size = model.visual.image_size
        self.image_size: int = size if isinstance(size, int) else size[0]
        parameter = next(model.parameters())
        self.device = parameter.device
        self._mean = torch.tensor(mean, device=self.device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=self.device).view(1, 3, 1, 1)
        self.encode_text = lru_cache(maxsize=256)(self._encode_text)
        """One text → (1, embed_dim), remembered."""

    def encode_image(self, pictures: Tensor, *, normalize: bool = True) -> Tensor:
        """(B, 3, image_size, image_size) in [0, 1] → (B, embed_dim); differentiable.

        `normalize` subtracts CLIP's pixel mean and divides by its deviation; the CLIPDraw paper's pictures were made
        without.
        """
        if normalize:
            pictures = (pictures - self._mean) / self._std
        return F.normalize(self.tower(pictures).float(), dim=-1)

    @torch.no_grad()
    def encode_picture(self, picture: np.ndarray) -> Tensor:
        """A whole picture, (H, W, 3) uint8 → (1, embed_dim). It is padded with white to a square and resized."""
        pixels = as_tensor(padded_square(picture))[None].to(self.device)
        return self.encode_image(resized(pixels, self.image_size))

    @cached_property
    def names(self) -> list[str]:
        """All English pocket names."""
        return [row["en"] for row in json.loads(NAMES_FILE.read_text(encoding="utf-8"))]

    @cached_property
    def name_embeddings(self) -> Tensor:
        """(names, embed_dim) of `names`, computed on first use."""
        return torch.cat([self.encode_texts(self.names[i : i + 128]) for i in range(0, len(self.names), 128)])

    def is_too_long(self, text: str) -> bool:
        """Whether the model reads only the beginning of `text`."""
        return len(self.tokenizer.encode(text)) > self.tokenizer.context_length - 2

    def _encode_text(self, text: str) -> Tensor:
        return self.encode_texts([text])

    @torch.no_grad()
    def encode_texts(self, texts: list[str]) -> Tensor:
        """Texts, verbatim → (texts, embed_dim). What does not fit the context is left out."""
        tokens = self.tokenizer(texts).to(self.device)
        return F.normalize(self.model.encode_text(tokens).float(), dim=-1)


def load_checkpoint(
    config: str,
    weights: Path,
    *,
    device: torch.device,
    sha256: str,
    name: str,
    force_quick_gelu: bool = False,
    bpe_path: Path | None = None,
    **pixel_statistics,
) -> ClipEncoder:
    """An open_clip model `config` with the weights of a safetensors or (tensors-only) torch file.

    bpe_path: the vocabulary, CLIP's own unless given. pixel_statistics: `mean` and `std`, OpenAI's unless given.
    Raises `EngineError` when the file does not hold these weights.
    """
    from engines.clip._open_clip import open_clip

    options = {"pretrained": str(weights), "device": device, "precision": "fp32", "force_quick_gelu": force_quick_gelu}
    try:
        model = open_clip.create_model(config, **options)
    except Exception as error:  # safetensors, torch and open_clip raise what they like on a file that is not theirs
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise EngineError(
            "The file {name} does not hold the weights of {name_2}: {reason}",
            name=weights.name,
            name_2=name,
            reason=reason,
        ) from None
    tokenizer = open_clip.get_tokenizer(config, **({"bpe_path": str(bpe_path)} if bpe_path else {}))
    return ClipEncoder(name, model, tokenizer, sha256, **pixel_statistics)
