"""The decoder: from the CLIP embedding of a picture, and perhaps a text, to a picture.

    decoder = Decoder.load("karlo-v1-alpha")                     # with decoder/, text_proj/ and decoder_scheduler/
    predict = decoder.conditioned(z_image, text, null, image_scale=8.0, text_scale=8.0)
    for step in decoder.diffusion.ddpm(predict, noise, spaced_timesteps(25), generator=generator):
        step.x0                                                  # looks like the picture long before it is done

unCLIP (Ramesh et al., arXiv 2204.06125), §2.1. The embedding enters twice: added to that of the timestep, and as extra
tokens before those of the text. The U-Net is diffusers' UNet2DConditionModel whose class label is the embedding
("identity"); tensors of the projections have the names they have in Karlo's folder text_proj.

N pictures, d numbers in an embedding, L tokens in a text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from engines.checkpoints import fill
from engines.diffusion.folders import load_complete_network, read_json
from engines.diffusion.process import Diffusion, Predict, current
from engines.errors import EngineError
from engines.files import write_bytes, write_text
from engines.images import resized
from engines.unclip.text import TextCondition

if TYPE_CHECKING:
    from engines.diffusion._diffusers import UNet2DConditionModel

__all__ = ["Decoder", "LatentDecoder", "Projections", "changing", "guidance_weights", "guided"]

NETWORK, PROJECTIONS, SCHEDULER = "decoder", "text_proj", "decoder_scheduler"
"""Folders, as in published models."""
WEIGHTS = "diffusion_pytorch_model.safetensors"
PROJECTIONS_CLASS = "UnCLIPTextProjModel"
MAX_WIDTH = 1 << 14
"""Of anything in the configuration of projections; Karlo's has 1536."""
KIND = "the projections of an unCLIP decoder"


class Projections(nn.Module):
    """Embeddings and texts as the U-Net takes them.

    embed_dim: d. time_dim: of the embedding of a timestep. context_dim: of a token as the U-Net attends to it.
    """

    def __init__(self, embed_dim: int, time_dim: int, context_dim: int, extra_tokens: int = 4):
        super().__init__()
        self.extra_tokens = extra_tokens
        self.learned_classifier_free_guidance_embeddings = nn.Parameter(torch.zeros(embed_dim))
        """Stands for any picture."""
        self.embedding_proj = nn.Linear(embed_dim, time_dim)
        self.clip_image_embeddings_project_to_time_embeddings = nn.Linear(embed_dim, time_dim)
        self.clip_extra_context_tokens_proj = nn.Linear(embed_dim, extra_tokens * context_dim)
        self.encoder_hidden_states_proj = nn.Linear(embed_dim, context_dim)
        self.text_encoder_hidden_states_norm = nn.LayerNorm(context_dim)

    @property
    def config(self) -> dict[str, Any]:
        """As in the config.json of a published folder."""
        return {
            "_class_name": PROJECTIONS_CLASS,
            "clip_embeddings_dim": self.embedding_proj.in_features,
            "clip_extra_context_tokens": self.extra_tokens,
            "cross_attention_dim": self.encoder_hidden_states_proj.out_features,
            "time_embed_dim": self.embedding_proj.out_features,
        }

    def no_picture(self, count: int) -> Tensor:
        """(count, d): what stands for any picture."""
        return self.learned_classifier_free_guidance_embeddings.expand(count, -1)

    def forward(self, z_image: Tensor, text: TextCondition) -> tuple[Tensor, Tensor, Tensor]:
        """(N, d) and N texts → tokens (N, extra + L, context_dim), their mask, and what is added to the timestep's
        embedding, (N, time_dim).
        """
        added = self.clip_image_embeddings_project_to_time_embeddings(z_image) + self.embedding_proj(text.embedding)
        # The published projection has its outputs in the order of channels and not of tokens.
        extra = self.clip_extra_context_tokens_proj(z_image).unflatten(1, (-1, self.extra_tokens)).transpose(1, 2)
        words = self.text_encoder_hidden_states_norm(self.encoder_hidden_states_proj(text.tokens))
        mask = F.pad(text.mask, (self.extra_tokens, 0), value=True)
        return torch.cat([extra, words], 1), mask, added


