"""The encoder of e4e: its function against the formulas, its files, and codes for the decoder in the same file."""

import argparse
import json
import math

import numpy as np
import pytest
import torch

from engines.faces.e4e import Encoder, load_encoder, picture_to_tensor
from engines.stylegan2 import GeneratorConfig, load_generator
from tests.engines.faces.twins import NARROW, Calls, encoder_codes, encoder_shapes, marked_state, random_state
from tests.engines.stylegan2.twins import random_tensors, to_rosinality

NUM_WS, W_DIM = 9, 20
"""Rows of all three kinds."""


@pytest.fixture(scope="module")
def state():
    return random_state(encoder_shapes(NARROW, NUM_WS, W_DIM))


@pytest.fixture
def write(tmp_path, state):
    """`write(…)` writes a file as e4e publishes them."""

    def save(state=state, opts=None, zipped=True, **others):
        """None for an entry leaves it out."""
        opts = {"start_from_latent_avg": True, "device": "cuda:0", "stylegan_size": 64} if opts is None else opts
        content = {
            "state_dict": {f"encoder.{name}": tensor for name, tensor in state.items()},
            "opts": opts,
            "latent_avg": 3 + torch.arange(NUM_WS * W_DIM).view(NUM_WS, W_DIM) / 100,
        }
        content = {name: value for name, value in (content | others).items() if value is not None}
        torch.save(content, tmp_path / "e4e.pt", _use_new_zipfile_serialization=zipped)
        return tmp_path / "e4e.pt"

    return save


@pytest.fixture(scope="module")
def encoder(state, tmp_path_factory) -> Encoder:
    path = tmp_path_factory.mktemp("e4e") / "e4e.pt"
    content = {f"encoder.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": content, "opts": {"start_from_latent_avg": False}}, path)
    return load_encoder(path)


def pictures(count: int = 2, height: int = 256, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, height, 256, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# ---------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize("height", [256, 192])
def test_codes_are_those_of_the_formulas(state, encoder, height):
    found = encoder(pictures(height=height))
    assert found.shape == (2, NUM_WS, W_DIM)
    wanted = encoder_codes(state, pictures(height=height), NUM_WS)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert (found[0] - found[1]).abs().amax(1).min() > 1e-3  # every row depends on the picture
    assert (found[:, 1:] - found[:, :1]).abs().amax(2).min() > 1e-3


def test_evaluation_is_deterministic_and_by_picture(encoder):
    together = encoder(pictures(2))
    assert torch.equal(encoder(pictures(2)), together)
    one_by_one = torch.cat([encoder(picture[None]) for picture in pictures(2)])
    torch.testing.assert_close(one_by_one, together, rtol=1e-4, atol=1e-4)


def test_gradients_flow_to_the_picture(encoder):
    faces = pictures(1).requires_grad_()
    encoder(faces).square().mean().backward()
    assert faces.grad.abs().amax(1).count_nonzero() > 0.99 * 256 * 256
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_pictures_of_other_sizes(encoder, refused):
    for shape in ((1, 3, 255, 255), (1, 3, 256, 192), (1, 1, 256, 256), (3, 256, 256)):
        refused(r"give \(count, 3, 256, 256\)", encoder, torch.zeros(shape))


def test_pictures_become_numbers_between_minus_one_and_one(refused):
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[3, 7] = 0, 255, 51
    tensor = picture_to_tensor(picture)
    assert (tensor.shape, tensor.dtype) == ((1, 3, 256, 256), torch.float32)
    torch.testing.assert_close(tensor[0, :, 3, 7], torch.tensor([-1, 1, -0.6]))
    assert tensor.sum().item() == pytest.approx(-3 * 256 * 256 + 2 + 0.4)
    for wrong in (picture[:255], picture / 255, picture[..., 0]):
        refused("give an aligned one", picture_to_tensor, wrong)


# ---------------------------------------------------------------------------------------------- files


def key_list(references) -> dict[str, tuple[int, ...]]:
    shapes = json.loads(references.path("e4e_encoder_keys.json").read_text())
    return {name: tuple(shape) for name, shape in shapes.items()}


def test_the_twin_has_the_published_names_and_shapes(references):
    assert encoder_shapes((64, 128, 256, 512), 18, 512) == key_list(references)


def test_a_twin_at_full_size(references, tmp_path):
    """Each tensor of the file in its place."""
    marks = marked_state(key_list(references))
    content = {f"encoder.{name}": mark for name, mark in marks.items()} | {"decoder.input.input": torch.zeros(1)}
    opts = {"start_from_latent_avg": True, "encoder_type": "Encoder4Editing", "device": "cuda:0"}
    torch.save({"state_dict": content, "opts": opts, "latent_avg": torch.full((18, 512), 9.0)}, tmp_path / "e4e.pt")
    encoder = load_encoder(tmp_path / "e4e.pt")
    loaded = encoder.state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in loaded.items()} == key_list(references)
    for name, tensor in loaded.items():
        if not name.endswith("num_batches_tracked"):
            assert tensor.min() == tensor.max() == marks[name].flatten()[0], name
    assert torch.equal(encoder.latent_avg, torch.full((18, 512), 9.0))
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("shape", [(W_DIM,), (NUM_WS, W_DIM), (1, NUM_WS, W_DIM)])
def test_codes_start_from_the_mean(encoder, write, zipped, shape):
    mean = torch.linspace(-2, 5, math.prod(shape)).view(shape)
    found = load_encoder(write(latent_avg=mean, zipped=zipped))(pictures(1))
    torch.testing.assert_close(found, encoder(pictures(1)) + mean)


