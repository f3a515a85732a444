"""Train the pocket text-to-image diffusion model: `python -m training.diffusion` (resumes by itself), on a CPU core or
a GPU. It writes a folder in the layout of Stable Diffusion.

The text encoder begins as the text tower of the pocket CLIP, as Stable Diffusion's is CLIP's, and goes on learning; the
U-Net begins from nothing, or both as an earlier model (`--begin FOLDER`). The network predicts the clean picture, with
the noise and the loss of `training.flow`, so that every scheduler of diffusers can drive what comes out.

The text reaches the U-Net in two ways: at 4 px it is attended to word by word, and as a whole it is added to the
embedding of the timestep (`addition_embed_type="text"`, as in DeepFloyd IF), by which every block scales and shifts its
features. The whole is drafted, too (`engines.diffusion.drafting`): that is what lets a network of this size remember a
thousand things. The draft learns for itself first, and later along with the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from engines.clip._open_clip import open_clip
from engines.diffusion import PixelAutoencoder, PocketDiffusion, sample
from engines.diffusion._diffusers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    DDIMScheduler,
    UNet2DConditionModel,
)
from engines.diffusion.drafting import DraftingUNet
from engines.diffusion.pocket import tokens
from engines.images import as_sheet
from evaluation.weights import load_weights
from training.clip import ASSETS, MODEL
from training.flow import PLAIN, WORDS, Flow
from training.loop import Resumable, descend, make_parser, read_options, train
from training.optimizer import MatrixOptimizer
from training.schedule import average_decay, linear_learning_rate
from training.weights import update_average
from world.captioned import CaptionedWorld
from world.emoji import sprite_atlas
from world.subjects import load_subjects

SIZE, PATCH = 64, 4
"""Side of the pictures, and of the patches of pixels that become channels."""
WIDTHS, HEADS, TIME_WIDTH = (64, 96, 128, 160), (2, 3, 4, 5), 512
"""Of the U-Net at 16, 8, 4 and 2 px, and of the embedding of time and text."""
TOKENS = 24
TIMESTEPS = 1000
BATCH = 64
UNTOLD = 0.1
"""Share of pictures that are learned without their caption, for classifier-free guidance."""
NAMING, DRAFTING, ALONE = 0.05, 0.5, 0.6
"""Shares of the batches, cumulative. First there are but words, and what is added to the timestep learns to tell what
they name, however they do; then but drafts, which cost little; then subjects alone on white, in much noise, so that
each is met often."""
DRAFTED_ALONE = 0.7
"""Share of the drafts, the first ones, that are of subjects alone."""
NAMES = 384
"""Captions in a batch of words."""
PEAK_LR, TEXT_SHARE, WARM_UP, LAST = 1e-3, 0.25, 100, 0.02
"""The rate rises for WARM_UP batches, and all the while falls to LAST of its peak; the text encoder's is TEXT_SHARE of
it."""
GOING_ON = 0.3
"""Peak of the rate where an earlier model is gone on from, of PEAK_LR; drafts are learned at the full rate."""
EMA = 0.999
LEAST_SPREAD = 0.05
"""Added to the variance of every direction in which inputs differ, of the mean variance."""
SHEET = (
    "a red apple", "a cat face", "a house", "a rocket", "a penguin", "a sunflower", "a key", "a guitar",
    "a snowman", "an octopus", "피자", "고양이", "자동차", "a slice of cake", "an elephant", "a crown",
    "a watercolor of a rabbit", "pixel art of a tree", "a pencil sketch of a house", "an oil painting of a fish",
    "a blue bird on a yellow background", "a rose on a black background", "two red balls", "a star above a boat",
    "a woman with long blonde hair", "an angry man with a beard", "안경을 쓴 여자", "a smiling person with a hat",
    "a volcano", "a bicycle", "a mushroom", "a grinning face",
)  # fmt: skip
COLUMNS = 8


class Denoiser(nn.Module):
    """What learns: caption and noisy latent → latent."""

    def __init__(self, text_encoder: CLIPTextModel, unet: UNet2DConditionModel):
        super().__init__()
        self.text_encoder, self.unet = text_encoder, unet

    def forward(self, noisy: Tensor, timesteps: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 48, 16, 16), (B,) in 0 … TIMESTEPS − 1, (B, TOKENS) → latents and drafts, (B, 48, 16, 16) each."""
        texts = self.text_encoder(ids).last_hidden_state
        draft = self.unet.drafted(texts)
        return self.unet(noisy, timesteps, texts, draft=draft).sample, draft