def guidance_weights(image_scale: float, text_scale: float) -> tuple[float, float, float]:
    """Weights of the predictions with embedding and text, with the embedding alone, and with neither; their sum is 1.

    neither + image_scale (embedding - neither) + text_scale (both - embedding). With one scale for both this is the
    classifier-free guidance of §2.1 and of Karlo, both - neither times the scale.
    """
    return text_scale, image_scale - text_scale, 1 - image_scale


class Decoder:
    """A U-Net with its projections, in evaluation mode, and the noise it was trained against."""

    def __init__(self, network: UNet2DConditionModel, projections: Projections, scheduler: dict[str, Any]):
        self.network, self.projections, self.scheduler = network.eval(), projections.eval(), scheduler
        self.diffusion = Diffusion.of(scheduler)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a sample: channels, height, width. Karlo's is a picture of 64 px in [-1, 1]."""
        size = self.network.config.sample_size
        return self.network.config.in_channels, size, size

    @property
    def patch(self) -> int:
        """Side of the squares of pixels that lie in the channels of one place: 1 in Karlo's, 4 in the pocket's."""
        return math.isqrt(self.network.config.in_channels // 3)

    @property
    def size(self) -> int:
        """Side of its pictures in px."""
        return self.network.config.sample_size * self.patch

    def samples(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] → samples (N, C, h, w), squashed to the decoder's size as Karlo does."""
        return F.pixel_unshuffle(resized(pictures, self.size, low=-1), self.patch)

    def pictures(self, samples: Tensor) -> Tensor:
        """(N, C, h, w) → (N, 3, H, W), nominally in [-1, 1]."""
        return F.pixel_shuffle(samples, self.patch)

    def noised(self, z_image: Tensor, level: int, noise: Tensor) -> Tensor:
        """Embeddings as `conditioned` takes them: as they are; see `StableDecoder`."""
        return z_image

    def to(self, device: torch.device | str) -> Decoder:
        self.network.to(device), self.projections.to(device)
        return self

    @classmethod
    def load(cls, folder: Path | str) -> Decoder:
        """A published or own folder, float32 on the CPU. Nothing in it is run.

        Raises `EngineError` when something in it is missing, damaged or not for this.
        """
        from engines.diffusion.drafting import unet_class

        folder = Path(folder)
        network = load_complete_network(unet_class(folder / NETWORK), folder / NETWORK)
        projections = _load_projections(folder / PROJECTIONS)
        return cls(network, projections, read_json(folder / SCHEDULER / "scheduler_config.json"))

    def save(self, folder: Path | str, *, half: bool = False) -> None:
        """Write the folder that `load` reads. half: as fp16."""
        folder = Path(folder)
        network, projections = (deepcopy(m).half() if half else m for m in (self.network, self.projections))
        network.save_pretrained(folder / NETWORK, safe_serialization=True)
        for name in (PROJECTIONS, SCHEDULER):
            (folder / name).mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.cpu().contiguous() for name, tensor in projections.state_dict().items()}
        write_bytes(folder / PROJECTIONS / WEIGHTS, save(tensors, {"format": "pt"}))
        write_text(folder / PROJECTIONS / "config.json", json.dumps(projections.config, indent=2) + "\n")
        write_text(folder / SCHEDULER / "scheduler_config.json", json.dumps(self.scheduler, indent=2) + "\n")

    def predict(self, sample: Tensor, timestep: int | Tensor, z_image: Tensor, text: TextCondition) -> Tensor:
        """(N, C, H, W) → the output of the U-Net, (N, C or 2C, H, W), without guidance; differentiable."""
        tokens, mask, added = self.projections(z_image, text)
        return self.network(
            sample, timestep, encoder_hidden_states=tokens, class_labels=added, encoder_attention_mask=mask
        ).sample

    def conditioned(
        self,
        z_image: Tensor | Callable[[], Tensor],
        text: TextCondition,
        null: TextCondition,
        *,
        image_scale: float | Callable[[], float] = 8.0,
        text_scale: float | Callable[[], float] = 8.0,
    ) -> Predict:
        """What `Diffusion` asks at every step for N pictures; 8 is Karlo's default, 1 is no guidance, for inversion.

        text: N of them, or 1 for all; without one, `null` and equal scales. null: the condition of "". Functions are
        asked at every step: the embedding may change on the way, too.
        """

        def predict(sample: Tensor, timestep: int) -> Tensor:
            count = len(sample)
            z = current(z_image).expand(count, -1)
            told, untold = text.expanded(count), null.expanded(count)
            branches = (z, told), (z, untold), (self.projections.no_picture(count), untold)

            def ask(batch: Tensor, pictures: tuple[Tensor, ...], texts: tuple[TextCondition, ...]) -> Tensor:
                return self.predict(batch, timestep, torch.cat(pictures), reduce(TextCondition.followed_by, texts))

            return guided(sample, branches, guidance_weights(current(image_scale), current(text_scale)), ask)

        return predict


