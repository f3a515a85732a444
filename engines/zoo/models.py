"""Loading: from assets/ for pocket models, downloaded once and then cached for full ones. Shared between runs."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

import torch

from engines.base import EngineError
from engines.clip.encoder import ClipEncoder, load_checkpoint
from engines.faces.identity import IdentityNetwork, load_identity
from engines.style.features import StyleEncoder
from engines.styleclip.relevance import RelevanceTable
from engines.stylegan2 import Generator, load_generator
from engines.zoo.catalogue import ASSETS, CatalogueEntry, Family, find

__all__ = ["Models", "relevance_name", "resolve_device"]

_POCKET_CLIP = "atelier-pocket"


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

    def relevance(self, generator: Generator, encoder: ClipEncoder) -> RelevanceTable | None:
        """What each style channel of this generator means to this CLIP, where that was measured before."""
        path = ASSETS / "faces" / relevance_name(generator, encoder)
        return RelevanceTable.load(path) if path.is_file() else None

    def identity(self) -> IdentityNetwork | None:
        """The family's ArcFace network; None where it has none."""
        entry = find("identity", "", self.family)
        if entry is None:
            return None
        file = _weights_of(entry)
        network = _load_identity(file, self.device)
        self._note(entry.name, file_sha256(file))
        return network

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
def _load_identity(file: Path, device: torch.device) -> IdentityNetwork:
    return load_identity(file).to(device)


def _stamp(file: Path) -> float:
    """When a file was written: one that was exchanged is loaded again."""
    return file.stat().st_mtime if file.exists() else 0.0


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
    weights = Path(torch.hub.get_dir()) / "checkpoints" / entry.source.rsplit("/", 1)[1]
    if not weights.exists():
        weights.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(entry.source, str(weights))
        except Exception as error:  # of the network, of the disk, of the server: all mean the same to a person
            raise _unreachable(entry, error) from error
    if entry.sha256:
        _check(entry, weights, entry.sha256)
    return weights


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
