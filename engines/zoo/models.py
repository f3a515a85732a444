"""Loading: from assets/ for pocket models, downloaded once and then cached for full ones. Shared between runs."""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from engines.base import EngineError
from engines.clip.encoder import ClipEncoder, load_checkpoint
from engines.faces.e4e import Encoder, load_encoder
from engines.faces.identity import IdentityNetwork, load_identity
from engines.files import ASSETS
from engines.style.features import StyleEncoder
from engines.styleclip.relevance import RelevanceTable
from engines.stylegan2 import Generator, load_generator
from engines.zoo.catalogue import CatalogueEntry, Family, find

if TYPE_CHECKING:  # these import diffusers, which takes seconds
    from engines.diffusion import DiffusionModel
    from engines.diffusion.instant import InstantStyle
    from engines.diffusion.structure import Structure
    from engines.dreamstyler.captions import Captioner
    from engines.unclip.model import ClipReader, UnCLIPModel

__all__ = ["Models", "cache_folder", "relevance_name", "resolve_device"]

_POCKET_CLIP = "atelier-pocket"
_DECODER_APART = ("Kandinsky-2.2",)
"""Models whose decoder is an entry of its own."""
_PRIOR_APART = ("Stable-unCLIP-small",)
"""Models of Stable unCLIP whose prior is, with the half of their CLIP that reads."""
_CLIP_APART = {"Stable-unCLIP": "ViT-H-14-laion2b"}
"""The others, and the whole of their CLIP."""


class Models:
    """What an engine may load: a family, on a device ("auto", "cpu", "cuda").

    `used` lists what was loaded, as {"name", "sha256"}.
    """

    def __init__(self, family: Family = "pocket", device: str = "auto"):
        if family not in ("pocket", "full"):
            raise EngineError(f"There is no model family '{family}'; choose 'pocket' or 'full'.")
        self.family, self.device = family, resolve_device(device)
        self.used: list[dict[str, str]] = []

    def clip(self, name: str = "") -> ClipEncoder:
        """The CLIP of that catalogue name, or the family's own."""
        encoder = _load_clip(find("clip", name, self.family), self.device)
        self._note(encoder.name, encoder.sha256)
        return encoder

    def style_features(self) -> StyleEncoder:
        """The family's VGG-16."""
        encoder = _load_style_features(find("vgg", "", self.family), self.device)
        self._note(encoder.name, encoder.sha256)
        return encoder

    def generator(self, path: str = "") -> Generator:
        """The StyleGAN2 of a file, or the family's own; shared between runs: not to be changed."""
        if path:
            file, name = Path(path), Path(path).name
        else:
            entry = find("stylegan2", "", self.family)
            file, name = _weights_of(entry), entry.name
        generator = _load_generator(file, _stamp(file), self.device)
        self._note(name, generator.sha256)
        return generator

    def has_generator(self) -> bool:
        """Whether the family's own generator is on this machine."""
        entry = find("stylegan2", "", self.family)
        return entry.family == "pocket" or _release_file(entry).exists()

    def relevance(self, generator: Generator, encoder: ClipEncoder) -> RelevanceTable | None:
        """What each style channel of this generator means to this CLIP, where that was measured before."""
        embedded = ASSETS / "faces" / relevance_name(generator, encoder)
        for path in (embedded, self.relevance_file(generator, encoder)):
            if path.is_file() and (table := RelevanceTable.load(path)).is_whole:
                return table
        return None

    def relevance_file(self, generator: Generator, encoder: ClipEncoder) -> Path:
        """Where that is kept when it is measured on this machine; it need not be there."""
        return cache_folder() / "relevance" / relevance_name(generator, encoder)

    def identity(self, path: str = "") -> IdentityNetwork | None:
        """The ArcFace network of a file, or the family's own; None where it has none."""
        entry = find("identity", "", self.family)
        if not path and entry is None:
            return None
        file, name = (Path(path), Path(path).name) if path else (_weights_of(entry), entry.name)
        network = _load_identity(file, _stamp(file), self.device)
        self._note(name, file_sha256(file))
        return network

    def face_encoder(self, path: str) -> Encoder:
        """The e4e encoder of a file. Not kept: it has a gigabyte, and a run needs it once."""
        file = Path(path)
        encoder = load_encoder(file).to(self.device)
        self._note(file.name, file_sha256(file))
        return encoder

    def diffusion(self) -> DiffusionModel:
        """The family's text-to-image model; shared between runs: not to be changed."""
        entry = find("diffusion", "", self.family)
        folder = _folder_of(entry)
        model = _load_diffusion(entry, folder, self.device)
        self._note_folder(entry, folder / "unet")
        return model

    def painter(self) -> DiffusionModel | None:
        """The family's text-to-image model where it paints within a second; None where it would take minutes."""
        return self.diffusion() if self.family == "pocket" else None

    def structure(self) -> Structure | None:
        """What keeps a picture's structure when the family's diffusion model paints it anew; None where it has none."""
        entry = find("structure", "", self.family)
        if entry is None:
            return None
        folder, depth = _folder_of(entry), find("depth", "", self.family)
        structure = _load_structure(entry, folder, depth and _folder_of(depth), self.device)
        self._note_folder(entry, folder)
        return structure

    def instant_style(self, picture: np.ndarray) -> InstantStyle | None:
        """The family's diffusion model in the style of a picture, (H, W, 3) uint8; None where it has no adapter."""
        from engines.diffusion.instant import WEIGHTS, InstantStyle

        entry = find("instant-style", "", self.family)
        if entry is None:
            return None
        folder = _folder_of(entry)
        style = InstantStyle(self.diffusion(), folder, picture)
        self._note(entry.name, file_sha256(folder / WEIGHTS))
        return style

    def captioner(self) -> Captioner | None:
        """The family's network that tells what a picture shows; None where its CLIP has to."""
        entry = find("caption", "", self.family)
        return None if entry is None else _load_captioner(_folder_of(entry), self.device)

    def unclip(self, name: str = "") -> UnCLIPModel:
        """The unCLIP of that catalogue name, or the family's own; shared between runs: not to be changed."""
        entry = find("unclip", name, self.family)
        folder = _folder_of(entry)
        if entry.name in (*_PRIOR_APART, *_CLIP_APART):
            return self._stable_unclip(entry, folder)
        if entry.family == "pocket":
            clip = _read_with(self.clip())
        else:
            clip = _load_published_clip(folder, _eye_of(folder), self.device)
        apart = find("unclip-decoder", f"{entry.name}-decoder", "full") if entry.name in _DECODER_APART else None
        if apart is None:
            model, weights = _load_unclip(entry, folder, clip, self.device), folder / "decoder"
        else:
            weights = _folder_of(apart) / "unet"
            model = _load_kandinsky(entry, folder, weights.parent, clip, self.device)
        self._note_folder(entry, weights)
        return model

    def _stable_unclip(self, entry: CatalogueEntry, folder: Path) -> UnCLIPModel:
        if entry.name in _CLIP_APART:
            prior, clip = None, self.clip(_CLIP_APART[entry.name])
        else:
            prior = _folder_of(find("unclip-prior", f"{entry.name}-prior", "full"))
            clip = _load_published_clip(prior, folder, self.device)
        model = _load_stable(entry, folder, prior, clip, self.device)
        self._note_folder(entry, folder / "unet")
        return model

    def _note_folder(self, entry: CatalogueEntry, folder: Path) -> None:
        self._note(entry.name, file_sha256(folder / "diffusion_pytorch_model.safetensors"))

    def _note(self, name: str, sha256: str) -> None:
        record = {"name": name, "sha256": sha256}
        if record not in self.used:
            self.used.append(record)


