"""Train the truth meter of portraits: `python -m training.portrait_attributes`, minutes on one CPU core or a GPU.

A small network tells all ATTRIBUTES of a portrait. It measures what edits did to a face; nothing is ever optimised for
it, so its word is that of a stranger. Pictures are painted anew for every batch, blurred, recoloured and made noisy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.files import ASSETS
from training.loop import descend
from training.portrait_pool import PortraitPool
from training.schedule import learning_rate
from training.weights import load_weights, save_weights
from training.worlds.painter import paint
from training.worlds.portraits import ATTRIBUTES, sample_portraits

WEIGHTS = ASSETS / "faces" / "attributes.safetensors"
SIZE, BATCH, POOL, FRESH = 64, 64, 6000, 24
PEAK_LR, WEIGHT_DECAY = 2e-3, 0.05
WIDTHS = (32, 48, 96, 128)


class AttributeMeter(nn.Module):
    """(B, 3, H, W) in [0, 1] of any size → attribute name → logits, (B, choices)."""

    def __init__(self):
        super().__init__()
        channels, layers = 3, []
        for width in WIDTHS:
            layers += [_layer(channels, width), _layer(width, width), nn.MaxPool2d(2)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(channels * 16, 192), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(192, len(choices)) for choices in ATTRIBUTES.values())

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        seen = self.hidden(self.features(F.interpolate(pictures, (SIZE, SIZE), mode="area") * 2 - 1))
        return {name: head(seen) for name, head in zip(ATTRIBUTES, self.heads, strict=True)}

    @torch.no_grad()
    def read(self, pictures: Tensor) -> dict[str, Tensor]:
        """Attribute name → (B,) the places in ATTRIBUTES that it sees."""
        return {name: logits.argmax(1) for name, logits in self(pictures).items()}


def load_meter() -> AttributeMeter:
    meter = AttributeMeter()
    meter.load_state_dict(load_weights(WEIGHTS))
    return meter.eval().requires_grad_(False)


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


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


@torch.no_grad()
def accuracy(meter: AttributeMeter, count: int = 1000, seed: int = 987_654_321) -> dict[str, float]:
    """Share read rightly of portraits never trained on, where it can be seen."""
    people = sample_portraits(count, torch.Generator().manual_seed(seed))
    found = meter.cpu().read(paint(people, 128))
    right = {}
    for name in ATTRIBUTES:
        shown = people.visible(name)
        right[name] = (found[name][shown] == people.choices[name][shown]).float().mean().item()
    return right


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
