"""Train the pocket ControlNet: `python -m training.structure` (resumes by itself), on a CPU core or a GPU. It keeps the
edges of a picture when the pocket text-to-image model paints it anew.

ControlNet (Zhang et al., arXiv 2302.05543, §3): a copy of the U-Net's encoder that also sees the edges, and whose
outputs enter the frozen U-Net through convolutions that are zero at first. Pictures are those of `training.diffusion`,
noise and loss those of `training.flow`; the edges are those of the clean picture. Half of the pictures are learned
without their caption (§3.4), so that the edges alone come to say what there is. Train it anew after the text-to-image
model.
"""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from engines.diffusion import Control, DiffusionModel, Sampler, plain_guidance
from engines.diffusion._diffusers import ControlNetModel
from engines.diffusion.pocket import tokens
from engines.diffusion.structure import edges
from engines.files import ASSETS
from engines.images import as_sheet
from training.flow import WORDS, Flow
from training.loop import Resumable, descend, make_parser, read_options, train
from training.optimizer import MatrixOptimizer
from training.schedule import average_decay, learning_rate
from training.weights import update_average
from world.captioned import CaptionedWorld
from world.emoji import sprite_atlas
from world.subjects import load_subjects

MODEL = ASSETS / "diffusion" / "pocket"
BATCH = 32
UNTOLD = 0.5
PEAK_LR, WARM_UP, LAST = 5e-4, 100, 0.05
EMA = 0.999
SEEN = (16, 32, 48)
"""Channels of the convolutions that bring the edges to the size of latents, a quarter of the picture's."""
SHOWN = 8


SHARED = (
    "in_channels", "down_block_types", "block_out_channels", "layers_per_block", "cross_attention_dim",
    "norm_num_groups", "attention_head_dim", "resnet_time_scale_shift", "addition_embed_type",
    "addition_embed_type_num_heads",
)  # fmt: skip
"""What the two networks have in common."""


def make_controlnet(model: DiffusionModel) -> ControlNetModel:
    """The encoder of the model's U-Net, which so far adds nothing.

    What has to do with the timestep is new: a ControlNet cannot have another width for that than diffusers gives it.
    """
    network = ControlNetModel(
        **{name: model.unet.config[name] for name in SHARED}, conditioning_embedding_out_channels=SEEN
    )
    theirs = model.unet.state_dict()
    own = network.state_dict().items()
    network.load_state_dict({n: theirs[n] if n in theirs and theirs[n].shape == v.shape else v for n, v in own})
    return network


class StructureTrainer(Resumable):
    """folder: of the text-to-image model."""

    kept = ("network", "average", "optimizer")

    def __init__(self, folder: Path, batches: int, seed: int, device: str):
        super().__init__(batches, seed, device)
        subjects = load_subjects()
        self.world = CaptionedWorld(subjects, sprite_atlas(subjects))
        self.model = DiffusionModel.load(folder, device)
        self.network = make_controlnet(self.model).to(device).requires_grad_(True).train()
        self.average = deepcopy(self.network).eval().requires_grad_(False)
        self.flow = Flow(self.model.scheduler.alphas_cumprod, **WORDS)
        self.optimizer = MatrixOptimizer((self.network, 1.0))

    def step(self) -> dict[str, float]:
        generator, rng = self.chances()
        pictures, captions = self.world(BATCH, generator, rng)
        captions = ["" if rng.random() < UNTOLD else caption for caption in captions]
        latents = self.model.latents(pictures).mode().float()
        timesteps = self.flow.timesteps(BATCH, generator)
        noisy = self.flow.noised(latents, timesteps, generator)
        with torch.autocast(self.device, torch.bfloat16):
            predicted = self._predict(noisy, timesteps.to(self.device), captions, edges(pictures.to(self.device)))
        loss = self.flow.loss(predicted, latents, timesteps)
        rate = learning_rate(PEAK_LR, self.batch, warm_up=WARM_UP, end=self.batches, last=LAST)
        descend(loss, self.optimizer, rate, self.network)
        update_average(self.average, self.network, average_decay(EMA, self.batch))
        self.batch += 1
        return {"loss": loss.item()}

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
        return Image.fromarray(as_sheet(torch.cat(rows), SHOWN))


def main() -> None:
    folder = Path("checkpoints/structure")
    parser = make_parser(__doc__, batches=2000, seed=1, folder=folder, export=folder / "pocket")
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of the text-to-image model")
    options = read_options(parser)
    trainer = StructureTrainer(options.model, options.batches, options.seed, options.device)
    train(trainer, options.folder / "last.pt", export=options.export, sheet=options.folder / "sheet.png")


if __name__ == "__main__":
    main()
