"""Train the pocket upsampler of unCLIP, 64 → 128 px: `python -m training.unclip_upsampler` (resumes by itself).

Convolutions alone, without text, on crops of a quarter of the picture, beside the small one, which is blurred and
noised a little so that a decoder's mistakes are mended (Ramesh et al., arXiv 2204.06125, §2.1 and appendix C; Ho et
al., arXiv 2106.15282, §4.2). The network works on patches of 4 × 4 px, as the decoder does. The noise and the loss are
those of `training.unclip_flow`.
"""

from __future__ import annotations

import argparse
import random
import time
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engines.diffusion._diffusers import UNet2DModel
from engines.unclip.pictures import as_sheet
from engines.unclip.upsampler import Upsampler, corrupt, enlarge
from training.schedule import learning_rate
from training.unclip_decoder import SCHEDULER
from training.unclip_flow import Flow
from training.weights import save_checkpoint, update_average
from training.worlds.captioned import CaptionedWorld
from training.worlds.emoji import sprite_atlas
from training.worlds.subjects import load_subjects

SIZE, SMALL, PATCH = 128, 64, 4
"""Side of its pictures, of those it enlarges, and of the patches of pixels that become channels."""
CROP = SIZE // 2
WIDTHS = (48, 80)
"""Of the U-Net at 32 and 16 places."""
BATCH = 32
NOISE, BLUR = 60, (0.2, 0.9)
"""The small picture is noised as at a timestep below the first, ᾱ > 0.98, and blurred by so many px."""
PEAK_LR, BETAS, WARM_UP, LAST, EMA = 1e-3, (0.9, 0.99), 0.04, 0.02, 0.998
SHOWN = 8


class UpsamplerTrainer:
    def __init__(self, batches: int, seed: int, device: str):
        torch.manual_seed(seed)
        self.batches, self.seed, self.device, self.batch = batches, seed, device, 0
        subjects = load_subjects()
        self.world = CaptionedWorld(subjects, sprite_atlas(subjects, SIZE), SIZE)
        self.network = make_network().to(device)
        self.average = deepcopy(self.network).requires_grad_(False)
        self.learning, self.averaged = (Upsampler(n, SCHEDULER) for n in (self.network, self.average))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=PEAK_LR, betas=BETAS, weight_decay=0.0)
        self.flow = Flow(self.averaged.diffusion)

    def step(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.batch)
        started = time.monotonic()
        pictures, _ = self.world(BATCH, generator, random.Random(self.seed * 7_919 + self.batch))
        rendered = time.monotonic() - started
        clean = pictures.to(self.device) * 2 - 1
        large = enlarge(self._corrupted(shrunk(clean), generator), SIZE)
        clean, large = _cropped(torch.cat([clean, large], 1), generator).chunk(2, 1)
        timesteps = self.flow.timesteps(BATCH, generator)
        noisy = self.flow.noised(clean, timesteps, generator)
        with torch.autocast(self.device, torch.bfloat16):
            predicted = self.learning.predict(noisy, timesteps.to(self.device), large)
        loss = self.flow.loss(predicted, clean, timesteps)
        self._descend(loss)
        self.batch += 1
        return {"loss": loss.item(), "rendered": rendered}

    def _corrupted(self, small: Tensor, generator: torch.Generator) -> Tensor:
        sigma = BLUR[0] + (BLUR[1] - BLUR[0]) * torch.rand((), generator=generator).item()
        timesteps = torch.randint(NOISE, (len(small),), generator=generator)
        return corrupt(small, self.flow.diffusion, timesteps, generator, sigma=sigma)

    def _descend(self, loss: Tensor) -> None:
        rate = learning_rate(PEAK_LR, self.batch / self.batches, warm_up=WARM_UP, first=0.01, last=LAST)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        decay = min(EMA, self.batch / (self.batch + 20))
        update_average(self.average.state_dict().values(), self.network.state_dict().values(), decay)

    def export(self, folder: Path) -> None:
        """As fp16."""
        self.averaged.save(folder, half=True)

    @torch.no_grad()
    def sheet(self) -> Image.Image:
        """Three rows: pictures; enlarged from half their size; upsampled from there."""
        pictures, _ = self.world(SHOWN, torch.Generator().manual_seed(0), random.Random(0))
        pictures = pictures.to(self.device) * 2 - 1
        small = shrunk(pictures)
        *_, last = self.averaged.sample(small, SIZE, generator=torch.Generator().manual_seed(0))
        return Image.fromarray(as_sheet(torch.cat([pictures, enlarge(small, SIZE), last.sample]), SHOWN))

    def state_dict(self) -> dict:
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batch": self.batch,
        }

    def load_state_dict(self, state: dict) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batch = state["batch"]


def make_network() -> UNet2DModel:
    return UNet2DModel(
        sample_size=SIZE // PATCH,
        in_channels=6 * PATCH**2,
        out_channels=3 * PATCH**2,
        block_out_channels=WIDTHS,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * len(WIDTHS),
        up_block_types=("UpBlock2D",) * len(WIDTHS),
        norm_num_groups=16,
        add_attention=False,
    )


def shrunk(pictures: Tensor) -> Tensor:
    """(N, 3, SIZE, SIZE) → (N, 3, SMALL, SMALL), as the pictures that the decoder learns."""
    return F.interpolate(pictures, (SMALL, SMALL), mode="area")


def _cropped(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """(N, C, SIZE, SIZE) → (N, C, CROP, CROP), each at a place of its own that whole patches fit."""
    places = torch.randint((SIZE - CROP) // PATCH + 1, (len(pictures), 2), generator=generator) * PATCH
    crops = zip(pictures, places.tolist(), strict=True)
    return torch.stack([picture[:, top : top + CROP, left : left + CROP] for picture, (top, left) in crops])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path, default=Path("checkpoints/unclip"))
    parser.add_argument("--export", type=Path, default=Path("checkpoints/unclip/pocket"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    trainer = UpsamplerTrainer(options.batches, options.seed, options.device)
    last = options.folder / "upsampler.pt"
    if last.exists():
        trainer.load_state_dict(torch.load(last, weights_only=True, map_location=options.device))
    saved = time.monotonic()
    losses: list[float] = []
    while trainer.batch < options.batches:
        started = time.monotonic()
        report = trainer.step()
        losses = [*losses, report["loss"]][-50:]
        if trainer.batch % 25 == 0:
            seconds, mean = time.monotonic() - started, sum(losses) / len(losses)
            print(
                f"batch {trainer.batch}  {seconds:.2f} s, rendered in {report['rendered']:.2f} s  loss {mean:.4f}",
                flush=True,
            )
        if time.monotonic() - saved > 240 or trainer.batch == options.batches:
            saved = time.monotonic()
            save_checkpoint(trainer, last)
            trainer.export(options.export)
            trainer.sheet().save(options.folder / "upsampler.png")


if __name__ == "__main__":
    main()
