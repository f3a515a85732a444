"""Loading models of a family: from assets/ for pocket models, downloaded once for full ones. Shared between runs."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from engines.clip.encoder import ClipEncoder, load_checkpoint
from engines.errors import EngineError
from engines.faces.e4e import Encoder, load_encoder
from engines.faces.identity import IdentityNetwork, load_identity
from engines.files import ASSETS
from engines.style.features import StyleEncoder
from engines.stylegan2 import Generator, load_generator
from engines.zoo.catalogue import CatalogueEntry, Family, find
from engines.zoo.fetching import download_open_clip, file_sha256, folder_of, modified, release_file, weights_of

if TYPE_CHECKING:  # these import diffusers, which takes seconds
    from engines.diffusion import DiffusionModel
    from engines.diffusion.captioner import Captioner
    from engines.diffusion.instant import InstantStyle
    from engines.diffusion.structure import Structure

__all__ = ["Models", "replaceable", "resolve_device"]

POCKET_CLIP = "atelier-pocket"

Loader = TypeVar("Loader", bound=Callable[..., Any])


def replaceable(kind: str) -> Callable[[Loader], Loader]:
    """Decorate a loader, whose first argument is a `Models`, so that `Models.override` can replace what it loads."""

    def decorate(loader: Loader) -> Loader:
        @wraps(loader)
        def load(models: Models, *arguments: Any, **options: Any) -> Any:
            if kind in models.overrides:
                return models.overrides[kind]
            return loader(models, *arguments, **options)

        return load

    return decorate


class Models:
    """All that an engine may load: one family, on one device ("auto", "cpu", "cuda").

    `used` lists what was loaded, as {"name", "sha256"}.
    """

    def __init__(self, family: Family = "pocket", device: str = "auto"):
        if family not in ("pocket", "full"):
            raise EngineError("There is no model family '{family}'; choose 'pocket' or 'full'.", family=family)
        self.family, self.device = family, resolve_device(device)
        self.used: list[dict[str, str]] = []
        self.overrides: dict[str, Any] = {}

    def override(self, **parts: Any) -> Models:
        """A copy that returns `parts` in place of what it would load, by kind: ``models.override(clip=encoder)``."""
        other = copy(self)
        other.used, other.overrides = list(self.used), {**self.overrides, **parts}
        return other

    @replaceable("clip")
    def clip(self, name: str = "") -> ClipEncoder:
        """The CLIP of that catalogue name, or the family's own."""
        encoder = _load_clip(find("clip", name, self.family), self.device)
        self.note(encoder.name, encoder.sha256)
        return encoder

    @replaceable("style_features")
    def style_features(self) -> StyleEncoder:
        """The family's VGG-16."""
        encoder = _load_style_features(find("vgg", "", self.family), self.device)
        self.note(encoder.name, encoder.sha256)
        return encoder

    @replaceable("generator")
    def generator(self, path: str = "") -> Generator:
        """The StyleGAN2 of a file, or the family's own. Shared between runs: do not change it."""
        if path:
            file, name = Path(path), Path(path).name
        else:
            entry = find("stylegan2", "", self.family)
            file, name = weights_of(entry), entry.name
        generator = _load_generator(file, modified(file), self.device)
        self.note(name, generator.sha256)
        return generator

    def has_generator(self) -> bool:
        """Whether the family's own generator is on this machine."""
        entry = find("stylegan2", "", self.family)
        return entry.family == "pocket" or release_file(entry).exists()

    @replaceable("identity")
    def identity(self, path: str = "") -> IdentityNetwork | None:
        """The ArcFace network of a file, or the family's own; None where it has none."""
        entry = find("identity", "", self.family)
        if not path and entry is None:
            return None
        file, name = (Path(path), Path(path).name) if path else (weights_of(entry), entry.name)
        network = _load_identity(file, modified(file), self.device)
        self.note(name, file_sha256(file))
        return network

    def face_encoder(self, path: str) -> Encoder:
        """The e4e encoder of a file. Not cached: it has a gigabyte, and a run needs it once."""
        file = Path(path)
        encoder = load_encoder(file).to(self.device)
        self.note(file.name, file_sha256(file))
        return encoder

    @replaceable("diffusion")
    def diffusion(self) -> DiffusionModel:
        """The family's text-to-image model. Shared between runs: do not change it."""
        entry = find("diffusion", "", self.family)
        folder = folder_of(entry)
        model = _load_diffusion(entry, folder, self.device)
        self.note_folder(entry, folder / "unet")
        return model

    @replaceable("painter")
    def painter(self) -> DiffusionModel | None:
        """The family's text-to-image model where it paints within a second; None where it would take minutes."""
        return self.diffusion() if self.family == "pocket" else None

    @replaceable("structure")
    def structure(self) -> Structure | None:
        """The ControlNet that keeps a picture's structure when the diffusion model repaints it; None without one."""
        entry = find("structure", "", self.family)
        if entry is None:
            return None
        folder, depth = folder_of(entry), find("depth", "", self.family)
        structure = _load_structure(entry, folder, depth and folder_of(depth), self.device)
        self.note_folder(entry, folder)
        return structure

    def instant_style(self, picture: np.ndarray) -> InstantStyle | None:
        """The family's diffusion model in the style of a picture, (H, W, 3) uint8; None where it has no adapter."""
        from engines.diffusion.instant import WEIGHTS, InstantStyle

        entry = find("instant-style", "", self.family)
        if entry is None:
            return None
        folder = folder_of(entry)
        style = InstantStyle(self.diffusion(), folder, picture)
        self.note(entry.name, file_sha256(folder / WEIGHTS))
        return style

    @replaceable("captioner")
    def captioner(self) -> Captioner | None:
        """The family's network that describes pictures; None where its CLIP has to."""
        entry = find("caption", "", self.family)
        return None if entry is None else _load_captioner(folder_of(entry), self.device)

    def note_folder(self, entry: CatalogueEntry, folder: Path) -> None:
        """Add a network in diffusers' layout to `used`."""
        self.note(entry.name, file_sha256(folder / "diffusion_pytorch_model.safetensors"))

    def note(self, name: str, sha256: str) -> None:
        """Add a model to `used`."""
        record = {"name": name, "sha256": sha256}
        if record not in self.used:
            self.used.append(record)


