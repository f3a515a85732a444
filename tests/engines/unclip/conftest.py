import json

import pytest
import torch

from engines.diffusion._diffusers import PriorTransformer, UNet2DConditionModel, UNet2DModel
from engines.unclip import (
    AutoregressivePrior,
    AutoregressivePriorConfig,
    Decoder,
    DiffusionPrior,
    Projections,
    Upsampler,
)
from engines.unclip import TextCondition as Texts
from engines.unclip.model import UnCLIPModel

EMBED, TOKENS = 12, 6


@pytest.fixture(scope="session")
def array(references):
    """`array(key)`: that reference array as a tensor."""
    return references.tensors("unclip")


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


@pytest.fixture(scope="session")
def texts():
    """`texts(n, seed)`: conditions of n texts of different lengths."""

    def make(count: int, seed: int = 0) -> Texts:
        chance = torch.Generator().manual_seed(seed)
        length = torch.arange(count) % TOKENS + 1
        return Texts(
            torch.randn(count, EMBED, generator=chance),
            torch.randn(count, TOKENS, EMBED, generator=chance),
            torch.arange(TOKENS) < length[:, None],
        )

    return make


@pytest.fixture(scope="session")
def prior():
    """In the layout of Karlo's, small and random."""
    torch.manual_seed(1)
    network = PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, num_layers=2, embedding_dim=EMBED, num_embeddings=TOKENS
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    network.clip_mean.data = torch.randn(1, EMBED)
    network.clip_std.data = torch.rand(1, EMBED) + 0.5
    return DiffusionPrior(network.requires_grad_(False))


@pytest.fixture(scope="session")
def ar_prior():
    torch.manual_seed(2)
    config = AutoregressivePriorConfig(
        EMBED, TOKENS, 5, num_buckets=16, num_dots=8, width=24, num_layers=2, num_heads=3
    )
    prior = AutoregressivePrior(config)
    prior.measure(torch.randn(500, EMBED) * torch.linspace(2, 0.2, EMBED), torch.randn(500, EMBED))
    return prior.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def decoder():
    """`decoder(kind)`: "karlo" has its kinds of blocks and learns its variance, "pocket" is like a Stable Diffusion;
    "patches" is, too, with patches of 4 × 4 px for channels, and predicts the clean sample.
    """
    blocks = {
        "karlo": {
            "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
            "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            "resnet_time_scale_shift": "scale_shift",
            "out_channels": 6,
        },
        "pocket": {
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "out_channels": 3,
        },
    }
    blocks["patches"] = {**blocks["pocket"], "sample_size": 2, "in_channels": 48, "out_channels": 48}

    def make(kind: str) -> Decoder:
        torch.manual_seed(3)
        options = {
            "sample_size": 8, "in_channels": 3, "block_out_channels": (8, 16), "layers_per_block": 1,
            "norm_num_groups": 4, "cross_attention_dim": 20, "attention_head_dim": 8, "class_embed_type": "identity",
        }  # fmt: skip
        network = UNet2DConditionModel(**{**options, **blocks[kind]})
        projections = Projections(EMBED, time_dim=32, context_dim=20)
        torch.nn.init.normal_(projections.learned_classifier_free_guidance_embeddings)
        predicts = "sample" if kind == "patches" else "epsilon"
        scheduler = {"_class_name": "UnCLIPScheduler", "prediction_type": predicts, "variance_type": "learned_range"}
        return Decoder(network.requires_grad_(False), projections.requires_grad_(False), scheduler)

    return make


@pytest.fixture(scope="session")
def super_resolution():
    """A small network in the layout of Karlo's upsamplers; `super_resolution(seed)`."""

    def make(seed: int) -> UNet2DModel:
        torch.manual_seed(seed)
        return UNet2DModel(
            sample_size=16, in_channels=6, out_channels=3, block_out_channels=(8, 16), layers_per_block=1,
            down_block_types=("ResnetDownsampleBlock2D",) * 2, up_block_types=("ResnetUpsampleBlock2D",) * 2,
            resnet_time_scale_shift="scale_shift", norm_num_groups=4, add_attention=False,
        ).requires_grad_(False)  # fmt: skip

    return make


class FakeClip:
    """Embeddings made up from letters and mean colours."""

    def __init__(self, texts):
        self._texts = texts

    def texts(self, texts):
        rows = [self._texts(1, seed=sum(map(ord, text))) for text in texts]
        return Texts(*(torch.cat([getattr(row, name) for row in rows]) for name in ("embedding", "tokens", "mask")))

    def picture(self, picture):
        mean = torch.from_numpy(picture.reshape(-1, 3).mean(0) / 255 - 0.5).float()
        return mean.repeat(EMBED // 3)[None] + 0.3

    def likeness(self, z_images, labels):
        z = torch.cat([self.texts([label]).embedding for label in labels])
        return (z_images @ z.T).softmax(-1)


@pytest.fixture(scope="session")
def model(texts, prior, ar_prior, decoder, super_resolution):
    """All parts of a pocket unCLIP, tiny and random; 8 px, enlarged to 16."""
    upsampler = Upsampler(super_resolution(0), {"_class_name": "UnCLIPScheduler"})
    return UnCLIPModel("tiny", FakeClip(texts), decoder("patches"), prior, ar_prior, upsampler)


@pytest.fixture
def rewrite_json():
    """`rewrite_json(path, key=value)` changes an object in a file."""

    def rewrite(path, **changes) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return rewrite
