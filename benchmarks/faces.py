"""How good the faces of the pocket generator are: `python -m benchmarks.faces`.

Faces of random latents beside portraits that were never trained on: the distance of the attribute
histograms (total variation, as the attribute meter reads both), the Fréchet distance of the pocket feature network's
last layer (FID's formula, arXiv 1706.08500, eq. 6; its number compares with no other network's), and the time of an
edit. Writes the sheet of the faces 0 to 63.
"""

from __future__ import annotations

import argparse
import time

import torch
from PIL import Image
from torch import Tensor

from benchmarks.edits import DOCS, follow
from engines.images import as_sheet
from engines.styleclip.face import latent_of_seed
from engines.zoo import Models
from evaluation.portrait_attributes import load_meter
from world.painter import paint
from world.portraits import ATTRIBUTES, Portraits, sample_portraits

SEED = 20_261_121


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """|μ₁ - μ₂|² + tr(C₁ + C₂ - 2 √(C₁ C₂)) of two sets of features, (N, d) each."""
    one, other = one.double(), other.double()
    covariances = one.T.cov(), other.T.cov()
    roots = torch.linalg.eigvals(covariances[0] @ covariances[1]).real.clamp_min(0).sqrt().sum()
    return ((one.mean(0) - other.mean(0)).square().sum() + sum(c.trace() for c in covariances) - 2 * roots).item()


@torch.no_grad()
def features(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] → (N, d), means of the last layer's maps."""
    encoder = Models("pocket", "cpu").style_features()
    return torch.cat([encoder.maps(chunk)[-1].mean((2, 3)) for chunk in pictures.split(50)])


@torch.no_grad()
def generated(count: int) -> Tensor:
    generator = Models("pocket", "cpu").generator()
    z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(SEED))
    return torch.cat([(generator(chunk) / 2 + 0.5).clamp(0, 1) for chunk in z.split(50)])


def total_variation(found: Portraits, wanted: Portraits, attribute: str) -> float:
    """Half the summed difference of two histograms, over those whose attribute can be seen."""
    shares = []
    for people in (found, wanted):
        choices = people.choices[attribute][people.visible(attribute)]
        shares.append(torch.bincount(choices, minlength=len(ATTRIBUTES[attribute])) / len(choices))
    return ((shares[0] - shares[1]).abs().sum() / 2).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    options = parser.parse_args()
    faces = generated(options.count)
    chance = torch.Generator().manual_seed(SEED)
    portraits, others = (paint(sample_portraits(options.count, chance), 128) for _ in range(2))
    meter = load_meter()
    read = [
        Portraits({k: torch.cat([meter.read(c)[k] for c in x.split(100)]) for k in ATTRIBUTES}, {})
        for x in (faces, portraits, others)
    ]
    print(f"{'total variation':<16}{'generated':>11}{'two samples':>13}")
    for name in ATTRIBUTES:
        print(f"{name:<16}{total_variation(*read[:2], name):>11.3f}{total_variation(*read[1:], name):>13.3f}")
    found, real, again = (features(pictures) for pictures in (faces, portraits, others))
    print(f"\nFréchet distance, pocket features: {frechet_distance(found, real):.2f} "
          f"(two samples of portraits {frechet_distance(again, real):.2f})")  # fmt: skip

    generator = Models("pocket", "cpu").generator()
    with torch.no_grad():
        numbered = generator.synthesis(torch.cat([latent_of_seed(generator, seed, 1.0) for seed in range(64)]))
    Image.fromarray(as_sheet(numbered / 2 + 0.5, 8)).save(DOCS / "faces.png")

    steps = follow("styleclip-directions", list(range(41)), prompt="smiling face")
    next(steps)
    started = time.monotonic()
    list(steps)
    print(f"an edit of another face, from setting to picture: {(time.monotonic() - started) / 40 * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
