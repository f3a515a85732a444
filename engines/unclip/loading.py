"""The unCLIP models of the catalogue: Karlo and the pocket model, Kandinsky 2.2, Stable unCLIP."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from engines.clip.encoder import ClipEncoder
from engines.unclip.model import ClipReader, OpenClipReader, UnCLIPModel
from engines.unclip.published import PublishedClipReader
from engines.zoo import Models, find, replaceable
from engines.zoo.catalogue import CatalogueEntry
from engines.zoo.fetching import folder_of

__all__ = ["load_unclip"]

DECODER_APART = ("Kandinsky-2.2",)
"""Models whose decoder is an entry of its own."""
PRIOR_APART = ("Stable-unCLIP-small",)
"""Models of Stable unCLIP whose prior is an entry of its own, with the text tower of their CLIP."""
CLIP_APART = {"Stable-unCLIP": "ViT-H-14-laion2b"}
"""Models of Stable unCLIP whose CLIP is an entry of its own."""


@replaceable("unclip")
def load_unclip(models: Models, name: str = "") -> UnCLIPModel:
    """The unCLIP of that catalogue name, or the family's own. Shared between runs: do not change it."""
    entry = find("unclip", name, models.family)
    folder = folder_of(entry)
    if entry.name in (*PRIOR_APART, *CLIP_APART):
        return _load_stable(models, entry, folder)
    if entry.family == "pocket":
        clip = _read_with(models.clip())
    else:
        clip = _published_clip(folder, _image_tower_of(folder), models.device)
    if entry.name in DECODER_APART:
        decoder = folder_of(find("unclip-decoder", f"{entry.name}-decoder", "full"))
        model, weights = _kandinsky(entry, folder, decoder, clip, models.device), decoder / "unet"
    else:
        model, weights = _unclip(entry, folder, clip, models.device), folder / "decoder"
    models.note_folder(entry, weights)
    return model


def _load_stable(models: Models, entry: CatalogueEntry, folder: Path) -> UnCLIPModel:
    if entry.name in CLIP_APART:
        prior, clip = None, models.clip(CLIP_APART[entry.name])
    else:
        prior = folder_of(find("unclip-prior", f"{entry.name}-prior", "full"))
        clip = _published_clip(prior, folder, models.device)
    model = _stable(entry, folder, prior, clip, models.device)
    models.note_folder(entry, folder / "unet")
    return model


def _image_tower_of(folder: Path) -> Path:
    """The folder with CLIP's image tower: another one where a model does not bring it."""
    return folder if (folder / "image_encoder").is_dir() else folder_of(find("unclip-eye", "", "full"))


@cache
def _read_with(encoder: ClipEncoder) -> ClipReader:
    return OpenClipReader(encoder)


@cache
def _published_clip(folder: Path, image_tower: Path, device: torch.device) -> ClipReader:
    return PublishedClipReader.load(folder, image_tower, device)


@cache
def _kandinsky(
    entry: CatalogueEntry, prior: Path, decoder: Path, clip: ClipReader, device: torch.device
) -> UnCLIPModel:
    return UnCLIPModel.load_kandinsky(prior, decoder, clip, device, entry.name)


@cache
def _stable(
    entry: CatalogueEntry, folder: Path, prior: Path | None, clip: ClipReader | ClipEncoder, device: torch.device
) -> UnCLIPModel:
    return UnCLIPModel.load_stable(folder, prior, clip, device, entry.name)


@cache
def _unclip(entry: CatalogueEntry, folder: Path, clip: ClipReader, device: torch.device) -> UnCLIPModel:
    return UnCLIPModel.load(folder, clip, device, entry.name)
