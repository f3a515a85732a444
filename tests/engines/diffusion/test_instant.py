"""A format twin of an IP-Adapter and of its image encoder, through the production loader."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.diffusion import Guidance, Sampler, plain_guidance
from engines.diffusion.instant import WEIGHTS, InstantStyle
from tests.engines.diffusion.twins import SEEN, save_instant_style_twin, style_block_twin

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    return style_block_twin()


@pytest.fixture
def folder(tmp_path, model):
    save_instant_style_twin(tmp_path, model)
    return tmp_path


def painted(model, guidance):
    sampler = Sampler(model, 3)
    *_, last = sampler.steps(sampler.noise(torch.Generator().manual_seed(0)), lambda _: guidance)
    return last.latents


def test_at_scale_0_it_is_the_model_as_it_was(model, folder):
    style = InstantStyle(model, folder, PICTURE)
    assert style.embedding.shape == (1, 1, SEEN)
    uncond, text = model.encode([""]), model.encode(["a cat"])
    plain = plain_guidance(uncond, text, 3.0)
    seen = torch.cat([torch.zeros_like(style.embedding[0]), style.embedding[0]])
    styled = Guidance(plain.terms, seen=seen)
    style.set_scale(0.0)
    torch.testing.assert_close(painted(style.model, styled), painted(model, plain))
    style.set_scale(1.0)
    assert not torch.allclose(painted(style.model, styled), painted(model, plain), atol=1e-3)
    torch.testing.assert_close(painted(model, plain), painted(model, plain))  # the shared one has no adapter


def test_terms_of_weight_0_take_their_picture_with_them(model, folder):
    style = InstantStyle(model, folder, PICTURE)
    style.set_scale(1.0)
    text, other = model.encode(["a cat"]), model.encode(["a dog"])
    seen = style.embedding[0]
    three = Guidance([(other, 0.0), (text, 1.0)], seen=torch.cat([torch.zeros_like(seen), seen]))
    one = Guidance([(text, 1.0)], seen=seen)
    assert torch.equal(painted(style.model, three), painted(style.model, one))


def test_only_the_style_block_looks(model, folder):
    style = InstantStyle(model, folder, PICTURE)
    style.set_scale(0.7)
    scales = {
        name: processor.scale
        for name, processor in style.model.unet.attn_processors.items()
        if hasattr(processor, "scale")
    }
    assert {name.split(".")[0] + name.split(".")[1] for name, scale in scales.items() if scale == [0.7]} == {
        "up_blocks1"
    }
    assert len(scales) > sum(scale == [0.7] for scale in scales.values()) > 0


def test_weights_are_shared_with_the_model(model, folder):
    style = InstantStyle(model, folder, PICTURE)
    assert style.model.unet.conv_in.weight is model.unet.conv_in.weight
    assert model.unet.encoder_hid_proj is None


def test_an_adapter_of_another_model(model, folder, refused, tmp_path):
    weights = load_file(folder / WEIGHTS)
    save_file({name: tensor[..., :-1].contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)
    refused("no adapter that fits large twin; fetch it again", InstantStyle, model, folder, PICTURE)
    refused("no readable image encoder", InstantStyle, model, tmp_path / "nowhere", PICTURE)
