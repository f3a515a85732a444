"""Train the truth meter of portraits (`evaluation/portrait_attributes.py`): `python -m training.portrait_attributes`,
minutes on one CPU core or a GPU.

Pictures are painted anew for every batch, blurred, recoloured and made noisy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluation.portrait_attributes import SIZE, WEIGHTS, AttributeMeter, accuracy
from training.loop import descend
from training.portrait_pool import PortraitPool
from training.schedule import learning_rate
from training.weights import save_weights
from world.portraits import ATTRIBUTES

BATCH, POOL, FRESH = 64, 6000, 24
PEAK_LR, WEIGHT_DECAY = 2e-3, 0.05


def vary(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Blur, contrast, brightness and noise by lot: what a generator may do to a portrait."""

    def uniform(low: float, high: float) -> Tensor:
        return (torch.rand(len(pictures), 1, 1, 1, generator=generator) * (high - low) + low).to(pictures.device)

    blurred = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    pictures = torch.lerp(pictures, blurred, uniform(0, 1) * (uniform(0, 1) < 0.6))
    pictures = (pictures - 0.5) * uniform(0.85, 1.15) + 0.5 + uniform(-0.06, 0.06)
    noise = torch.randn(pictures.shape, generator=generator).to(pictures.device)
    return (pictures + noise * uniform(0, 0.05)).clamp(0, 1)


def train(batches: int, seed: int, device: str) -> AttributeMeter:
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    meter = AttributeMeter().to(device).train()
    optimizer = torch.optim.AdamW(meter.parameters(), lr=PEAK_LR, weight_decay=WEIGHT_DECAY)
    pool = PortraitPool(POOL, SIZE, chance)
    for batch in range(batches):
        people, pictures = pool.draw(BATCH, FRESH, chance)
        with torch.autocast(device, torch.bfloat16):
            logits = meter(vary(pictures.to(device), chance))
        losses = []
        for name in ATTRIBUTES:
            shown = people.visible(name)
            losses.append(F.cross_entropy(logits[name][shown].float(), people.choices[name][shown].to(device)))
        descend(torch.stack(losses).sum(), optimizer, learning_rate(PEAK_LR, batch / batches, 0.05, first=0.01))
        if batch % 50 == 0:
            print(f"batch {batch}  {torch.stack(losses).mean().item():.4f}", flush=True)
    return meter.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--export", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    meter = train(options.batches, options.seed, options.device)
    print({name: round(share, 4) for name, share in accuracy(meter).items()})
    save_weights(meter, options.export)


if __name__ == "__main__":
    main()