@pytest.mark.parametrize(
    "opts", [{}, {"start_from_latent_avg": False}, argparse.Namespace(start_from_latent_avg=False, exp_dir="a/b")]
)
def test_codes_that_do_not(encoder, write, opts):
    loaded = load_encoder(write(opts=opts))
    assert torch.equal(loaded(pictures(1)), encoder(pictures(1)))
    loaded = load_encoder(write(opts=opts, latent_avg=None))
    assert torch.equal(loaded.latent_avg, torch.zeros(NUM_WS, W_DIM))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_options_in_a_namespace(write, zipped):
    opts = argparse.Namespace(start_from_latent_avg=True, paths=["a"])
    assert load_encoder(write(opts=opts, zipped=zipped)).latent_avg.min() == 3


def test_encoder_and_decoder_of_one_file(tmp_path):
    config = GeneratorConfig(channels=(12, 10, 8), z_dim=16, mapping_features=(W_DIM, W_DIM))
    tensors = random_tensors(config)
    decoder, latent_avg = to_rosinality(tensors)
    state = random_state(encoder_shapes(NARROW, config.num_ws, W_DIM))
    content = {f"encoder.{name}": tensor for name, tensor in state.items()}
    content |= {f"decoder.{name}": tensor for name, tensor in decoder.items()}
    mean = latent_avg.repeat(config.num_ws, 1)
    torch.save(
        {"state_dict": content, "opts": {"start_from_latent_avg": True}, "latent_avg": mean}, tmp_path / "e4e.pt"
    )

    encoder, generator = load_encoder(tmp_path / "e4e.pt"), load_generator(tmp_path / "e4e.pt")
    torch.testing.assert_close(encoder.latent_avg, generator.mapping.w_avg.expand(config.num_ws, W_DIM))
    found = generator.synthesis(encoder(pictures(2)))
    assert found.shape == (2, 3, 16, 16)
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_files_without_an_encoder_of_e4e(write, state, tmp_path, refused):
    refused("There is no file .* choose an e4e checkpoint", load_encoder, tmp_path / "nowhere.pt")
    refused("has no encoder", load_encoder, write(state_dict={"decoder.input.input": torch.zeros(1)}))
    refused("holds no 'state_dict'", load_encoder, write(state_dict=[1, 2]))
    torch.save(state, tmp_path / "plain.pt")
    refused("holds no 'state_dict'", load_encoder, tmp_path / "plain.pt")
    refused("place of its options", load_encoder, write(opts=[1]))
    refused("of another kind, as pSp", load_encoder, write(opts={"encoder_type": "GradualStyleEncoder"}))
    refused("lacks the tensor 'styles.0.linear.weight'", load_encoder, write({"input_layer.0.weight": torch.zeros(1)}))
    refused("lacks the tensor 'latent_avg'", load_encoder, write(latent_avg=None))
    refused("place of the tensor 'latent_avg'", load_encoder, write(latent_avg="none"))
    refused(r"of shape \(18, 20\) where \(9, 20\)", load_encoder, write(latent_avg=torch.zeros(18, W_DIM)))
    refused("not finite", load_encoder, write(latent_avg=torch.full((NUM_WS, W_DIM), torch.inf)))
    huge = torch.zeros(1).expand(1 << 20, 1 << 20)
    refused(r"of shape \(1048576, 1048576\) where \(9, 20\)", load_encoder, write(latent_avg=huge))


def test_wrong_tensors(write, state, refused):
    gap = {name: tensor for name, tensor in state.items() if not name.startswith("styles.4.")}
    refused(r"has 'styles.5.convs.0.weight', which", load_encoder, write(gap))
    short = {name: tensor for name, tensor in state.items() if not name.startswith("styles.8.convs.10.")}
    refused("lacks the tensor 'styles.8.convs.10.weight'", load_encoder, write(short))
    refused(
        "which the encoder of e4e does not have",
        load_encoder,
        write(state | {"styles.2.convs.8.weight": torch.zeros(W_DIM)}),
    )
    refused(r"'latlayer2.weight' is of shape \(64, 48, 1, 1\) where \(64, 32, 1, 1\)", load_encoder,
            write(state | {"latlayer2.weight": torch.zeros(64, 48, 1, 1)}))  # fmt: skip
    refused("'latlayer1.bias' has numbers that are not finite", load_encoder,
            write(state | {"latlayer1.bias": torch.full((64,), torch.nan)}))  # fmt: skip


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("entry", ["opts", "latent_avg", "state_dict", "optimizer"])
def test_nothing_runs(write, refused, tmp_path, zipped, entry):
    path = write(zipped=zipped, **{entry: Calls(f"touch {tmp_path / 'touched'}")})
    refused(r"wants to use '(posix|nt)\.system'", load_encoder, path)
    assert not (tmp_path / "touched").exists()
