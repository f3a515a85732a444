"""Train the pocket ControlNet: `python -m training.structure` (resumes by itself), on a CPU core or a GPU. It keeps the
edges of a picture when the pocket text-to-image model paints it anew.

ControlNet (Zhang et al., arXiv 2302.05543, §3): a copy of the U-Net's encoder that also sees the edges, and whose
outputs enter the frozen U-Net through convolutions that are zero at first. Pictures, noise and loss are those of
`training.diffusion`; the edges are those of the clean picture. Half of the pictures are learned without their caption
(§3.4), so that the edges alone come to say what there is. Train it anew after the text-to-image model.
"""

from __future__ import annotations

import argparse
import random
import time
from copy import deepcopy
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from engines.diffusion import Control, DiffusionModel, Sampler, plain_guidance
from engines.diffusion._diffusers import ControlNetModel
from engines.diffusion.pocket import tokens
from engines.diffusion.structure import edges
from engines.zoo.catalogue import ASSETS
from training.diffusion import EVENLY, nearest
from training.schedule import learning_rate
from training.weights import save_checkpoint, update_average
from training.worlds.captioned import CaptionedWorld
from training.worlds.emoji import sprite_atlas
from training.worlds.subjects import load_subjects

MODEL = ASSETS / "diffusion" / "pocket"
BATCH = 32
UNTOLD = 0.5
PEAK_LR, WARM_UP, LAST = 5e-4, 100, 0.05
EMA = 0.999
SEEN = (16, 32, 48)
"""Channels of the convolutions that bring the edges to the size of latents, a quarter of the picture's."""
SHOWN = 8


def make_controlnet(model: DiffusionModel) -> ControlNetModel:
    """The encoder of the model's U-Net, which so far adds nothing."""
    return ControlNetModel.from_unet(model.unet, conditioning_embedding_out_channels=SEEN)


class StructureTrainer:
    """folder: of the text-to-image model."""

    def __init__(self, folder: Path, batches: int, seed: int, device: str):
        torch.manual_seed(seed)
        self.batches, self.seed, self.device, self.batch = batches, seed, device, 0
        subjects = load_subjects()
        self.world = CaptionedWorld(subjects, sprite_atlas(subjects))
        self.model = DiffusionModel.load(folder, device)
        self.network = make_controlnet(self.model).to(device).requires_grad_(True).train()
        self.average = deepcopy(self.network).eval().requires_grad_(False)
        alphas = self.model.scheduler.alphas_cumprod
        self.flow_times = (1 - alphas).sqrt() / (alphas.sqrt() + (1 - alphas).sqrt())
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=PEAK_LR, weight_decay=0.0, betas=(0.9, 0.99), fused=True
        )

    def step(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.batch)
        rng = random.Random(self.seed * 7_919 + self.batch)
        pictures, captions = self.world(BATCH, generator, rng)
        captions = ["" if rng.random() < UNTOLD else caption for caption in captions]
        latents = self.model.latents(pictures).mode().float()
        timesteps = self._timesteps(len(latents), generator)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        noisy = self.model.scheduler.add_noise(latents, noise, timesteps)
        with torch.autocast(self.device, torch.bfloat16):
            predicted = self._predict(noisy, timesteps.to(self.device), captions, edges(pictures.to(self.device)))
        error = (predicted.float() - latents).square().mean((1, 2, 3))
        loss = (error / self.flow_times[timesteps].to(self.device).clamp_min(0.1).square()).mean()

        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(PEAK_LR, self.batch, warm_up=WARM_UP, end=self.batches, last=LAST)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        decay = min(EMA, self.batch / (self.batch + 20))
        update_average(self.average.state_dict().values(), self.network.state_dict().values(), decay)
        self.batch += 1
        return {"loss": loss.item()}

    def _timesteps(self, count: int, generator: torch.Generator) -> Tensor:
        """(count,) int64, drawn as in `training.diffusion`."""
        by_flow = nearest(self.flow_times, torch.randn(count, generator=generator).sigmoid())
        evenly = torch.randint(len(self.flow_times), (count,), generator=generator)
        return torch.where(torch.rand(count, generator=generator) < EVENLY, evenly, by_flow)

    def _predict(self, noisy: Tensor, timesteps: Tensor, captions: list[str], seen: Tensor) -> Tensor:
        with torch.no_grad():
            texts = self.model.text_encoder(tokens(self.model.tokenizer, captions).to(self.device)).last_hidden_state
        down, mid = self.network(noisy, timesteps, texts, seen, return_dict=False)
        residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        return self.model.unet(noisy, timesteps, texts, **residuals).sample

    def export(self, folder: Path) -> None:
        """The averaged network as fp16."""
        deepcopy(self.average).half().save_pretrained(folder)

    @torch.no_grad()
    def sheet(self) -> Image.Image:
        """Above pictures and their edges, then what is painted to their captions without the edges and by them."""
        generator = torch.Generator().manual_seed(0)
        pictures, captions = self.world(BATCH, generator, random.Random(0))
        every = slice(None, None, len(pictures) // SHOWN)
        pictures, captions = pictures[every][:SHOWN], captions[every][:SHOWN]
        uncond, texts = self.model.encode([""]), self.model.encode(captions)
        rows = [pictures, edges(pictures)]
        for scale in (0.0, 1.0):
            made = []
            for picture, text in zip(pictures.split(1), texts.split(1), strict=True):
                sampler = Sampler(self.model, 12, control=Control(self.average, edges(picture).to(self.device)))
                guidance = plain_guidance(uncond, text, 3.0, scale)
                *_, last = sampler.steps(sampler.noise(torch.Generator().manual_seed(0)), lambda _, g=guidance: g)
                made.append(self.model.pictures(last.latents).cpu())
            rows.append(torch.cat(made))
        tiled = torch.stack(rows).permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)
        return Image.fromarray((tiled * 255).round().byte().numpy())

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of the text-to-image model")
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path, default=Path("checkpoints/structure"))
    parser.add_argument("--export", type=Path, default=Path("checkpoints/structure/pocket"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    trainer = StructureTrainer(options.model, options.batches, options.seed, options.device)
    options.folder.mkdir(parents=True, exist_ok=True)
    last = options.folder / "last.pt"
    if last.exists():
        trainer.load_state_dict(torch.load(last, weights_only=True, map_location=options.device))
    saved, losses = time.monotonic(), []
    while trainer.batch < options.batches:
        started = time.monotonic()
        losses = [*losses, trainer.step()["loss"]][-50:]
        if trainer.batch % 10 == 0:
            seconds, mean = time.monotonic() - started, sum(losses) / len(losses)
            print(f"batch {trainer.batch}  {seconds:.2f} s  loss {mean:.4f}", flush=True)
        done = trainer.batch == options.batches
        if time.monotonic() - saved > 240 or done:
            saved = time.monotonic()
            save_checkpoint(trainer, last)
            trainer.export(options.export)
            trainer.sheet().save(options.folder / "sheet.png")


if __name__ == "__main__":
    main()
