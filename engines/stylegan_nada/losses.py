"""The losses of StyleGAN-NADA: by which way the two pictures of one code lie apart in CLIP's space.

    direction = text_direction(target, source)                  # "pencil sketch" against "photo"; once for a CLIP
    loss = directional_loss(E(G_frozen(w)), E(G_trained(w)), direction)

Gal et al., arXiv 2108.00946, §4, and the released code, whose fifth term (texture) compares with a picture that its
training never passes and is left out. Embeddings are raw: every function takes them to unit length itself. Nothing here
divides by zero: what has no direction has the direction zero.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.clip.losses import clip_distance

__all__ = [
    "PART_TEMPLATES",
    "cut_patches",
    "directional_loss",
    "global_loss",
    "image_direction",
    "manifold_loss",
    "pairwise_distance",
    "patch_directional_loss",
    "patch_text_directions",
    "text_direction",
    "weighted_sum",
]

SHORTEST = 1e-6
"""Unit vectors that mean the same differ by as much from rounding; a shorter difference has no direction."""

PART_TEMPLATES = (
    "the paw of a {}.",
    "the nose of a {}.",
    "the eye of the {}.",
    "the ears of a {}.",
    "an eye of a {}.",
    "the tongue of a {}.",
    "the fur of the {}.",
    "colorful {} fur.",
    "a snout of a {}.",
    "the teeth of the {}.",
    "the {}s fangs.",
    "a claw of the {}.",
    "the face of the {}",
    "a neck of a {}",
    "the head of the {}",
)
"""Of the patch loss; made for animals."""


# ---------------------------------------------------------------------------------------------- once for two domains


def text_direction(target: Tensor, source: Tensor) -> Tensor:
    """(templates, d) raw text embeddings each → the way from source to target, (d,) of unit length (§4.1).

    Other than StyleCLIP's, means are not brought to unit length before they are subtracted. Texts that mean the same
    to CLIP give zeros.
    """
    return _unit_or_zero(_mean(target) - _mean(source))


def image_direction(style: Tensor, source: Tensor) -> Tensor:
    """(pictures, d) of the wanted style and (samples, d) of the source generator → (d,) of unit length (§4.1)."""
    return _unit_or_zero(_mean(style) - _mean(source))


def patch_text_directions(target: Tensor, source: Tensor) -> Tensor:
    """(parts, templates, d) raw text embeddings each → (parts, d), each row as `text_direction`."""
    return torch.stack([text_direction(*texts) for texts in zip(target, source, strict=True)])


# ---------------------------------------------------------------------------------------------- at every step


def directional_loss(source: Tensor, target: Tensor, direction: Tensor) -> Tensor:
    """Mean over the pairs of 1 - cos(e_target - e_source, direction), in [0, 2] (§4.1, eq. 2).

    source, target: (batch, d) raw image embeddings of the same codes. direction: (d,).
    A pair that does not differ, as none does before the first step, counts 1 - its displacement along the direction:
    its cosine is not defined, and its gradient so points the right way and is of moderate length.
    """
    return (1 - _displacement(source, target) @ _unit(direction)).mean()


def global_loss(images: Tensor, text: Tensor) -> Tensor:
    """Mean of 1 - cos(e, text), in [0, 2]: (batch, d) and (1, d); what the directional loss improves upon (§4.1)."""
    return clip_distance(_precise(images), _precise(text))


def manifold_loss(source: Tensor, target: Tensor, target_text: Tensor, source_text: Tensor) -> Tensor:
    """Mean |cos(e_target, e_source) - cos(target_text, source_text)|: pictures lie as far apart as the texts do.

    source, target: (batch, d). target_text, source_text: (templates, d); their means count. Of the released code.
    """
    texts = F.cosine_similarity(_mean(target_text), _mean(source_text), dim=0)
    return (F.cosine_similarity(_precise(target), _precise(source), dim=1) - texts).abs().mean()


def patch_directional_loss(source: Tensor, target: Tensor, directions: Tensor) -> Tensor:
    """Mean over patches b and parts p of (1 - cos_bp) softmax_p(cos_bp). Of the released code, experimental there.

    source, target: (batch, d) raw embeddings of patches in the same places. directions: (parts, d).
    """
    cosines = _displacement(source, target) @ _unit(directions).T
    return ((1 - cosines) * cosines.softmax(dim=1)).mean()


def cut_patches(pictures: Tensor, centers: Tensor, side: int) -> Tensor:
    """(N, 3, H, W) and (N · per picture, 2), x and y of centres in pixels → (N · per picture, 3, side, side)."""
    half = side // 2
    repeated = pictures.repeat_interleave(len(centers) // len(pictures), dim=0)
    return torch.stack(
        [picture[:, y - half : y - half + side, x - half : x - half + side]
         for picture, (x, y) in zip(repeated, centers.tolist(), strict=True)]
    )  # fmt: skip


def weighted_sum(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """Σ weight · term, of losses by name; or of CLIPs by name, whose losses add up."""
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()


def pairwise_distance(embeddings: Tensor) -> Tensor:
    """Mean of 1 - cosine over all pairs of (n, d), n at least 2: how much a set of pictures varies."""
    units = _unit(_precise(embeddings))
    count = len(units)
    return 1 - ((units @ units.T).sum() - count) / (count * (count - 1))


# ---------------------------------------------------------------------------------------------- vectors


def _displacement(source: Tensor, target: Tensor) -> Tensor:
    """e_target - e_source of unit length, as it is where it is hardly there."""
    step = _unit(_precise(target)) - _unit(_precise(source))
    return torch.where(step.norm(dim=-1, keepdim=True) > SHORTEST, _unit(step), step)


def _mean(embeddings: Tensor) -> Tensor:
    return _unit(_precise(embeddings)).mean(0)


def _precise(x: Tensor) -> Tensor:
    """Half precision as float32: directions are differences of nearly equal vectors."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1, eps=SHORTEST)


def _unit_or_zero(x: Tensor) -> Tensor:
    return torch.where(x.norm() > SHORTEST, _unit(x), 0)