class DiffusionTrainer(Resumable):
    kept = ("denoiser", "names", "average", "optimizer")

    def __init__(self, batches: int, seed: int, device: str, begin: Path | None = None, drafting: float = DRAFTING):
        super().__init__(batches, seed, device)
        subjects = load_subjects()
        self.world = CaptionedWorld(subjects, sprite_atlas(subjects), SIZE)
        self.tokenizer, self.vae, self.scheduler = make_tokenizer(), make_autoencoder(), make_scheduler()
        self.naming, self.drafting = (round(share * batches) for share in (0.0 if begin else NAMING, drafting))
        self.alone = 0 if begin else round(ALONE * batches)
        self.peak = GOING_ON * PEAK_LR if begin else PEAK_LR
        if begin:
            model = PocketDiffusion.load(begin)
            text_encoder, unet = model.text_encoder, model.unet
        else:
            text_encoder = make_text_encoder(self.tokenizer)
            unet = make_unet(text_encoder.config.hidden_size)
            fit_code(unet, text_encoder, self.tokenizer, [name for s in subjects for name in (s.en, s.ko)])
        self.denoiser = Denoiser(text_encoder, unet).to(device).train().requires_grad_()
        self.average = deepcopy(self.denoiser).eval().requires_grad_(False)
        self.names = nn.Linear(TIME_WIDTH, len(subjects)).to(device)
        self.optimizer = MatrixOptimizer(
            (self.denoiser.unet, 1.0), (self.names, 1.0), (self.denoiser.text_encoder, TEXT_SHARE)
        )
        self.flow = Flow(self.scheduler.alphas_cumprod, **WORDS)
        self.first_flow = Flow(self.scheduler.alphas_cumprod, **PLAIN)

    def step(self) -> dict[str, float]:
        if self.batch < self.naming:
            report = self._name()
        elif self.batch < self.drafting:
            report = self._draft()
        else:
            is_first = self.batch < self.alone
            report = self._paint(*((self.world.plain, self.first_flow) if is_first else (self.world, self.flow)))
        self.batch += 1
        return report

    def _name(self) -> dict[str, float]:
        subjects, captions = self.world.names(NAMES, *self.chances())
        ids = tokens(self.tokenizer, captions).to(self.device)
        with torch.autocast(self.device, torch.bfloat16):
            told = self.denoiser.unet.add_embedding(self.denoiser.text_encoder(ids).last_hidden_state)
            loss = F.cross_entropy(self.names(told).float(), subjects.to(self.device))
        self._descend(loss, PEAK_LR, 0, self.naming)
        return {"loss": loss.item()}

    def _draft(self) -> dict[str, float]:
        """Only the draft learns."""
        generator, rng = self.chances()
        if self.batch == self.naming > 0:
            _, captions = self.world.names(NAMES * 4, generator, rng)
            fit_draft(self.denoiser.unet, self._wholes(captions))
        is_first = self.batch < self.naming + DRAFTED_ALONE * (self.drafting - self.naming)
        pictures, captions = (self.world.plain if is_first else self.world)(BATCH, generator, rng)
        with torch.autocast(self.device, torch.bfloat16):
            draft = self.denoiser.unet.draft(self._wholes(captions))
        loss = F.mse_loss(draft.float(), self._latents(pictures).to(self.device))
        self._descend(loss, PEAK_LR, self.naming, self.drafting)
        return {"loss": loss.item()}

    @torch.no_grad()
    def _wholes(self, captions: list[str]) -> Tensor:
        ids = tokens(self.tokenizer, captions).to(self.device)
        return self.denoiser.unet.add_embedding(self.denoiser.text_encoder(ids).last_hidden_state)

    def _latents(self, pictures: Tensor) -> Tensor:
        return self.vae.encode(pictures * 2 - 1).latent_dist.mode()

    def _paint(self, world: Callable, flow: Flow) -> dict[str, float]:
        generator, rng = self.chances()
        pictures, captions = world(BATCH, generator, rng)
        captions = ["" if rng.random() < UNTOLD else caption for caption in captions]
        ids = tokens(self.tokenizer, captions).to(self.device)
        latents = self._latents(pictures)
        timesteps = flow.timesteps(BATCH, generator)
        noisy = flow.noised(latents, timesteps, generator)
        with torch.autocast(self.device, torch.bfloat16):
            predicted, draft = self.denoiser(noisy.to(self.device), timesteps.to(self.device), ids)
        latents = latents.to(self.device)
        loss, drafted = flow.loss(predicted, latents, timesteps), F.mse_loss(draft.float(), latents)
        self._descend(loss + drafted, self.peak, self.drafting, self.batches)
        return {"loss": loss.item(), "draft": drafted.item()}

    def _descend(self, loss: Tensor, peak: float, first: int, end: int) -> None:
        """The rate's whole way goes from batch `first` to `end`."""
        rate = linear_learning_rate(peak, self.batch - first, end - first, warm_up=WARM_UP, last=LAST)
        descend(loss, self.optimizer, rate, self.denoiser)
        update_average(self.average, self.denoiser, average_decay(EMA, self.batch))

    def model(self) -> PocketDiffusion:
        """The averaged model, as it is shipped but in float32."""
        return PocketDiffusion(
            self.tokenizer, self.average.text_encoder, self.average.unet, deepcopy(self.scheduler), self.vae
        )

    def export(self, folder: Path) -> None:
        """The averaged model as fp16."""
        half = deepcopy(self.average).half()
        PocketDiffusion(self.tokenizer, half.text_encoder, half.unet, self.scheduler, self.vae).save(folder)

    def sheet(self) -> Image.Image:
        """One sample of each prompt of SHEET, always from the same noise."""
        pictures = sample(self.model(), list(SHEET), 12, 2.0, torch.Generator().manual_seed(0)).cpu()
        return Image.fromarray(as_sheet(pictures, COLUMNS))


