"""Train the pocket face generator: `python -m training.portrait_generator` (resumes by itself), one CPU core or a GPU.

A StyleGAN2 in ADA format learns to paint portraits whose truth is known (distillation), in two parts:
- the synthesis network learns w → portrait, where w is a fixed rotation of the portrait's standardised attributes and
  measures (`Portraits.vector`). The loss is the L1 distance of Laplacian pyramids, fine levels counting more: a lens,
  a lash and a wrinkle are few pixels. Edits in style space move the styles of convolutions alone, so those of toRGB do
  not depend on w here: all colours come from convolutions. In a second phase each style channel is pressed to listen
  to few attributes: that is what a style space is good for;
- the mapping network learns z → w for the portrait that z stands for (`portraits_of`), by squared error.
"""

from __future__ import annotations

import argparse
import math
import time
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engines.files import ASSETS
from engines.images import as_sheet
from engines.stylegan2.checkpoint import save_generator
from engines.stylegan2.generator import Generator, GeneratorConfig, block_channels, normalize_second_moment
from engines.stylegan2.style_space import is_torgb
from training.loop import Resumable, descend
from training.schedule import learning_rate
from training.weights import save_checkpoint, update_average
from world.painter import paint
from world.portraits import VECTOR, Portraits, portraits_of, sample_portraits

EXPORT = ASSETS / "faces" / "portraits.safetensors"
SIZE, Z_DIM, W_DIM = 128, 64, 128
CONFIG = GeneratorConfig(
    channels=block_channels(SIZE, 2048, 256), z_dim=Z_DIM, mapping_features=(256,) * 3 + (W_DIM,), conv_clamp=None
)
BATCH, FRESH, POOL = 16, 4, 4096
"""Portraits in a batch, how many of them are painted anew, and how many older ones the others come from."""
LEVELS = (6.0, 2.0, 1.0, 1.0, 1.0)
"""Weights of the pyramid's levels, from full size down."""
PHASES = ((7000, 0.04, 0.0), (4500, 0.03, 0.5))
"""Of the synthesis network: batches, peak learning rate, and weight of how many attributes a style channel hears."""
MAPPING_LR, EMA = 10.0, 0.998
MAPPING_BATCH, MAPPING_BATCHES = 512, 10_000


def rotation() -> Tensor:
    """(VECTOR, W_DIM) with orthonormal rows: where attributes and measures stand in W."""
    square = torch.randn(W_DIM, W_DIM, generator=torch.Generator().manual_seed(0))
    return torch.linalg.qr(square)[0][:VECTOR]


def latent_of(people: Portraits) -> Tensor:
    """The w of each portrait, (B, W_DIM)."""
    return people.vector() @ rotation().to(people.measures["x"].device)


def pyramid_distance(pictures: Tensor, others: Tensor) -> Tensor:
    """Weighted L1 distance of the Laplacian pyramids of (B, 3, H, W)."""
    difference, total = pictures - others, 0.0
    for weight in LEVELS[:-1]:
        coarse = F.avg_pool2d(difference, 2)
        total = total + weight * (difference - F.interpolate(coarse, scale_factor=2, mode="bilinear")).abs().mean()
        difference = coarse
    return total + LEVELS[-1] * difference.abs().mean()