def resolve_device(device: str) -> torch.device:
    if device not in ("auto", "cpu", "cuda"):
        raise EngineError(f"There is no device '{device}'; choose 'auto', 'cpu' or 'cuda'.")
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("This machine has no CUDA device; choose 'cpu' or 'auto' as the device.")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


@cache
def _load_clip(entry: CatalogueEntry, device: torch.device) -> ClipEncoder:
    from engines.clip._open_clip import open_clip

    if entry.family == "pocket":
        config, weights = _POCKET_CLIP, ASSETS / entry.source
        open_clip.add_model_config(weights.with_suffix(".json"))
        options = {"bpe_path": weights.parent / "bpe.txt.gz"}
    else:
        config, tag = entry.source.split("/", 1)
        published = open_clip.get_pretrained_cfg(config, tag)
        weights = _download(entry, published)
        options = {"force_quick_gelu": bool(published.get("quick_gelu"))}
        options |= {key: published[key] for key in ("mean", "std") if key in published}
    return load_checkpoint(config, weights, device=device, sha256=file_sha256(weights), name=entry.name, **options)


@cache
def _load_style_features(entry: CatalogueEntry, device: torch.device) -> StyleEncoder:
    weights = _weights_of(entry)
    return StyleEncoder.load(weights, name=entry.name, sha256=file_sha256(weights), device=device)


@cache
def _load_generator(file: Path, stamp: float, device: torch.device) -> Generator:
    generator = load_generator(file).to(device)
    generator.sha256 = file_sha256(file)
    return generator


@cache
def _load_identity(file: Path, stamp: float, device: torch.device) -> IdentityNetwork:
    return load_identity(file).to(device)


@cache
def _load_diffusion(entry: CatalogueEntry, folder: Path, device: torch.device) -> DiffusionModel:
    from engines.diffusion import DiffusionModel

    return DiffusionModel.load(folder, device, _precision(entry.family, device), entry.name)


@cache
def _load_structure(entry: CatalogueEntry, folder: Path, depth: Path | None, device: torch.device) -> Structure:
    """Of depth where the family sees it, else of edges."""
    from engines.diffusion.structure import Structure, depth_estimator, edges, load_controlnet

    see = edges if depth is None else depth_estimator(depth, device)
    return Structure(load_controlnet(folder, device, _precision(entry.family, device)), see)


