"""Files of models: where they are on this machine, downloaded once, checked against their published hash."""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path

import torch

from engines.errors import EngineError
from engines.files import ASSETS
from engines.zoo.catalogue import CatalogueEntry

__all__ = [
    "cache_folder",
    "download_open_clip",
    "file_sha256",
    "folder_of",
    "modified",
    "release_file",
    "weights_of",
]


def weights_of(entry: CatalogueEntry) -> Path:
    """The file with the weights of a model that consists of one file; downloaded when it is missing."""
    return ASSETS / entry.source if entry.family == "pocket" else _download_release(entry)


def folder_of(entry: CatalogueEntry) -> Path:
    """The folder of a model that consists of several files; downloaded when it is missing."""
    return ASSETS / entry.source if entry.family == "pocket" else _download_folder(entry)


def release_file(entry: CatalogueEntry) -> Path:
    """The place of a published file in torch's own cache; it need not exist."""
    return Path(torch.hub.get_dir()) / "checkpoints" / entry.source.rsplit("/", 1)[1]


def cache_folder() -> Path:
    """The folder for what can be computed again, once per machine and user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atelier"


def download_open_clip(entry: CatalogueEntry, published: dict) -> Path:
    """Weights from the Hugging Face hub, with a progress bar; afterwards from its cache, without a network."""
    from engines.clip._open_clip import open_clip

    try:
        weights = Path(open_clip.download_pretrained(published))
    except Exception as error:  # the hub's client raises many unrelated types; all mean the same to the user
        raise _unreachable(entry, error) from error
    expected = weights.resolve().name  # the hub's cache names a large file by its published SHA-256
    if re.fullmatch(r"[0-9a-f]{64}", expected):
        _check(entry, weights, expected)
    return weights


def _download_release(entry: CatalogueEntry) -> Path:
    """A release file into torch's own cache, with a progress bar; afterwards from there."""
    weights = release_file(entry)
    if not weights.exists():
        weights.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(entry.source, str(weights))
        except Exception as error:  # network, disk or server: all mean the same to the user
            raise _unreachable(entry, error) from error
    if entry.sha256:
        _check(entry, weights, entry.sha256)
    return weights


def _download_folder(entry: CatalogueEntry) -> Path:
    """The needed files of a Hugging Face repository, with a progress bar; afterwards from the hub's cache."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(entry.source, allow_patterns=list(entry.files)))
    except Exception as error:  # the hub's client raises many unrelated types; all mean the same to the user
        raise _unreachable(entry, error) from error


def _unreachable(entry: CatalogueEntry, error: Exception) -> EngineError:
    return EngineError(
        "The model {model} could not be downloaded ({reason}); check the connection and try again, or choose the "
        "Pocket models, which need none.",
        model=entry.name,
        reason=type(error).__name__,
    )


def _check(entry: CatalogueEntry, weights: Path, sha256: str) -> None:
    if file_sha256(weights) != sha256:
        weights.resolve().unlink()
        raise EngineError("The download of {model} is damaged and was removed; try again.", model=entry.name)


def modified(file: Path) -> float:
    """The time of the last change, as a part of cache keys: a file that was replaced is loaded again."""
    return file.stat().st_mtime if file.exists() else 0.0


def file_sha256(path: Path) -> str:
    return _sha256(path, modified(path))


@cache
def _sha256(path: Path, modified: float) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