# ------------------------------------------------------------------------------------------------------------ parts


def make_unet(text_width: int) -> DraftingUNet:
    """Where it is large it only convolves: attention there costs more than it gives. The draft has the parameters that
    a block in the middle would have.
    """
    return DraftingUNet(
        sample_size=SIZE // PATCH,
        in_channels=3 * PATCH**2,
        out_channels=3 * PATCH**2,
        block_out_channels=WIDTHS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        mid_block_type=None,
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=text_width,
        attention_head_dim=HEADS,  # diffusers' name for the number of heads
        norm_num_groups=16,
        time_embedding_dim=TIME_WIDTH,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=HEADS[-2],
    )


@torch.no_grad()
def fit_code(
    unet: UNet2DConditionModel, text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer, names: list[str]
) -> None:
    """Let what is added to the timestep begin as the mean of a text's states in which all directions in which names
    differ count alike. Left to chance, it takes longer to tell names apart than to paint what they name.
    """
    embedding, width = unet.add_embedding, text_encoder.config.hidden_size
    nn.init.eye_(embedding.pool.v_proj.weight)
    nn.init.zeros_(embedding.pool.v_proj.bias)
    pooled = embedding.pool(embedding.norm1(text_encoder(tokens(tokenizer, names)).last_hidden_state))
    even(embedding.proj, pooled, (TIME_WIDTH / width) ** 0.5)


@torch.no_grad()
def fit_draft(unet: DraftingUNet, wholes: Tensor) -> None:
    """Let the draft begin with all directions alike in which (N, width) of what it is told differ."""
    even(unet.draft.hidden, wholes)