def guided(sample: Tensor, branches: Sequence[tuple], weights: Sequence[float], ask: Callable[..., Tensor]) -> Tensor:
    """The weighted sum of what a network says of (N, C, H, W) under several conditions, those of weight 0 not asked.

    branches: of each prediction its conditions, as many as `ask` takes after the batch: it is called once, with all
    samples one after the other and of each condition a tuple. Of outputs of 2C channels the second half is the first
    prediction's: a learned variance is not guided.
    """
    used = [(weight, branch) for weight, branch in zip(weights, branches, strict=True) if weight]
    conditions = zip(*(branch for _, branch in used), strict=True)
    outputs = ask(sample.repeat(len(used), 1, 1, 1), *conditions).chunk(len(used))
    channels = sample.shape[1]
    total = sum(weight * output[:, :channels] for (weight, _), output in zip(used, outputs, strict=True))
    return torch.cat([total, outputs[0][:, channels:]], 1)


def changing(
    unguided: Callable[[Tensor], Predict], z: Tensor, origin: Tensor, scale: float | Callable[[], float]
) -> Predict:
    """From what a decoder makes of the embedding of a picture on through what it makes of a changed one.

    z, origin: (N, d). scale: 1 is `unguided(z)`; whatever it is, what is not changed leads back to the picture. After
    semantic guidance (Brack et al., arXiv 2301.12247, §3).
    """

    def predict(sample: Tensor, timestep: int) -> Tensor:
        def ask(batch: Tensor, embeddings: tuple[Tensor, ...]) -> Tensor:
            return unguided(torch.cat(embeddings))(batch, timestep)

        amount = current(scale)
        return guided(sample, [(z,), (origin,)], (amount, 1 - amount), ask)

    return predict


class LatentDecoder:
    """What decoders share that paint latents of an autoencoder. Networks in evaluation mode."""

    def __init__(self, network: UNet2DConditionModel, autoencoder: nn.Module, scheduler: dict[str, Any]):
        self.network, self.autoencoder = network.eval(), autoencoder.eval()
        self.diffusion = Diffusion.of(scheduler)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a sample: channels, height, width."""
        return self.network.config.in_channels, self.network.config.sample_size, self.network.config.sample_size

    @property
    def size(self) -> int:
        """Side of its pictures in px."""
        return self.network.config.sample_size * 2 ** (len(self.autoencoder.config.block_out_channels) - 1)

    def noised(self, z_image: Tensor, level: int, noise: Tensor) -> Tensor:
        """Embeddings as `conditioned` takes them: as they are; see `StableDecoder`."""
        return z_image


def _load_projections(folder: Path) -> Projections:
    config = read_json(folder / "config.json")
    names = "clip_embeddings_dim", "time_embed_dim", "cross_attention_dim", "clip_extra_context_tokens"
    sizes = [config.get(name, 4 if name == names[-1] else None) for name in names]
    if not all(type(size) is int and 0 < size <= MAX_WIDTH for size in sizes):
        raise EngineError("'{file}' is not the folder of {KIND}; choose another one.", file=folder.name, KIND=KIND)
    with torch.device("meta"):
        projections = Projections(*sizes)
    try:
        fill(projections, {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}, KIND)
    except EngineError as error:
        raise EngineError("'{file}': {reason}", file=folder.name, reason=error) from None
    except FileNotFoundError:
        raise EngineError(
            "There is no file '{folder}'; choose the folder of a complete model.", folder=folder / WEIGHTS
        ) from None
    except Exception as error:  # a file that is not what it seems to be may fail anywhere
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise EngineError(
            "'{file}' is damaged or not {KIND} ({reason}); choose another folder.",
            file=folder.name,
            KIND=KIND,
            reason=reason,
        ) from None
    return projections
