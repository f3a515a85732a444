"""Train the embedded domains: `python -m training.portrait_domains [--only NAME]`, minutes each on a CPU.

StyleGAN-NADA at its default settings for each of PORTRAIT_DOMAINS, but of low rank, so that a file stays below 400 KB;
written as fp16 to assets/faces/domains. A domain belongs to the generator and was made with the CLIP that assets/ has
now: train all of them anew after any of these.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from engines.clip.guidance import ClipGuide
from engines.styleclip.face import latent_of_seed
from engines.stylegan2 import Generator
from engines.stylegan_nada.delta import Domain, descendant, save_domain
from engines.stylegan_nada.engine import as_sheet
from engines.stylegan_nada.settings import StyleGANNadaSettings
from engines.stylegan_nada.training import NadaTraining
from engines.zoo import Models

__all__ = ["PORTRAIT_DOMAINS", "PortraitDomain", "adapting"]

EXPORT = Path(__file__).parents[1] / "assets" / "faces" / "domains"
METHOD = "low-rank"
REPORT_EVERY = 25
SHOWN = 16
"""Faces on a sheet to look at: those with the first numbers."""

TONES = ("skin", "hair colour", "eyes", "make-up", "hat colour", "clothes", "background")
"""Attributes that are told by a colour: a picture of other colours than the world's has none of them."""
PALE = ("skin", "clothes", "background")
BEING = ("gender", "age", "skin", "hair style", "hair colour", "eyes", "expression", "beard", "earrings", "make-up")
"""Attributes of somebody who is no human being afterwards; what they wear is left."""


@dataclass(frozen=True)
class PortraitDomain:
    """name: also of the embedded file. source, target: the texts. kind: whether another manner of painting is asked
    for, or another being. shows: the style of STYLES, or the subject, that a judge is to see then. touches: attributes
    that the change may touch."""

    name: str
    source: str
    target: str
    kind: Literal["manner", "being"]
    shows: str
    touches: tuple[str, ...] = ()


def _manner(style: str, touches: tuple[str, ...] = ()) -> PortraitDomain:
    return PortraitDomain(style.replace(" ", "-"), "face", f"{style} of a face", "manner", style, touches)


PORTRAIT_DOMAINS = (
    _manner("pencil sketch", TONES),
    _manner("watercolor", PALE),
    _manner("mosaic"),
    _manner("neon sign", TONES),
    _manner("pixel art"),
    _manner("oil painting"),
    _manner("woodcut", TONES),
    _manner("stained glass"),
    PortraitDomain(
        "zombie", "face", "zombie", "being", "zombie",
        ("age", "skin", "hair style", "hair colour", "eyes", "expression", "make-up"),
    ),
    PortraitDomain("robot", "face", "robot", "being", "robot", BEING),
    PortraitDomain(
        "clown", "face", "clown face", "being", "clown face",
        ("skin", "hair style", "hair colour", "eyes", "expression", "make-up"),
    ),
    PortraitDomain("cat", "face", "cat face", "being", "cat face", BEING),
)  # fmt: skip


def adapting(models: Models, settings: StyleGANNadaSettings) -> Iterator[NadaTraining]:
    """The training of the family's own generator, after each of its steps."""
    guide = ClipGuide.load(models, settings.clip_models)
    training = NadaTraining(models.generator(), guide.encoders, settings)
    for _ in range(settings.num_steps):
        training.step(settings)
        yield training


def settings_for(domain: PortraitDomain, **values) -> StyleGANNadaSettings:
    return StyleGANNadaSettings.parse({"source_text": domain.source, "prompt": domain.target, **values})


def train(models: Models, settings: StyleGANNadaSettings, path: Path) -> Domain:
    """Adapt the generator and write what changed."""
    for training in adapting(models, settings):
        if training.steps_done % REPORT_EVERY == 0:
            print(training.steps_done, {name: round(loss, 4) for name, loss in training.losses.items()}, flush=True)
    domain = training.domain(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_domain(domain, path)
    return domain


@torch.no_grad()
def faces(generator: Generator, psi: float) -> Tensor:
    """(SHOWN, 3, H, W), nominally in [-1, 1]."""
    return torch.cat([generator.synthesis(latent_of_seed(generator, seed, psi)) for seed in range(SHOWN)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[domain.name for domain in PORTRAIT_DOMAINS])
    parser.add_argument("--steps", type=int, default=StyleGANNadaSettings.model_fields["num_steps"].default)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("checkpoints/domains"), help="for sheets to look at")
    parser.add_argument("--export", type=Path, default=EXPORT)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    models = Models("pocket", options.device)
    for domain in PORTRAIT_DOMAINS:
        if options.only in (None, domain.name):
            print(f"{domain.name}: {domain.source} → {domain.target}", flush=True)
            settings = settings_for(domain, method=METHOD, num_steps=options.steps)
            made = train(models, settings, options.export / f"{domain.name}.safetensors")
            generator = descendant(models.generator(), made.change)
            sheet = as_sheet(faces(generator, settings.truncation_psi))
            Image.fromarray(sheet).save(options.folder / f"{domain.name}.png")


if __name__ == "__main__":
    main()
