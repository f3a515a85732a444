"""Train the pocket priors of unCLIP: `python -m training.unclip_prior` (resumes by itself), on a CPU core or a GPU.

Both learn from the same pairs, a caption and the pocket CLIP's embedding of a picture of it, which are made once and
kept, and in the same batches, so that each caption is read once for the two:
- the diffusion prior predicts the clean embedding from a noised one (Ramesh et al., arXiv 2204.06125, eq. 2), timesteps
  drawn evenly;
- the autoregressive prior says the embedding's principal components one by one (§2.2).
One caption in ten is left out, for guidance. They belong to the CLIP they were made with: train them anew after it.
"""

from __future__ import annotations

import json
import random
import time
from copy import deepcopy
from hashlib import sha256
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor

from engines.clip._open_clip import open_clip
from engines.clip.encoder import ClipEncoder
from engines.diffusion._diffusers import PriorTransformer
from engines.files import write_bytes
from engines.unclip.ar_prior import AutoregressivePrior, AutoregressivePriorConfig, load_ar_prior, save_ar_prior
from engines.unclip.model import AR_PRIOR_FILE
from engines.unclip.prior import DiffusionPrior
from engines.unclip.text import TextCondition, condition_of, encode_texts
from evaluation.weights import load_weights
from training.clip import ASSETS, MODEL
from training.loop import Resumable, descend, make_parser, read_options, train
from training.schedule import average_decay, learning_rate
from training.weights import update_average
from world.captioned import CaptionedWorld
from world.emoji import sprite_atlas
from world.subjects import load_subjects

PART, CHUNK = 2500, 250
"""Pairs in a file, and in a chunk of work."""
HEADS, HEAD_WIDTH, LAYERS = 6, 32, 4
"""Of either prior."""
COMPONENTS, BUCKETS, DOTS = 48, 64, 16
"""So many components hold 97 % of the variance, and the middles of so many buckets lose nothing beside that."""
BATCH, UNTOLD = 128, 0.1
PEAK_LR, WEIGHT_DECAY, BETAS, EMA = 1e-3, 0.02, (0.9, 0.96), 0.998
GUIDANCE = (1.0, 2.0, 4.0)
"""Scales that an evaluation tries."""
EXAMINED = 256


# ---------------------------------------------------------------------------------------------- pairs


def load_encoder(weights: Path, device: str) -> ClipEncoder:
    open_clip.add_model_config(ASSETS / f"{MODEL}.json")
    model = open_clip.create_model(MODEL)
    model.load_state_dict(load_weights(weights))
    tokenizer = open_clip.get_tokenizer(MODEL, bpe_path=str(ASSETS / "bpe.txt.gz"))
    return ClipEncoder(MODEL, model.to(device), tokenizer, sha256(weights.read_bytes()).hexdigest())


