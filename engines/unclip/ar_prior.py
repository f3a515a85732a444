"""The autoregressive prior: the embedding of a picture as a sentence of its principal components.

    prior = load_ar_prior("ar-prior.safetensors")
    for step in prior.sample(text, null, guidance_scale=2.0, num_candidates=4, generator=generator):
        step.embeddings, step.scores                 # (N, 4, d) from the components drawn so far, and their cosines
    z_image = step.best()

unCLIP (Ramesh et al., arXiv 2204.06125), §2.2, written from the paper; no weights of it were published. A causal
transformer reads the states of the text, its CLIP embedding z_t, and how near the picture should be to it, a bucket of
z_i · z_t; and says the components of z_i one by one, those of largest variance first, each as one of so many buckets.

N texts of L tokens, d numbers in an embedding, K components, V buckets, D buckets of dot products.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.checkpoints import OwnFile, fill, open_checkpoint, save_own
from engines.diffusion.process import current
from engines.errors import EngineError
from engines.unclip.embeddings import candidate_scores
from engines.unclip.pca import EmbeddingPCA
from engines.unclip.prior import PriorStep, check
from engines.unclip.text import TextCondition

__all__ = ["AutoregressivePrior", "AutoregressivePriorConfig", "load_ar_prior", "save_ar_prior"]

FORMAT = "atelier-unclip-ar-prior-1"
KIND = "an autoregressive prior"
UPPER_HALF = 0.5
"""The dot product is drawn from this share of its distribution upwards; the best of those the paper tried."""
INIT_STD = 0.02
LARGEST_SIZE = 1 << 14
"""Of anything in a file's configuration; the paper's prior has 2048."""


@dataclass(frozen=True)
class AutoregressivePriorConfig:
    """embed_dim: d. num_tokens: L, padding included. num_components: K. num_buckets: V. num_dots: D, even.

    The paper's has 319 components in 1024 buckets, a width of 1664, 24 layers and 26 heads.
    """

    embed_dim: int
    num_tokens: int
    num_components: int
    num_buckets: int = 256
    num_dots: int = 16
    width: int = 192
    num_layers: int = 4
    num_heads: int = 6


class AutoregressivePrior(nn.Module):
    """Weights are random, and its components empty, until trained or loaded."""

    def __init__(self, config: AutoregressivePriorConfig):
        super().__init__()
        self.config, width = config, config.width
        self.pca = EmbeddingPCA(config.embed_dim, config.num_components, config.num_buckets)
        self.register_buffer("dot_edges", torch.zeros(config.num_dots - 1))
        """Between buckets of z_i · z_t, so that each holds as many of the pictures that were learned from."""
        self.token_proj = nn.Linear(config.embed_dim, width)
        self.text_proj = nn.Linear(config.embed_dim, width)
        self.dot_embedding = nn.Embedding(config.num_dots, width)
        self.code_embedding = nn.Embedding(config.num_buckets, width)
        # The last component is said and never read.
        self.position = nn.Parameter(torch.zeros(config.num_tokens + 2 + config.num_components - 1, width))
        self.blocks = nn.ModuleList(Block(width, config.num_heads) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, config.num_buckets)
        for parameter in (self.position, self.dot_embedding.weight, self.code_embedding.weight):
            nn.init.normal_(parameter, std=INIT_STD)

    def forward(self, text: TextCondition, dots: Tensor, codes: Tensor) -> Tensor:
        """Logits of the components: (N, n + 1, V), each from the ones before it.

        dots: (N,) buckets of z_i · z_t. codes: (N, n) buckets of the first n < K components.
        """
        z_text, dot = self.text_proj(text.embedding), self.dot_embedding(dots)
        x = torch.cat([self.token_proj(text.tokens), z_text[:, None], dot[:, None], self.code_embedding(codes)], 1)
        x = x + self.position[: x.shape[1]]
        seen = F.pad(text.mask, (0, x.shape[1] - text.mask.shape[1]), value=True)
        # A position always sees itself: at padding in front of everything there would be nothing else.
        causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        visible = causal & (seen[:, None, None] | torch.eye(x.shape[1], dtype=torch.bool, device=x.device))
        for block in self.blocks:
            x = block(x, visible)
        return self.head(self.norm(x[:, -codes.shape[1] - 1 :]))

    # ------------------------------------------------------------------------------------------ training

    def measure(self, z_images: Tensor, z_texts: Tensor) -> None:
        """Learn components, buckets and the distribution of dot products from (N, d) pairs, before the training."""
        pca = EmbeddingPCA.fit(z_images, self.config.num_components, self.config.num_buckets)
        self.pca.load_state_dict(pca.state_dict())
        edges = torch.arange(1, self.config.num_dots, dtype=torch.float64) / self.config.num_dots
        self.dot_edges.copy_(_dots(z_images, z_texts).double().cpu().quantile(edges))

    def loss(self, text: TextCondition, z_text: Tensor, z_images: Tensor) -> Tensor:
        """Mean cross entropy in nats of one component of the pictures' embeddings.

        text: what is read, which may be "" for some. z_text: (N, d), of what the pictures show; only their nearness to
        it is read.
        """
        codes = self.pca.quantize(self.pca.project(z_images))
        dots = torch.bucketize(_dots(z_images, z_text), self.dot_edges)
        return F.cross_entropy(self(text, dots, codes[:, :-1]).flatten(0, 1), codes.flatten())

    # ------------------------------------------------------------------------------------------ sampling

    @torch.no_grad()
    def sample(
        self,
        text: TextCondition,
        null: TextCondition,
        *,
        guidance_scale: float | Callable[[], float] = 1.0,
        temperature: float | Callable[[], float] = 1.0,
        num_candidates: int = 2,
        generator: torch.Generator,
    ) -> Iterator[PriorStep]:
        """Draw `num_candidates` embeddings for each of N texts, component by component; as `DiffusionPrior.sample`.

        null: the condition of "", 1 text. temperature: 0 takes the likeliest bucket each time. Functions are asked at
        every step. Raises `EngineError` when texts and prior are not of one CLIP.
        """
        check(text, self.config.embed_dim, self.config.num_tokens)
        count, device = len(text) * num_candidates, text.embedding.device
        told = text.repeated(num_candidates)
        both = told.followed_by(null.expanded(count))
        lowest = round(UPPER_HALF * self.config.num_dots)
        dots = torch.randint(lowest, self.config.num_dots, (count,), generator=generator, device=generator.device)
        dots, codes = dots.to(device), torch.zeros(count, 0, dtype=torch.long, device=device)
        for number in range(self.config.num_components):
            scale, heat = current(guidance_scale), current(temperature)
            if scale == 1:
                logits = self(told, dots, codes)[:, -1]
            else:
                with_text, without = self(both, dots.repeat(2), codes.repeat(2, 1))[:, -1].chunk(2)
                logits = without + scale * (with_text - without)
            codes = torch.cat([codes, _draw(logits, heat, generator)], 1)
            z = self.pca.reconstruct(self.pca.dequantize(codes)).unflatten(0, (len(text), -1))
            yield PriorStep(number + 1, self.config.num_components, z, candidate_scores(z, text.embedding))


class Block(nn.Module):
    """Causal self-attention and a feed-forward layer, normalised before each."""

    def __init__(self, width: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """(N, n, width) → the same shape. visible: (N, 1, n, n) bool, what each position may look at."""
        heads = self.qkv(self.norm_1(x)).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*heads, attn_mask=visible)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.feed(self.norm_2(x))


def _dots(z_images: Tensor, z_texts: Tensor) -> Tensor:
    """(N, d) each → cosines (N,): the dot product whatever the lengths."""
    return candidate_scores(z_images[:, None], z_texts)[:, 0]


def _draw(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """(N, V) → (N, 1), drawn where the generator is."""
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    chances = (logits.float() / temperature).softmax(-1)
    return chances.to(generator.device).multinomial(1, generator=generator).to(logits.device)


# ---------------------------------------------------------------------------------------------- files


def save_ar_prior(prior: AutoregressivePrior, path: Path | str, *, half: bool = False) -> None:
    """Write weights, components and configuration as safetensors, atomically; `load_ar_prior` reads them back.

    half: as fp16.
    """
    save_own(prior, path, FORMAT, {"config": json.dumps(asdict(prior.config))}, half=half)


def load_ar_prior(path: Path | str) -> AutoregressivePrior:
    """What `save_ar_prior` wrote: float32, on the CPU, in evaluation mode, weights without gradients.

    Raises `EngineError` when the file cannot be read, is damaged, or holds anything else.
    """
    with open_checkpoint(path, KIND, FORMAT) as content:
        if not isinstance(content, OwnFile):
            raise EngineError("The file was not saved as an autoregressive prior by Atelier; choose one that was.")
        with torch.device("meta"):
            prior = AutoregressivePrior(_config(content.metadata.get("config", "")))
        fill(prior, content.tensors, KIND)
    return prior


def _config(text: str) -> AutoregressivePriorConfig:
    config = AutoregressivePriorConfig(**json.loads(text))
    sizes = asdict(config).values()
    if not all(type(size) is int and 0 < size <= LARGEST_SIZE for size in sizes) or config.width % config.num_heads:
        raise ValueError("its configuration is impossible")
    return config
