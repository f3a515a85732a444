import pytest
import torch

from engines.base import EngineError
from engines.diffusion._diffusers import UNet2DConditionModel
from engines.diffusion.drafting import Draft, DraftingUNet, unet_class
from tests.engines.diffusion.twins import BLOCKS, UP, WIDTH, pocket_twin, still


@pytest.fixture(scope="module")
def unet(model):
    return model.unet


@pytest.fixture
def states(generator):
    return torch.randn(2, 24, WIDTH, generator=generator)


@pytest.fixture
def sample(generator):
    return torch.randn(2, 48, 4, 4, generator=generator)


@pytest.mark.parametrize("size", [4, 8, 16])
def test_a_draft_has_the_size_of_the_latents(size):
    assert Draft(24, 48, size)(torch.randn(3, 24)).shape == (3, 48, size, size)


def test_a_draft_follows_what_is_told(unet, states):
    one, other = unet.drafted(states)
    assert not torch.allclose(one, other, atol=1e-3)
    torch.testing.assert_close(unet.drafted(states[1:]), other[None], rtol=0, atol=1e-5)


def test_the_network_paints_by_its_own_draft(unet, states, sample):
    alone = unet(sample, 500, states).sample
    torch.testing.assert_close(alone, unet(sample, 500, states, draft=unet.drafted(states)).sample)
    assert not torch.allclose(alone, unet(sample, 500, states, draft=torch.zeros_like(sample)).sample, atol=1e-3)


def test_where_the_draft_says_nothing_it_is_the_network_of_diffusers(unet, states, sample):
    plain = UNet2DConditionModel.from_config(unet.config)
    own = ("draft.", "trust.")
    weights = {name: value for name, value in unet.state_dict().items() if not name.startswith(own)}
    weights["conv_in.weight"] = weights["conv_in.weight"][:, :48]
    plain.load_state_dict(weights)
    found = unet(sample, 500, states, draft=torch.zeros_like(sample)).sample
    torch.testing.assert_close(2 * found, still(plain)(sample, 500, states).sample, rtol=0, atol=1e-5)


def test_how_far_the_draft_is_the_answer_hangs_on_the_timestep(states, sample):
    torch.manual_seed(3)
    unet = still(pocket_twin().unet)
    torch.nn.init.normal_(unet.trust.weight, std=3)
    draft, nothing = torch.ones_like(sample), torch.zeros_like(sample)
    unet.conv_in.weight[:, 48:] = 0
    shares = [
        (unet(sample, t, states, draft=draft).sample - unet(sample, t, states, draft=nothing).sample) for t in (9, 900)
    ]
    assert all(share.min() > 0 for share in shares)
    assert all(share.max() < 1 for share in shares)
    assert not torch.allclose(*shares, atol=0.05)


def test_class_labels_are_drafted_where_there_are_any(sample, states):
    torch.manual_seed(3)
    unet = still(
        DraftingUNet(
            sample_size=4, in_channels=48, out_channels=48, class_embed_type="identity", time_embedding_dim=24,
            **BLOCKS, **UP,
        )
    )  # fmt: skip
    labels = torch.randn(2, 24)
    torch.testing.assert_close(unet.drafted(states, labels), unet.draft(labels))
    told = unet(sample, 500, states, labels).sample
    torch.testing.assert_close(told, unet(sample, 500, states, labels, draft=unet.draft(labels)).sample)


def test_a_picture_of_another_size_has_its_draft_enlarged(unet, states):
    wide = torch.randn(2, 48, 4, 8)
    assert unet(wide, 500, states).sample.shape == wide.shape


def test_a_draft_learns_from_what_is_painted(unet, states, sample):
    """So that what a style's token says can change the draft, too."""
    states = states.requires_grad_()
    unet.drafted(states).sum().backward()
    assert states.grad.any()


def test_a_folder_says_which_network_it_holds(unet, tmp_path):
    unet.save_pretrained(tmp_path / "drafting")
    assert unet_class(tmp_path / "drafting") is DraftingUNet
    UNet2DConditionModel(sample_size=4, in_channels=4, out_channels=4, **BLOCKS, **UP).save_pretrained(tmp_path / "sd")
    assert unet_class(tmp_path / "sd") is UNet2DConditionModel
    with pytest.raises(EngineError, match="There is no file"):
        unet_class(tmp_path)


def test_a_saved_network_is_the_same(unet, states, sample, tmp_path):
    unet.save_pretrained(tmp_path)
    loaded = DraftingUNet.from_pretrained(tmp_path, low_cpu_mem_usage=False).eval()
    assert torch.equal(loaded(sample, 500, states).sample, unet(sample, 500, states).sample)