def load_pairs(encoder: ClipEncoder, count: int, seed: int, folder: Path) -> tuple[Tensor, Tensor]:
    """Captions, (count, L) tokens, and embeddings of their pictures, (count, d) of unit length.

    Parts that are in the folder are read, the others are made and put there.
    """
    folder = folder / f"pairs-{encoder.sha256[:12]}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03d}.safetensors" for number in range(-(-count // PART))]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    if missing:
        subjects = load_subjects()
        world = CaptionedWorld(subjects, sprite_atlas(subjects).to(encoder.device))
    for number in missing:
        started = time.monotonic()
        write_bytes(paths[number], save(_make_part(encoder, world, seed * 100_003 + number)))
        print(f"pairs {number + 1} of {len(paths)}  {time.monotonic() - started:.0f} s", flush=True)
    parts = [load_file(path) for path in paths]
    tokens, embeddings = (torch.cat([part[name] for part in parts])[:count] for name in ("tokens", "embeddings"))
    return tokens.long(), embeddings.float()


@torch.no_grad()
def _make_part(encoder: ClipEncoder, world: CaptionedWorld, seed: int) -> dict[str, Tensor]:
    generator, rng = torch.Generator().manual_seed(seed), random.Random(seed)
    tokens, embeddings = [], []
    for _ in range(PART // CHUNK):
        pictures, captions = world(CHUNK, generator, rng)
        tokens.append(encoder.tokenizer(captions).to(torch.int16))
        embeddings.append(encoder.encode_image(pictures).half().cpu())
    return {"tokens": torch.cat(tokens), "embeddings": torch.cat(embeddings)}


# ---------------------------------------------------------------------------------------------- training


class PriorTrainer(Resumable):
    """pairs: captions and embeddings of `load_pairs`; the last EXAMINED are kept for the examination.

    begin: a folder with priors of the same CLIP, to go on from them.
    """

    kept = ("optimizer",)

    def __init__(
        self, encoder: ClipEncoder, pairs: tuple[Tensor, Tensor], batches: int, seed: int, begin: Path | None = None
    ):
        super().__init__(batches, seed, encoder.device)
        self.encoder = encoder
        self.generator = torch.Generator().manual_seed(seed)
        self.tokens, self.embeddings = (x[:-EXAMINED].to(self.device) for x in pairs)
        self.examined = tuple(x[-EXAMINED:].to(self.device) for x in pairs)
        self.null = encode_texts(encoder, [""])
        if begin:
            self.diffusion, self.autoregressive = DiffusionPrior.load(begin), load_ar_prior(begin / AR_PRIOR_FILE)
            for network in (self.diffusion.network, self.autoregressive):
                network.to(self.device).requires_grad_()
        else:
            self.diffusion, self.autoregressive = self._make_diffusion(), self._make_autoregressive()
        for measured in (self.diffusion.network.clip_mean, self.diffusion.network.clip_std):
            measured.requires_grad_(False)
        self.networks = [self.diffusion.network.train(), self.autoregressive.train()]
        self.averages = [deepcopy(network).eval() for network in self.networks]
        learned = [p for network in self.networks for p in network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(learned, lr=PEAK_LR, betas=BETAS, weight_decay=WEIGHT_DECAY)

    def _make_diffusion(self) -> DiffusionPrior:
        network = PriorTransformer(
            num_attention_heads=HEADS,
            attention_head_dim=HEAD_WIDTH,
            num_layers=LAYERS,
            embedding_dim=self.embeddings.shape[1],
            num_embeddings=self.tokens.shape[1],
        )
        for parameter in (network.positional_embedding, network.prd_embedding):
            torch.nn.init.normal_(parameter, std=0.02)
        network.clip_mean.data.copy_(self.embeddings.mean(0))
        network.clip_std.data.copy_(self.embeddings.std(0))
        return DiffusionPrior(network.to(self.device))

    def _make_autoregressive(self) -> AutoregressivePrior:
        embed_dim, num_tokens = self.embeddings.shape[1], self.tokens.shape[1]
        sizes = {"width": HEADS * HEAD_WIDTH, "num_layers": LAYERS, "num_heads": HEADS}
        config = AutoregressivePriorConfig(embed_dim, num_tokens, COMPONENTS, BUCKETS, DOTS, **sizes)
        prior = AutoregressivePrior(config).to(self.device)
        texts = torch.cat([self._read(tokens).embedding for tokens in self.tokens.split(CHUNK)])
        prior.measure(self.embeddings, texts)
        return prior

    @torch.no_grad()
    def _read(self, tokens: Tensor) -> TextCondition:
        return condition_of(self.encoder.model, tokens)

    def step(self) -> dict[str, float]:
        rows = torch.randint(len(self.tokens), (BATCH,), generator=self.generator).to(self.device)
        z_image, text = self.embeddings[rows], self._read(self.tokens[rows])
        untold = (torch.rand(BATCH, generator=self.generator) < UNTOLD).to(self.device)
        told = text.replaced(untold, self.null)
        clean = self.diffusion.standardize(z_image)
        timesteps = torch.randint(len(self.diffusion.diffusion.alphas_cumprod), (BATCH,), generator=self.generator)
        noise = torch.randn(clean.shape, generator=self.generator).to(self.device)
        noised = self.diffusion.diffusion.noised(clean, noise, timesteps)
        with torch.autocast(self.device.type, torch.bfloat16):
            predicted = self.diffusion.predict(noised, timesteps.to(self.device), told)
            said = self.autoregressive.loss(told, text.embedding, z_image)
        losses = {"diffusion": F.mse_loss(predicted.float(), clean), "autoregressive": said}
        rate = learning_rate(PEAK_LR, self.batch / self.batches, warm_up=0.02, first=0.01, last=0.01)
        # The gradient of each is cut by itself: neither is held back by the other's.
        descend(sum(losses.values()), self.optimizer, rate, *self.networks)
        for average, network in zip(self.averages, self.networks, strict=True):
            update_average(average, network, average_decay(EMA, self.batch))
        self.batch += 1
        return {name: loss.item() for name, loss in losses.items()}

    def priors(self) -> tuple[DiffusionPrior, AutoregressivePrior]:
        """As averaged over the training."""
        return DiffusionPrior(self.averages[0]), self.averages[1]

    def export(self, folder: Path) -> None:
        diffusion, autoregressive = self.priors()
        diffusion.save(folder, half=True)
        save_ar_prior(autoregressive, folder / AR_PRIOR_FILE, half=True)

    def state_dict(self) -> dict:
        return super().state_dict() | {
            "networks": [network.state_dict() for network in self.networks],
            "averages": [average.state_dict() for average in self.averages],
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        for name in ("networks", "averages"):
            for network, values in zip(getattr(self, name), state[name], strict=True):
                network.load_state_dict(values)
        self.generator.set_state(state["generator"].cpu())


# ---------------------------------------------------------------------------------------------- examination


@torch.no_grad()
def examine(trainer: PriorTrainer) -> dict[str, float]:
    """Mean cosines of what the priors draw for captions they never saw, with the embedding of the picture that had the
    caption and with that of the text; "text" and "mean" are what the text itself and the mean picture have.
    """
    tokens, truth = trainer.examined
    text = trainer._read(tokens)
    scores = {
        "text: image": _cosine(text.embedding, truth),
        "mean: image": _cosine(trainer.embeddings.mean(0, keepdim=True), truth),
        "image: text": _cosine(truth, text.embedding),
    }
    diffusion, autoregressive = trainer.priors()
    for name, prior in (("diffusion", diffusion), ("autoregressive", autoregressive)):
        for scale in GUIDANCE:
            chance = torch.Generator().manual_seed(0)
            *_, last = prior.sample(text, trainer.null, guidance_scale=scale, generator=chance)
            scores[f"{name} {scale:g}: image"] = _cosine(last.best(), truth)
            scores[f"{name} {scale:g}: text"] = _cosine(last.best(), text.embedding)
    return {name: round(score, 4) for name, score in scores.items()}


def _cosine(a: Tensor, b: Tensor) -> float:
    return F.cosine_similarity(a, b).mean().item()


def main() -> None:
    folder = Path("checkpoints/unclip")
    parser = make_parser(__doc__, batches=4000, seed=11, folder=folder, export=folder / "pocket")
    parser.add_argument("--pairs", type=int, default=60_000)
    parser.add_argument("--begin", type=Path, help="a folder of priors, to go on from there")
    parser.add_argument("--clip", type=Path, default=ASSETS / f"{MODEL}.safetensors", help="weights of the pocket CLIP")
    options = read_options(parser)
    encoder = load_encoder(options.clip, options.device)
    pairs = load_pairs(encoder, options.pairs, options.seed, options.folder)
    trainer = PriorTrainer(encoder, pairs, options.batches, options.seed, options.begin)
    kept = trainer.autoregressive.pca
    print(f"{COMPONENTS} components hold {(kept.variance.sum() / kept.total_variance).item():.3f}", flush=True)
    train(trainer, options.folder / f"priors-{encoder.sha256[:12]}.pt", every=25, export=options.export)
    print(json.dumps({"batch": trainer.batch, **examine(trainer)}), flush=True)


if __name__ == "__main__":
    main()
