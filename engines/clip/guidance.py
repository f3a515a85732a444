"""The CLIP loss of a drawing: how well random views of it fit weighted texts and pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.clip.augment import apply_views, identity_views
from engines.clip.encoder import ClipEncoder
from engines.clip.prompts import parse_prompt
from engines.errors import EngineError
from engines.images import resized
from engines.vector import composite

__all__ = ["KNOWN_WORDS", "ClipGuide", "Target"]

SCALE = 20.0
"""Inverse temperature of the comparison with other names."""
NEAR = 0.6
"""Cosine between texts above which two names count as one."""
KNOWN_WORDS = 0.5
"""How far a text is drawn to names that mean nearly the same, where nobody says otherwise."""
SURE = 40.0
"""Inverse temperature of the choice among the names that a text is drawn to."""


@dataclass(frozen=True)
class Target:
    """Something to come near to (weight > 0) or to keep away from (weight < 0).

    label: the term's name in `Frame.losses`. embeddings: one (1, d) per encoder.
    """

    label: str
    weight: float
    embeddings: tuple[Tensor, ...]


class ClipGuide:
    """One or several CLIPs that look at a drawing together; each counts by its share of the weights."""

    def __init__(self, encoders: list[tuple[ClipEncoder, float]]):
        total = sum(weight for _, weight in encoders)
        self.encoders = [(encoder, weight / total) for encoder, weight in encoders]

    @classmethod
    def load(cls, load_encoder: Callable[[str], ClipEncoder], names: str) -> ClipGuide:
        """The CLIPs of `names`, "ViT-B-32:1 | RN50:0.5"; empty for the family's own.

        load_encoder: returns the encoder of a name, or the family's own for "" (`Models.clip`).
        """
        parts = parse_prompt(names)
        if any(part.weight <= 0 for part in parts):
            raise EngineError("Setting 'clip_models' needs weights above zero.")
        return cls([(load_encoder(part.text), part.weight) for part in parts] or [(load_encoder(""), 1.0)])

    @property
    def image_size(self) -> int:
        """The largest picture any of the encoders looks at, in px."""
        return max(encoder.image_size for encoder, _ in self.encoders)

    def text_target(self, label: str, text: str, weight: float, *, known_words: float = 0.0) -> Target:
        """known_words: how far the text is drawn to names that mean nearly the same (`toward_names`)."""
        embeddings = [encoder.encode_text(text) for encoder, _ in self.encoders]
        if known_words:
            encoders = [encoder for encoder, _ in self.encoders]
            embeddings = [
                toward_names(embedding, encoder.name_embeddings, known_words)
                for embedding, encoder in zip(embeddings, encoders, strict=True)
            ]
        return Target(label, weight, tuple(embeddings))

    def picture_target(self, label: str, picture, weight: float) -> Target:
        return Target(label, weight, tuple(encoder.encode_picture(picture) for encoder, _ in self.encoders))

    def known_name(self, text: str) -> str:
        """What the first encoder takes a text for: of all pocket names the nearest."""
        encoder, _ = self.encoders[0]
        return encoder.names[(encoder.name_embeddings @ encoder.encode_text(text)[0]).argmax()]

    def is_too_long(self, text: str) -> bool:
        return any(encoder.is_too_long(text) for encoder, _ in self.encoders)

    def look(
        self,
        rgba: Tensor,
        background: Tensor,
        targets: list[Target],
        views: Tensor,
        *,
        normalize: bool = True,
        contrast: float = 0.0,
    ) -> tuple[Tensor, Tensor]:
        """What the encoders make of a drawing: (similarities (targets,), score ()), means over views and encoders.

        A similarity is the cosine of a target with the views. The score, to be maximised, is their weighted sum; with
        `contrast` > 0 each target of positive weight also counts by how surely it is told from all other names.
        rgba: premultiplied (4, H, W). background: (3,), or one for each view (N, 3); also what lies outside the canvas.
        views: (N, 3, 3).
        """
        similarities, score = rgba.new_zeros(len(targets)), rgba.new_zeros(())
        for number, (encoder, share) in enumerate(self.encoders):
            copies = composite(apply_views(rgba, views, encoder.image_size), background)
            cosines, marks = self._marks(number, copies, targets, normalize=normalize, contrast=contrast)
            similarities, score = similarities + share * cosines.mean(0), score + share * marks.mean()
        return similarities, score

    @torch.no_grad()
    def likings(self, pictures: Tensor, targets: list[Target], *, contrast: float = 1.0) -> Tensor:
        """(N, 3, H, W) in [0, 1] → the score of each picture as a whole, (N,)."""
        return sum(
            share * self._marks(number, resized(pictures, encoder.image_size), targets, contrast=contrast)[1]
            for number, (encoder, share) in enumerate(self.encoders)
        )

    def favourite(self, pictures: Tensor, targets: list[Target]) -> Tensor:
        """Of (N, 3, H, W) pictures the one with the best score, (3, H, W)."""
        return pictures[self.likings(pictures, targets).argmax()]

    def _marks(
        self, number: int, pictures: Tensor, targets: list[Target], *, normalize: bool = True, contrast: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Of encoder `number`: the cosines (N, targets) of pictures of its size, and their scores (N,)."""
        encoder, _ = self.encoders[number]
        features = encoder.encode_image(pictures, normalize=normalize)
        wanted = torch.cat([target.embeddings[number] for target in targets])
        weights = features.new_tensor([target.weight for target in targets])
        cosines = features @ wanted.T
        marks = (weights * cosines).sum(1)
        if contrast:
            certainty = certainties(features, wanted, encoder.name_embeddings)
            marks = marks + contrast * (weights.clamp_min(0) * certainty).sum(1)
        return cosines, marks

    @torch.no_grad()
    def score(self, rgba: Tensor, background: Tensor, targets: list[Target], *, normalize: bool = True) -> float:
        """Score of the whole drawing, unwarped: higher is better."""
        return self.look(rgba, background, targets, identity_views(), normalize=normalize)[1].item()


def toward_names(text: Tensor, names: Tensor, amount: float) -> Tensor:
    """unit(text + amount · unit(Σ softmax(SURE cos(text, name)) name)): (texts, d) among (names, d), of unit length.

    A CLIP puts a thing's bare name where its pictures are, and other words for it somewhere near; this goes back part
    of the way. A name itself stays where it is.
    """
    chosen = torch.softmax(SURE * text @ names.T, dim=1) @ names
    return F.normalize(text + amount * F.normalize(chosen, dim=1), dim=1)


def certainties(features: Tensor, wanted: Tensor, names: Tensor) -> Tensor:
    """log softmax of each target among itself and the names that mean something else, over the scale: (views, targets).

    features (views, d), wanted (targets, d), names (n, d), all of unit length. A cosine is satisfied by what many
    pictures share; this asks for what sets this one apart. Names too near to the target would drive the drawing away
    from what it shares with them, and are left out.
    """
    rivals = SCALE * (features @ names.T)  # (views, n)
    near = wanted @ names.T > NEAR  # (targets, n)
    against = rivals[:, None].masked_fill(near, float("-inf"))  # (views, targets, n)
    own = SCALE * (features @ wanted.T)
    everything = torch.logsumexp(torch.cat([own[..., None], against], dim=-1), dim=-1)
    return (own - everything) / SCALE
