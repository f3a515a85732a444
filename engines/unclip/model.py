"""An unCLIP as a whole: the CLIP whose embeddings it knows, its priors, its decoder and its upsampler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from engines.clip.encoder import ClipEncoder
from engines.errors import EngineError
from engines.unclip.ar_prior import AutoregressivePrior, load_ar_prior
from engines.unclip.decoder import Decoder
from engines.unclip.embeddings import unit
from engines.unclip.kandinsky import KandinskyDecoder
from engines.unclip.prior import DiffusionPrior
from engines.unclip.published import PublishedClipReader
from engines.unclip.stable import StableDecoder
from engines.unclip.text import TextCondition, encode_texts
from engines.unclip.typographic import zero_shot
from engines.unclip.upsampler import Upsampler

__all__ = ["AR_PRIOR_FILE", "ClipReader", "LengthenedReader", "OpenClipReader", "UnCLIPModel"]

AR_PRIOR_FILE = "ar_prior.safetensors"


class ClipReader(Protocol):
    """How an unCLIP sees: in embeddings as its decoder learned them, of unit length or not."""

    def texts(self, texts: list[str]) -> TextCondition: ...

    def picture(self, picture: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 → (1, d)."""

    def likeness(self, z_images: Tensor, labels: list[str]) -> Tensor:
        """(N, d) → probabilities (N, labels) of whole captions."""


class OpenClipReader:
    """The pocket CLIP: pictures of unit length."""

    def __init__(self, encoder: ClipEncoder):
        self.encoder = encoder

    def texts(self, texts: list[str]) -> TextCondition:
        return encode_texts(self.encoder, texts)

    def picture(self, picture: np.ndarray) -> Tensor:
        return self.encoder.encode_picture(picture)

    def likeness(self, z_images: Tensor, labels: list[str]) -> Tensor:
        scale = self.encoder.model.logit_scale.exp().item()
        return zero_shot(unit(z_images), self.encoder.encode_texts(labels), scale)


class LengthenedReader(OpenClipReader):
    """For a decoder that learned embeddings as they are: those of pictures, and of words, of the usual length."""

    def __init__(self, encoder: ClipEncoder, length: float):
        super().__init__(encoder)
        self.length = length

    def texts(self, texts: list[str]) -> TextCondition:
        said = super().texts(texts)
        return replace(said, embedding=self.length * unit(said.embedding))

    def picture(self, picture: np.ndarray) -> Tensor:
        return self.length * super().picture(picture)


@dataclass(frozen=True)
class UnCLIPModel:
    """prior, ar_prior, upsampler: None where it has none. name: what people call it. reader: what its decoder reads
    words with, where that is not the CLIP.
    """

    name: str
    clip: ClipReader
    decoder: Decoder | KandinskyDecoder | StableDecoder
    prior: DiffusionPrior | None = None
    ar_prior: AutoregressivePrior | None = None
    upsampler: Upsampler | None = None
    reader: StableDecoder | None = None

    @classmethod
    def load(
        cls, folder: Path | str, clip: ClipReader, device: torch.device | str = "cpu", name: str = ""
    ) -> UnCLIPModel:
        """A pocket folder, or one in the layout of Karlo or of its image variations; what is not in it is left out.

        Raises `EngineError` when the decoder is missing, or anything is damaged.
        """
        folder = Path(folder)
        prior = ar_prior = upsampler = None
        if (folder / "prior").is_dir():
            prior = DiffusionPrior.load(folder)
            prior.network.to(device)
        if (folder / AR_PRIOR_FILE).is_file():
            ar_prior = load_ar_prior(folder / AR_PRIOR_FILE).to(device)
        if (folder / "super_res_first").is_dir():
            upsampler = Upsampler.load(folder).to(device)
        decoder = Decoder.load(folder).to(device)
        return cls(name or folder.name, clip, decoder, prior, ar_prior, upsampler)

    @classmethod
    def load_kandinsky(
        cls, prior: Path | str, decoder: Path | str, clip: PublishedClipReader, device: torch.device | str, name: str
    ) -> UnCLIPModel:
        """Its two folders; it needs no upsampler. Raises `EngineError` when something is missing or damaged."""
        found = DiffusionPrior.load(prior)
        found.network.to(device)
        return cls(name, clip, KandinskyDecoder.load(decoder, clip.nobody()), found)

    @classmethod
    def load_stable(
        cls,
        folder: Path | str,
        prior: Path | str | None,
        clip: PublishedClipReader | ClipEncoder,
        device: torch.device | str,
        name: str,
    ) -> UnCLIPModel:
        """Its folder, and that of the prior of its CLIP; where there is none, clip is the whole CLIP from elsewhere.

        Raises `EngineError` when something is missing or damaged.
        """
        decoder = StableDecoder.load(folder, device)
        if prior is None:
            return cls(name, LengthenedReader(clip, decoder.length), decoder, reader=decoder)
        found = DiffusionPrior.load(prior)
        found.network.to(device)
        return cls(name, clip, decoder, found, reader=decoder)

    def said(self, texts: list[str]) -> TextCondition:
        """Texts as the decoder reads them: with CLIP, or with a text encoder of its own."""
        return (self.reader or self.clip).texts(texts)

    def noised(self, z: Tensor, level: int = 0, *, seed: int = 0, is_shared: bool = True) -> Tensor:
        """Embeddings (N, d) as the decoder takes them: as they are, or noised to a level, which is said beside them.

        level: 0 to 999. is_shared: all get the same noise.
        """
        noise = torch.randn(1 if is_shared else len(z), z.shape[1], generator=torch.Generator().manual_seed(seed))
        if level == 0:  # published with 0.6 % of it, but a picture is found again only with what its noise was found
            noise.zero_()
        return self.decoder.noised(z, level, noise.to(z))

    def from_words(self, text: TextCondition) -> Tensor:
        """The words' own embeddings in the place of pictures', (N, d), as long as these are (§5, "no prior")."""
        if self.prior is None:
            return text.embedding
        network = self.prior.network
        length = (network.clip_mean.square() + network.clip_std.square()).sum().sqrt()
        return unit(text.embedding) * length

    def reconstruct(self, z: Tensor, count: int) -> Tensor:
        """(N, d) from its first `count` principal components (§3.3, figure 7).

        Raises `EngineError` when the model knows none, or not that many.
        """
        if self.ar_prior is None:
            raise EngineError(
                "{name} has no principal components; choose the Pocket models for this task.", name=self.name
            )
        pca = self.ar_prior.pca
        if count > pca.num_components:
            raise EngineError(
                "There are {num_components} components; ask for no more than that.", num_components=pca.num_components
            )
        return pca.reconstruct(pca.project(z)[:, :count])
