"""Train the pocket upsampler of unCLIP, 64 → 128 px: `python -m training.unclip_upsampler` (resumes by itself).

Convolutions alone, without text, on crops of a quarter of the picture, beside the small one, which is blurred and
noised a little so that a decoder's mistakes are mended (Ramesh et al., arXiv 2204.06125, §2.1 and appendix C; Ho et
al., arXiv 2106.15282, §4.2). The network works on patches of 4 × 4 px, as the decoder does. The noise and the loss are
those of `training.flow`.
"""

from __future__ import annotations

import random
import time
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engines.diffusion._diffusers import UNet2DModel
from engines.images import as_sheet, resized
from engines.unclip.upsampler import Upsampler, corrupt
from training.flow import Flow
from training.loop import Resumable, descend, make_parser, read_options, train
from training.schedule import average_decay, learning_rate
from training.unclip_decoder import SCHEDULER
from training.weights import update_average
from world.captioned import CaptionedWorld
from world.emoji import sprite_atlas
from world.subjects import load_subjects

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


class UpsamplerTrainer(Resumable):
    kept = ("network", "average", "optimizer")

    def __init__(self, batches: int, seed: int, device: str):
        super().__init__(batches, seed, device)
        subjects = load_subjects()
        self.world = CaptionedWorld(subjects, sprite_atlas(subjects, SIZE), SIZE)
        self.network = make_network().to(device)
        self.average = deepcopy(self.network).requires_grad_(False)
        self.learning, self.averaged = (Upsampler(n, SCHEDULER) for n in (self.network, self.average))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=PEAK_LR, betas=BETAS, weight_decay=0.0)
        self.flow = Flow(self.learning.diffusion.alphas_cumprod)

    def step(self) -> dict[str, float]:
        generator, rng = self.chances()
        started = time.monotonic()
        pictures, _ = self.world(BATCH, generator, rng)
        rendered = time.monotonic() - started
        clean = pictures.to(self.device) * 2 - 1
        large = resized(self._corrupted(shrunk(clean), generator), SIZE, low=-1)
        clean, large = _cropped(torch.cat([clean, large], 1), generator).chunk(2, 1)
        timesteps = self.flow.timesteps(BATCH, generator)
        noisy = self.flow.noised(clean, timesteps, generator)
        with torch.autocast(self.device, torch.bfloat16):
            predicted = self.learning.predict(noisy, timesteps.to(self.device), large)
        loss = self.flow.loss(predicted, clean, timesteps)
        rate = learning_rate(PEAK_LR, self.batch / self.batches, warm_up=WARM_UP, first=0.01, last=LAST)
        descend(loss, self.optimizer, rate, self.network)
        update_average(self.average, self.network, average_decay(EMA, self.batch))
        self.batch += 1
        return {"loss": loss.item(), "rendered": rendered}

    def _corrupted(self, small: Tensor, generator: torch.Generator) -> Tensor:
        sigma = BLUR[0] + (BLUR[1] - BLUR[0]) * torch.rand((), generator=generator).item()
        timesteps = torch.randint(NOISE, (len(small),), generator=generator)
        return corrupt(small, self.learning.diffusion, timesteps, generator, sigma=sigma)

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
        rows = torch.cat([pictures, resized(small, SIZE, low=-1), last.sample])
        return Image.fromarray(as_sheet(rows / 2 + 0.5, SHOWN))


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
    folder = Path("checkpoints/unclip")
    options = read_options(make_parser(__doc__, batches=1200, seed=6, folder=folder, export=folder / "pocket"))
    trainer = UpsamplerTrainer(options.batches, options.seed, options.device)
    sheet = options.folder / "upsampler.png"
    train(trainer, options.folder / "upsampler.pt", every=25, export=options.export, sheet=sheet)


if __name__ == "__main__":
    main()
