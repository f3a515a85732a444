"""How well a CLIP knows the pocket world, on pictures that no training batch has used."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engines.clip._open_clip import open_clip
from world.emoji import Composer
from world.styles import STYLES, render
from world.subjects import Subject

MEAN, STD = torch.tensor(open_clip.OPENAI_DATASET_MEAN), torch.tensor(open_clip.OPENAI_DATASET_STD)
CHUNK = 256


class Examiner:
    """Asks one model; every question draws its pictures anew from `seed`."""

    def __init__(self, model, tokenizer, subjects: list[Subject], composer: Composer, seed: int):
        self.model, self.tokenizer, self.subjects = model, tokenizer, subjects
        self.composer, self.seed = composer, seed
        self.names = name_embeddings(model, tokenizer, subjects)

    def retrieval(self, *, guises: bool | str = False, change: Callable | None = None) -> dict[str, float]:
        """R@1 and R@5 among all names, "en_r1" … "ko_r5", of one composition per subject.

        guises: as the composer takes them. change: (pictures, generator) → pictures, a rendering on top.
        """
        scores = torch.einsum("bd,lnd->lbn", self._features(guises, change), self.names)
        own = scores.diagonal(dim1=1, dim2=2)[..., None]
        ranks = (scores > own).sum(2)
        return {
            f"{language}_r{k}": (rank < k).float().mean().item()
            for language, rank in zip(("en", "ko"), ranks, strict=True)
            for k in (1, 5)
        }

    def prompts(self, prompts: list[tuple[str, str]]) -> dict[str, float]:
        """R@1 and R@5 of the right picture among all subjects', for pairs of a text and an English name."""
        names = [subject.en for subject in self.subjects]
        index = torch.tensor([names.index(name) for _, name in prompts])
        scores = self._texts([text for text, _ in prompts]) @ self._features().T
        ranks = (scores > scores.gather(1, index[:, None])).sum(1)
        return {f"r{k}": (ranks < k).float().mean().item() for k in (1, 5)}

    def preferred_to(self, twin: Callable[[Tensor, torch.Generator], Tensor]) -> float:
        """Share of subjects whose name fits their picture better than its twin, (pictures, generator) → pictures."""
        own = (self._features() * self.names[0]).sum(1)
        return (own > (self._features(change=twin) * self.names[0]).sum(1)).float().mean().item()

    def style_naming(self) -> float:
        """Share of styled pictures, one per subject, whose style is told among all styles of the same subject."""
        right = []
        for number, style in enumerate(STYLES):
            chosen = torch.arange(number, len(self.subjects), len(STYLES))
            features = self._features(change=lambda p, g, s=style: render(p, s, g), index=chosen)
            texts = self._texts([f"{self.subjects[i].en}, {s.en}" for i in chosen.tolist() for s in STYLES])
            scores = torch.einsum("bd,bsd->bs", features, texts.view(len(chosen), len(STYLES), -1))
            right.append(scores.argmax(1) == number)
        return torch.cat(right).float().mean().item()

    @torch.no_grad()
    def _features(
        self, guises: bool | str = False, change: Callable | None = None, index: Tensor | None = None
    ) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        features = []
        for chunk in (torch.arange(len(self.subjects)) if index is None else index).split(CHUNK):
            pictures = self.composer(chunk, generator, guises=guises)
            if change is not None:  # with numbers of its own, so that the compositions stay the same
                pictures = change(pictures, torch.Generator().manual_seed(self.seed + len(features)))
            normalized = (pictures - MEAN.view(1, 3, 1, 1)) / STD.view(1, 3, 1, 1)
            features.append(self.model.encode_image(normalized, normalize=True))
        return torch.cat(features)

    @torch.no_grad()
    def _texts(self, texts: list[str]) -> Tensor:
        chunks = [texts[i : i + CHUNK] for i in range(0, len(texts), CHUNK)]
        return torch.cat([self.model.encode_text(self.tokenizer(chunk), normalize=True) for chunk in chunks])


@torch.no_grad()
def name_embeddings(model, tokenizer, subjects: list[Subject], device: str = "cpu") -> Tensor:
    """(2, subjects, d) unit embeddings of the bare names: English, Korean."""
    names = [subject.en for subject in subjects] + [subject.ko for subject in subjects]
    chunks = [
        model.encode_text(tokenizer(names[i : i + CHUNK]).to(device), normalize=True)
        for i in range(0, len(names), CHUNK)
    ]
    return torch.cat(chunks).view(2, len(subjects), -1)
