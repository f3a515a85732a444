import pytest
import torch

from engines.unclip import Diffusion
from training.diffusion import EVENLY, make_scheduler
from training.unclip_flow import Flow


@pytest.fixture
def flow():
    return Flow(Diffusion.of({}))


def test_flow_times_are_those_of_the_text_to_image_model(flow):
    level = make_scheduler().alphas_cumprod
    expected = (1 - level).sqrt() / (level.sqrt() + (1 - level).sqrt())
    torch.testing.assert_close(flow.times, expected, rtol=1e-3, atol=1e-4)


def test_timesteps_are_mostly_in_the_middle_but_reach_both_ends(flow):
    drawn = flow.timesteps(20_000, torch.Generator().manual_seed(0))
    assert flow.times[drawn].median() == pytest.approx(0.5, abs=0.02)
    assert (drawn >= 990).float().mean() == pytest.approx(EVENLY / 100, rel=0.5)
    assert (drawn.min(), drawn.max()) == (0, 999)


def test_the_loss_weighs_what_is_missing_by_the_noise(flow):
    clean, timesteps = torch.full((3, 2, 4, 4), 0.5), torch.tensor([0, 500, 999])
    expected = (0.25 / flow.times[timesteps].clamp_min(0.1).square()).mean()
    torch.testing.assert_close(flow.loss(torch.zeros_like(clean), clean, timesteps), expected)


def test_noise_is_that_of_the_timestep(flow):
    clean, timesteps = torch.full((3, 2, 64, 64), 0.5), torch.tensor([0, 500, 999])
    noisy = flow.noised(clean, timesteps, torch.Generator().manual_seed(0))
    level = flow.diffusion.alphas_cumprod[timesteps].float()
    torch.testing.assert_close(noisy.mean((1, 2, 3)), 0.5 * level.sqrt(), rtol=0, atol=0.03)
    torch.testing.assert_close(noisy.std((1, 2, 3)), (1 - level).sqrt(), rtol=0.05, atol=0.01)