@torch.no_grad()
def even(layer: nn.Linear, inputs: Tensor, gain: float = 1.0) -> None:
    """Make the layer turn (N, in) inputs into what has a mean of 0, and in all directions a spread of `gain`."""
    variances, directions = torch.linalg.eigh(inputs.T.double().cov())
    evened = directions / (variances.clamp_min(0) + LEAST_SPREAD * variances.mean()).sqrt() @ directions.T
    nn.init.orthogonal_(layer.weight, gain)
    layer.weight.copy_(layer.weight @ evened.to(layer.weight))
    layer.bias.copy_(-layer.weight @ inputs.mean(0))


def make_autoencoder() -> PixelAutoencoder:
    return PixelAutoencoder(latent_channels=3 * PATCH**2, block_out_channels=(3 * PATCH**2,) * 3, sample_size=SIZE)


def make_scheduler() -> DDIMScheduler:
    """Cosine schedule (arXiv 2102.09672); every prediction of pixels is brought within [-1, 1].

    That is done by `thresholding` with a largest value of 1, as pipelines of Stable Diffusion turn `clip_sample` off.
    """
    return DDIMScheduler(
        num_train_timesteps=TIMESTEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        clip_sample=False,
        thresholding=True,
        sample_max_value=1.0,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def make_tokenizer() -> CLIPTokenizer:
    """The pocket CLIP's vocabulary under transformers' names: the same text has the same ids."""
    known = open_clip.SimpleTokenizer(bpe_path=str(ASSETS / "bpe.txt.gz"))
    pieces = [*list(known.encoder)[:-2], "<|startoftext|>", "<|endoftext|>"]
    merges = sorted(known.bpe_ranks, key=known.bpe_ranks.get)
    return CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges, model_max_length=TOKENS
    )


def make_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """The text tower of the pocket CLIP, without its projection."""
    tower = load_weights(ASSETS / f"{MODEL}.safetensors")
    config = json.loads((ASSETS / f"{MODEL}.json").read_text())["text_cfg"]
    encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=config["vocab_size"],
            hidden_size=config["width"],
            intermediate_size=4 * config["width"],
            num_hidden_layers=config["layers"],
            num_attention_heads=config["heads"],
            max_position_embeddings=config["context_length"],
            hidden_act="gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    weights = {
        "embeddings.token_embedding.weight": tower["token_embedding.weight"],
        "embeddings.position_embedding.weight": tower["positional_embedding"],
    }
    for kind in ("weight", "bias"):
        weights[f"final_layer_norm.{kind}"] = tower[f"ln_final.{kind}"]
        for number in range(config["layers"]):
            theirs, ours = f"transformer.resblocks.{number}", f"encoder.layers.{number}"
            for name, other in _LAYER.items():
                weights[f"{ours}.{other}.{kind}"] = tower[f"{theirs}.{name}.{kind}"]
            parts = tower[f"{theirs}.attn.in_proj_{kind}"].chunk(3)
            for name, part in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
                weights[f"{ours}.self_attn.{name}.{kind}"] = part
    encoder.load_state_dict(weights)
    return encoder


_LAYER = {
    "ln_1": "layer_norm1", "attn.out_proj": "self_attn.out_proj", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}  # fmt: skip
"""A layer's parts in open_clip and in transformers."""


def main() -> None:
    folder = Path("checkpoints/diffusion")
    parser = make_parser(__doc__, batches=5600, seed=1, folder=folder, export=folder / "pocket")
    parser.add_argument("--begin", type=Path, help="a folder of a model, to go on from there")
    parser.add_argument("--drafting", type=float, default=DRAFTING, help="share of the batches up to the last draft")
    options = read_options(parser)
    trainer = DiffusionTrainer(options.batches, options.seed, options.device, options.begin, options.drafting)
    trainer.denoiser.unet.compile()
    train(trainer, options.folder / "last.pt", export=options.export, sheet=options.folder / "sheet.png")


if __name__ == "__main__":
    main()
