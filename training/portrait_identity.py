"""Train the pocket identity network: `python -m training.portrait_identity`, minutes on one CPU core or a GPU.

An IR-SE50 as ArcFace's, only narrower, learns to tell people apart whatever their hair, hat, glasses, mood and age:
a person is what stays (`IDENTITY_MEASURES`, `IDENTITY_ATTRIBUTES`), everything else is new in each picture. Loss: the
additive angular margin of ArcFace (Deng et al., arXiv 1801.07698, eq. 3) over some hundred people, and, because what
makes a person is known here, the squared error of a linear reading of it, which only the training has.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.faces.identity import IdentityNetwork, save_identity
from engines.files import ASSETS
from training.portrait_attributes import vary
from training.schedule import learning_rate
from world.painter import paint
from world.portraits import ATTRIBUTES, IDENTITY_ATTRIBUTES, IDENTITY_MEASURES, Portraits, sample_portraits

EXPORT = ASSETS / "faces" / "identity.safetensors"
WIDTHS, FEATURES = (16, 24, 48, 64), 128
PEOPLE, BATCH, SIZE = 600, 32, 128
POOL, FRESH = 1800, 10
"""Pictures of people, and how many of a batch are painted anew."""
READING = 3.0
"""Weight of the linear reading."""
SCALE, MARGIN = 32.0, 0.3
PEAK_LR, WEIGHT_DECAY = 1.5e-3, 0.02


def same_people(people: Portraits, generator: torch.Generator) -> Portraits:
    """The same people in other moods, clothes and years."""
    other = sample_portraits(len(people), generator)
    choices = {name: (people if name in IDENTITY_ATTRIBUTES else other).choices[name] for name in people.choices}
    women = people.shows("gender", "woman").bool()
    choices["beard"] = torch.where(women, 0, choices["beard"])
    measures = {name: (people if name in IDENTITY_MEASURES else other).measures[name] for name in people.measures}
    return Portraits(choices, measures)


def known_of(people: Portraits) -> Tensor:
    """(B, numbers): what makes a person, about standardised."""
    choices = [F.one_hot(people.choices[name], len(ATTRIBUTES[name])).float() * 2 - 1 for name in IDENTITY_ATTRIBUTES]
    return torch.cat([*choices, torch.stack([people.measures[name] for name in IDENTITY_MEASURES], 1)], 1)


def arc_face_loss(features: Tensor, centres: Tensor, person: Tensor, margin: float) -> Tensor:
    """Cross entropy of s·cos(θ + m) for the right person and s·cos θ for the others (eq. 3)."""
    cosine = features @ F.normalize(centres).T
    own = cosine.gather(1, person[:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
    moved = cosine.scatter(1, person[:, None], torch.cos(own.acos() + margin))
    return F.cross_entropy(SCALE * moved, person)


def train(batches: int, seed: int, device: str) -> IdentityNetwork:
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    people = sample_portraits(PEOPLE, chance)
    truth = known_of(people).to(device)
    person = torch.arange(POOL) % PEOPLE
    pictures = torch.zeros(POOL, 3, SIZE, SIZE, dtype=torch.uint8)
    network = IdentityNetwork(WIDTHS, FEATURES).to(device).train()
    centres = nn.Parameter(torch.randn(PEOPLE, FEATURES, device=device))
    reading = nn.Linear(FEATURES, truth.shape[1]).to(device)
    weights = [*network.parameters(), centres, *reading.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=PEAK_LR, weight_decay=WEIGHT_DECAY)
    for batch in range(batches):
        progress = batch / batches
        fresh = torch.randperm(POOL, generator=chance)[: POOL if batch == 0 else FRESH]
        pictures[fresh] = (paint(same_people(people[person[fresh]], chance), SIZE) * 255).round().byte()
        rows = torch.cat([fresh[:FRESH], torch.randint(POOL, (BATCH - FRESH,), generator=chance)])
        with torch.autocast(device, torch.bfloat16):
            features = network(vary(pictures[rows].float() / 255, chance).to(device) * 2 - 1)
        features, who = features.float(), person[rows].to(device)
        margin = MARGIN * max(0.0, progress - 0.3) / 0.7
        read = F.mse_loss(reading(features * FEATURES**0.5), truth[who])
        loss = arc_face_loss(features, centres, who, margin) + READING * read
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(PEAK_LR, progress, 0.05, first=0.01)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 5.0)
        optimizer.step()
        if batch % 25 == 0:
            print(f"batch {batch}  {loss.item():.3f}  reading {read.item():.3f}", flush=True)
    return network.eval()


@torch.no_grad()
def verify(network: IdentityNetwork, count: int = 300, seed: int = 987_654_321) -> dict[str, float]:
    """Cosines between two pictures of people never trained on, and of two different people; share told rightly."""
    network = network.cpu()
    chance = torch.Generator().manual_seed(seed)
    people = sample_portraits(count, chance)
    one, two = (
        torch.cat(
            [network(paint(same_people(people[rows], chance), SIZE) * 2 - 1) for rows in torch.arange(count).split(50)]
        )
        for _ in range(2)
    )
    cosine = one @ two.T
    same, different = cosine.diagonal(), cosine[~torch.eye(count, dtype=torch.bool)]
    thresholds = torch.linspace(-1, 1, 401)
    right = max((((same > t).float().mean() + (different <= t).float().mean()) / 2).item() for t in thresholds)
    return {
        "same": same.mean().item(),
        "different": different.mean().item(),
        "told": right,
        "found": (cosine.argmax(1) == torch.arange(count)).float().mean().item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=700)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--export", type=Path, default=EXPORT)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = train(options.batches, options.seed, options.device)
    print({name: round(value, 4) for name, value in verify(network).items()})
    save_identity(network, options.export)


if __name__ == "__main__":
    main()
