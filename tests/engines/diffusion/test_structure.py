import pytest
import torch

from engines.diffusion.structure import Structure, depth_estimator, edges, load_controlnet
from tests.engines.diffusion.twins import controlnet_twin, save_depth_twin


def test_edges_are_where_brightness_changes():
    picture = torch.zeros(1, 3, 8, 10)
    picture[..., 5:] = 1
    found = edges(picture)
    assert found.shape == picture.shape
    assert found[..., 4:6].eq(1).all()
    assert not found[..., :4].any()
    assert not found[..., 6:].any()
    turned = edges(picture.transpose(2, 3)).transpose(2, 3)
    torch.testing.assert_close(turned, found)
    assert not edges(torch.full((1, 3, 4, 4), 0.4)).gt(1e-6).any()


def test_a_controlnet_of_a_folder(model, tmp_path, refused):
    network = controlnet_twin(model)
    network.save_pretrained(tmp_path)
    found = load_controlnet(tmp_path)
    assert all(torch.equal(value, found.state_dict()[name]) for name, value in network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in found.parameters())
    control = Structure(found, edges).control(torch.rand(1, 3, 16, 16))
    assert control.picture.shape == (1, 3, 16, 16)
    refused("no readable ControlNet; fetch it again", load_controlnet, tmp_path / "nowhere")


@pytest.fixture(params=["dpt", "depth anything"])
def folder(request, tmp_path):
    save_depth_twin(tmp_path, request.param)
    return tmp_path


def test_format_twins_of_depth_estimators(folder):
    see = depth_estimator(folder)
    picture = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    found = see(picture)
    assert found.shape == picture.shape
    assert (found.min(), found.max()) == (0, 1)
    assert torch.equal(found[:, 0], found[:, 2])


def test_no_depth_estimator(tmp_path, refused):
    refused("no readable depth estimator; fetch it again", depth_estimator, tmp_path)