@cache
def _load_captioner(folder: Path, device: torch.device) -> Captioner:
    from engines.dreamstyler.captions import Captioner

    return Captioner(folder, device)


@cache
def _read_with(encoder: ClipEncoder) -> ClipReader:
    from engines.unclip.model import OpenClipReader

    return OpenClipReader(encoder)


@cache
def _load_published_clip(folder: Path, eye: Path, device: torch.device) -> ClipReader:
    from engines.unclip.published import PublishedClipReader

    return PublishedClipReader.load(folder, eye, device)


def _eye_of(folder: Path) -> Path:
    """The folder with the half of CLIP that looks at pictures: another one where a model has none of its own."""
    return folder if (folder / "image_encoder").is_dir() else _folder_of(find("unclip-eye", "", "full"))


@cache
def _load_kandinsky(
    entry: CatalogueEntry, prior: Path, decoder: Path, clip: ClipReader, device: torch.device
) -> UnCLIPModel:
    from engines.unclip.model import UnCLIPModel

    return UnCLIPModel.load_kandinsky(prior, decoder, clip, device, entry.name)


@cache
def _load_stable(
    entry: CatalogueEntry, folder: Path, prior: Path | None, clip: ClipReader | ClipEncoder, device: torch.device
) -> UnCLIPModel:
    from engines.unclip.model import UnCLIPModel

    return UnCLIPModel.load_stable(folder, prior, clip, device, entry.name)


@cache
def _load_unclip(entry: CatalogueEntry, folder: Path, clip: ClipReader, device: torch.device) -> UnCLIPModel:
    from engines.unclip.model import UnCLIPModel

    return UnCLIPModel.load(folder, clip, device, entry.name)


def _precision(family: Family, device: torch.device) -> torch.dtype:
    """Half the memory for large networks on a GPU; bf16 has the range that gradients need."""
    return torch.bfloat16 if family == "full" and device.type == "cuda" else torch.float32


def _stamp(file: Path) -> float:
    """When a file was written: one that was exchanged is loaded again."""
    return file.stat().st_mtime if file.exists() else 0.0


def cache_folder() -> Path:
    """Where a user's programs keep what they can make again, once per machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atelier"


def relevance_name(generator: Generator, encoder: ClipEncoder) -> str:
    return f"relevance-{generator.sha256[:12]}-{encoder.sha256[:12]}.safetensors"


def _weights_of(entry: CatalogueEntry) -> Path:
    return ASSETS / entry.source if entry.family == "pocket" else _download_release(entry)


def _download(entry: CatalogueEntry, published: dict) -> Path:
    """From the Hugging Face hub, with its progress bar; afterwards from its cache, without a network."""
    from engines.clip._open_clip import open_clip

    try:
        weights = Path(open_clip.download_pretrained(published))
    except Exception as error:  # the hub's client raises many unrelated types; all mean the same to a person
        raise _unreachable(entry, error) from error
    expected = weights.resolve().name  # the hub's cache names a large file by its published SHA-256
    if re.fullmatch(r"[0-9a-f]{64}", expected):
        _check(entry, weights, expected)
    return weights


def _download_release(entry: CatalogueEntry) -> Path:
    """From the address of the release into torch's own cache, with a progress bar; afterwards from there."""
    weights = _release_file(entry)
    if not weights.exists():
        weights.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(entry.source, str(weights))
        except Exception as error:  # of the network, of the disk, of the server: all mean the same to a person
            raise _unreachable(entry, error) from error
    if entry.sha256:
        _check(entry, weights, entry.sha256)
    return weights


def _folder_of(entry: CatalogueEntry) -> Path:
    return ASSETS / entry.source if entry.family == "pocket" else _download_folder(entry)


def _download_folder(entry: CatalogueEntry) -> Path:
    """The needed files of a repository of the Hugging Face hub, with its progress bar; afterwards from its cache."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(entry.source, allow_patterns=list(entry.files)))
    except Exception as error:  # the hub's client raises many unrelated types; all mean the same to a person
        raise _unreachable(entry, error) from error


def _release_file(entry: CatalogueEntry) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / entry.source.rsplit("/", 1)[1]


def _unreachable(entry: CatalogueEntry, error: Exception) -> EngineError:
    return EngineError(
        f"The model {entry.name} could not be downloaded ({type(error).__name__}); "
        "check the connection and try again, or choose the Pocket models, which need none."
    )


def _check(entry: CatalogueEntry, weights: Path, sha256: str) -> None:
    if file_sha256(weights) != sha256:
        weights.resolve().unlink()
        raise EngineError(f"The download of {entry.name} is damaged and was removed; try again.")


def file_sha256(path: Path) -> str:
    return _sha256(path, _stamp(path))


@cache
def _sha256(path: Path, stamp: float) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