def resolve_device(device: str) -> torch.device:
    if device not in ("auto", "cpu", "cuda"):
        raise EngineError("There is no device '{device}'; choose 'auto', 'cpu' or 'cuda'.", device=device)
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("This machine has no CUDA device; choose 'cpu' or 'auto' as the device.")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


@cache
def _load_clip(entry: CatalogueEntry, device: torch.device) -> ClipEncoder:
    from engines.clip._open_clip import open_clip

    if entry.family == "pocket":
        config, weights = POCKET_CLIP, ASSETS / entry.source
        open_clip.add_model_config(weights.with_suffix(".json"))
        options = {"bpe_path": weights.parent / "bpe.txt.gz"}
    else:
        config, tag = entry.source.split("/", 1)
        published = open_clip.get_pretrained_cfg(config, tag)
        weights = download_open_clip(entry, published)
        options = {"force_quick_gelu": bool(published.get("quick_gelu"))}
        options |= {key: published[key] for key in ("mean", "std") if key in published}
    return load_checkpoint(config, weights, device=device, sha256=file_sha256(weights), name=entry.name, **options)


@cache
def _load_style_features(entry: CatalogueEntry, device: torch.device) -> StyleEncoder:
    weights = weights_of(entry)
    return StyleEncoder.load(weights, name=entry.name, sha256=file_sha256(weights), device=device)


@cache
def _load_generator(file: Path, modified: float, device: torch.device) -> Generator:
    generator = load_generator(file).to(device)
    generator.sha256 = file_sha256(file)
    return generator


@cache
def _load_identity(file: Path, modified: float, device: torch.device) -> IdentityNetwork:
    return load_identity(file).to(device)


@cache
def _load_diffusion(entry: CatalogueEntry, folder: Path, device: torch.device) -> DiffusionModel:
    from engines.diffusion import DiffusionModel

    return DiffusionModel.load(folder, device, _precision(entry.family, device), entry.name)


@cache
def _load_structure(entry: CatalogueEntry, folder: Path, depth: Path | None, device: torch.device) -> Structure:
    """A ControlNet for depth where the family has a depth estimator, else for edges."""
    from engines.diffusion.structure import Structure, depth_estimator, edges, load_controlnet

    see = edges if depth is None else depth_estimator(depth, device)
    return Structure(load_controlnet(folder, device, _precision(entry.family, device)), see)


@cache
def _load_captioner(folder: Path, device: torch.device) -> Captioner:
    from engines.diffusion.captioner import Captioner

    return Captioner(folder, device)


def _precision(family: Family, device: torch.device) -> torch.dtype:
    """Half the memory for large networks on a GPU; bf16 has the range that gradients need."""
    return torch.bfloat16 if family == "full" and device.type == "cuda" else torch.float32