class Gallery:
    """Painted portraits with their latents; a few are replaced in every batch."""

    def __init__(self, device: str):
        self.device, self.filled, self.place = device, 0, 0
        self.latents = torch.zeros(POOL, W_DIM, device=device)
        self.pictures = torch.zeros(POOL, 3, SIZE, SIZE, dtype=torch.uint8, device=device)

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents (BATCH, W_DIM) and pictures (BATCH, 3, SIZE, SIZE) in [-1, 1]."""
        for _ in range(BATCH // FRESH if self.filled < BATCH else 1):
            self._paint(FRESH, generator)
        fresh = (self.place - 1 - torch.arange(FRESH)) % POOL
        older = torch.randint(self.filled, (BATCH - FRESH,), generator=generator)
        rows = torch.cat([fresh, older]).to(self.device)
        return self.latents[rows], self.pictures[rows].float() / 127.5 - 1

    def _paint(self, count: int, generator: torch.Generator) -> None:
        people = sample_portraits(count, generator).to(self.device)
        rows = (self.place + torch.arange(count)) % POOL
        self.latents[rows] = latent_of(people)
        self.pictures[rows] = (paint(people, SIZE) * 255).round().byte()
        self.place = (self.place + count) % POOL
        self.filled = min(self.filled + count, POOL)


class SynthesisTrainer(Resumable):
    kept = ("model", "average", "optimizer")

    def __init__(self, seed: int, device: str, phases: tuple[tuple[int, float, float], ...] = PHASES):
        super().__init__(sum(batches for batches, _, _ in phases), seed, device)
        self.phases = phases
        self.rotation = rotation().to(device)
        self.model = Generator(CONFIG).to(device)
        self.affines = {name: self.model.synthesis.get_submodule(name).affine for name in self.model.synthesis.rows}
        for name, affine in self.affines.items():
            if is_torgb(name):
                affine.weight.requires_grad_(False).zero_()
        self.average = deepcopy(self.model).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.model.synthesis.parameters(), lr=1.0, betas=(0.9, 0.99), fused=True)
        self.gallery = Gallery(device)

    def step(self) -> float:
        generator, _ = self.chances()
        latents, pictures = self.gallery.batch(generator)
        with torch.autocast(self.device, torch.bfloat16):
            painted = self.model.synthesis(self._wide(latents), noise="none")
        distance = pyramid_distance(painted.float(), pictures)
        peak, progress, sparsity = self._phase()
        loss = distance + sparsity * self._breadth() if sparsity else distance
        descend(loss, self.optimizer, learning_rate(peak, progress, warm_up=0.01, first=0.05, last=0.01))
        update_average(self.average, self.model, min(EMA, (1 + self.batch) / (10 + self.batch)))
        self.batch += 1
        return distance.item()

    def _phase(self) -> tuple[float, float, float]:
        """Peak learning rate, how much of the phase is over, and the weight of `_breadth`."""
        batch = self.batch
        for batches, peak, sparsity in self.phases:
            if batch < batches:
                return peak, batch / batches, sparsity
            batch -= batches
        raise StopIteration

    def _breadth(self) -> Tensor:
        """Mean over style channels of L1 / L2 of how they depend on the standardised attributes and measures, as a
        share of its largest value: 1 where a channel hears all of them equally."""
        weights = torch.cat([affine.weight for name, affine in self.affines.items() if not is_torgb(name)])
        heard = weights @ self.rotation.T
        return (heard.abs().sum(1) / (heard.norm(dim=1) + 1e-8)).mean() / VECTOR**0.5

    def _wide(self, latents: Tensor) -> Tensor:
        return latents[:, None].expand(-1, self.model.num_ws, -1)

    @torch.no_grad()
    def examine(self, path: Path) -> float:
        """PSNR in dB over 64 portraits never trained on; a sheet of some of them, painted below generated."""
        people = sample_portraits(64, torch.Generator().manual_seed(987_654_321)).to(self.device)
        truth = paint(people, SIZE)
        painted = (self.average.synthesis(self._wide(latent_of(people)), noise="none") / 2 + 0.5).clamp(0, 1)
        rows = torch.cat([painted[:10], truth[:10], painted[10:20], truth[10:20]])
        Image.fromarray(as_sheet(rows, 10)).save(path)
        return -10 * (painted - truth).square().mean().log10().item()


def train_mapping(generator: Generator, batches: int, device: str) -> float:
    """Teach `generator.mapping` in place → mean squared error per number of w, whose variance is 0.65, on other z."""
    mapping = generator.mapping.requires_grad_(True)
    optimizer = torch.optim.Adam(mapping.parameters(), lr=MAPPING_LR, betas=(0.9, 0.99), fused=True)
    chance = torch.Generator().manual_seed(3)
    for batch in range(batches):
        z = torch.randn(MAPPING_BATCH, Z_DIM, generator=chance)
        wanted = latent_of(portraits_of(normalize_second_moment(z))).to(device)
        loss = F.mse_loss(mapping(z.to(device))[:, 0], wanted)
        for group in optimizer.param_groups:
            group["lr"] = MAPPING_LR * (0.001 + (1 + math.cos(math.pi * batch / batches)) / 2)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if batch % 500 == 0:
            print(f"mapping {batch}  {loss.item():.4f}", flush=True)
    mapping.requires_grad_(False)
    with torch.no_grad():
        z = torch.randn(50_000, Z_DIM, generator=chance)
        wanted = latent_of(portraits_of(normalize_second_moment(z))).to(device)
        found = mapping(z.to(device))[:, 0]
        mapping.w_avg.copy_(found.mean(0))
        return F.mse_loss(found, wanted).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mapping-batches", type=int, default=MAPPING_BATCHES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path, default=Path("checkpoints/faces"))
    parser.add_argument("--export", type=Path, default=EXPORT)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    trainer = SynthesisTrainer(options.seed, options.device)
    last = options.folder / "synthesis.pt"
    if last.exists():
        trainer.load_state_dict(torch.load(last, weights_only=True, map_location=options.device))
    saved, recent = time.monotonic(), 0.0
    while trainer.batch < trainer.batches:
        started = time.monotonic()
        recent += (trainer.step() - recent) * 0.02
        if trainer.batch % 50 == 0:
            print(f"batch {trainer.batch}  {time.monotonic() - started:.2f} s  {recent:.4f}", flush=True)
        if time.monotonic() - saved > 240 or trainer.batch == trainer.batches:
            saved = time.monotonic()
            save_checkpoint(trainer, last)
            print(f"PSNR {trainer.examine(options.folder / 'sheet.png'):.2f} dB", flush=True)
    error = train_mapping(trainer.average, options.mapping_batches, options.device)
    print(f"mapping: mean squared error {error:.4f}", flush=True)
    save_generator(trainer.average.cpu(), options.export, half=True)


if __name__ == "__main__":
    main()
