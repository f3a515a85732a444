"""Folders of a full model, in the published layout."""

import pytest
import torch

from engines.base import EngineError
from engines.diffusion import DiffusionModel
from tests.engines.diffusion.twins import save_stable_diffusion_twin


@pytest.fixture
def folder(tmp_path):
    save_stable_diffusion_twin(tmp_path)
    return tmp_path


def test_a_folder_of_stable_diffusion(folder, large):
    found = DiffusionModel.load(folder, name="SD")
    assert (found.name, found.factor, found.size) == ("SD", 2, 16)
    assert type(found.vae) is type(large.vae)
    assert torch.equal(found.scheduler.alphas_cumprod, large.scheduler.alphas_cumprod)
    assert torch.equal(found.encode(["a cat"]), large.encode(["a cat"]))
    assert not any(parameter.requires_grad for parameter in found.unet.parameters())


def test_half_precision(folder):
    found = DiffusionModel.load(folder, dtype=torch.bfloat16)
    networks = (found.unet, found.vae, found.text_encoder)
    assert {next(network.parameters()).dtype for network in networks} == {torch.bfloat16}
    pictures = found.pictures(found.latents(torch.rand(1, 3, 16, 16)).mean)
    assert (pictures.dtype, pictures.shape) == (torch.float32, (1, 3, 16, 16))


def test_an_unknown_vae(folder):
    (folder / "vae" / "config.json").write_text('{"_class_name": "VQModel"}')
    with pytest.raises(EngineError, match="no readable vae; fetch it again"):
        DiffusionModel.load(folder)


def test_weights_as_pickles_are_not_read(folder, large):
    (weights,) = (folder / "unet").glob("*.safetensors")
    weights.unlink()
    torch.save(large.unet.state_dict(), folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(EngineError, match="no readable unet; fetch it again"):
        DiffusionModel.load(folder)
