"""Train the embedded domains: `python -m training.portrait_domains [--only NAME]`, minutes each on a CPU.

StyleGAN-NADA at its default settings for each of EMBEDDED, or for another of PORTRAIT_DOMAINS; of what it learned the
largest singular vectors of each layer are kept, so that a file stays below 500 KB, and written as fp16 to
assets/faces/domains. A domain belongs to the generator and was made with the CLIP that assets/ has now: train all of
them anew after any of these.

Another manner of painting is shown to the training by style pictures, three portraits of other people that the style's
own filter paints; other beings are told by words.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from engines.clip.guidance import ClipGuide
from engines.files import ASSETS
from engines.images import as_pixels
from engines.styleclip.face import latent_of_seed
from engines.stylegan2 import Generator
from engines.stylegan_nada.delta import Change, Domain, descendant, save_domain
from engines.stylegan_nada.engine import sheet_of
from engines.stylegan_nada.settings import StyleGANNadaSettings
from engines.stylegan_nada.training import NadaTraining
from engines.zoo import Models
from world.painter import paint
from world.portraits import sample_portraits
from world.styles import STYLES, render

__all__ = ["PORTRAIT_DOMAINS", "PortraitDomain", "adapting", "settings_for", "style_pictures"]

EXPORT = ASSETS / "faces" / "domains"
RANK = 12
"""Of what is kept of a layer's change."""
STYLE_PICTURES, SITTERS = 3, 77
"""How many, and the seed of who sits for them."""
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


EMBEDDED = ("pencil-sketch", "watercolor", "mosaic", "neon-sign", "woodcut", "stained-glass", "clown")
"""Those that come out best."""


def adapting(models: Models, settings: StyleGANNadaSettings) -> Iterator[NadaTraining]:
    """The training of the family's own generator, after each of its steps."""
    guide = ClipGuide.load(models.clip, settings.clip_models)
    training = NadaTraining(models.generator(), guide.encoders, models.style_features, settings)
    for _ in range(settings.num_steps):
        training.step(settings)
        yield training


def settings_for(domain: PortraitDomain, **values) -> StyleGANNadaSettings:
    return StyleGANNadaSettings.parse({"source_text": domain.source, "prompt": domain.target, **values})


def style_pictures(domain: PortraitDomain, side: int, folder: Path) -> dict[str, str]:
    """Settings that show the domain's manner of painting, by pictures that are written to the folder; none of a being.

    side: of the pictures, in px.
    """
    if domain.kind != "manner":
        return {}
    random = torch.Generator().manual_seed(SITTERS)
    style = next(style for style in STYLES if style.en == domain.shows)
    painted = render(paint(sample_portraits(STYLE_PICTURES, random), side), style, random)
    settings = {}
    for number, picture in enumerate(painted, 1):
        path = folder / f"{domain.name}-{number}.png"
        Image.fromarray(as_pixels(picture)).save(path)
        settings[f"style_{number}"] = str(path)
    return settings


def of_low_rank(change: Change, rank: int) -> dict[str, Tensor]:
    """The nearest change of that rank (Eckart and Young 1936): of every tensor with several axes the two factors, where
    they are smaller than itself."""
    found = {}
    for name, value in change.items():
        outputs, inputs = len(value), value[0].numel()
        if value.dim() == 1 or rank * (outputs + inputs) >= value.numel():
            found[name] = value.detach()
            continue
        up, sizes, down = torch.linalg.svd(value.detach().reshape(outputs, inputs), full_matrices=False)
        root = sizes[:rank].sqrt()
        found[f"{name}.up"], found[f"{name}.down"] = up[:, :rank] * root, root[:, None] * down[:rank]
    return found


def train(models: Models, settings: StyleGANNadaSettings, path: Path) -> Domain:
    """Adapt the generator and write the main part of what changed."""
    for training in adapting(models, settings):
        if training.steps_done % REPORT_EVERY == 0:
            print(training.steps_done, {name: round(loss, 4) for name, loss in training.losses.items()}, flush=True)
    learned = training.domain(settings)
    domain = Domain(of_low_rank(learned.change, RANK), learned.metadata)
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
        if domain.name in ([options.only] if options.only else EMBEDDED):
            print(f"{domain.name}: {domain.source} → {domain.target}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                shown = style_pictures(domain, models.generator().img_resolution, Path(folder))
                settings = settings_for(domain, num_steps=options.steps, **shown)
                made = train(models, settings, options.export / f"{domain.name}.safetensors")
            generator = descendant(models.generator(), made.change)
            sheet = sheet_of(faces(generator, settings.truncation_psi))
            Image.fromarray(sheet).save(options.folder / f"{domain.name}.png")


if __name__ == "__main__":
    main()
