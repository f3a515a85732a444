import pytest
import torch

from engines.unclip import Diffusion
from training.diffusion import make_scheduler
from training.flow import PLAIN, WORDS, Flow, nearest

SCHEDULES = {"unclip": lambda: Diffusion.of({}), "diffusion": make_scheduler}


@pytest.fixture(params=SCHEDULES)
def flow(request):
    return Flow(SCHEDULES[request.param]().alphas_cumprod)


def test_nearest_finds_the_place_in_a_rising_table():
    table = torch.tensor([0.0, 0.1, 0.5, 1.0])
    assert nearest(table, torch.tensor([-1.0, 0.04, 0.06, 0.29, 0.31, 2.0])).tolist() == [0, 0, 1, 1, 2, 3]


def test_flow_times_are_those_of_the_formula(flow):
    level = flow.alphas_cumprod
    expected = (1 - level).sqrt() / (level.sqrt() + (1 - level).sqrt())
    torch.testing.assert_close(flow.times, expected.float(), rtol=1e-6, atol=0)
    assert (flow.times.diff() > 0).all()


def test_flow_times_are_those_of_the_text_to_image_model(flow):
    level = make_scheduler().alphas_cumprod
    expected = (1 - level).sqrt() / (level.sqrt() + (1 - level).sqrt())
    torch.testing.assert_close(flow.times, expected, rtol=1e-3, atol=1e-4)


def test_timesteps_are_mostly_in_the_middle_but_reach_both_ends(flow):
    drawn = flow.timesteps(20_000, torch.Generator().manual_seed(0))
    assert flow.times[drawn].median() == pytest.approx(0.5, abs=0.02)
    assert (drawn >= 990).float().mean() == pytest.approx(flow.evenly / 100, rel=0.5)
    assert (drawn < 10).float().mean() == pytest.approx(flow.evenly / 100, rel=0.5)
    assert (drawn.min(), drawn.max()) == (0, 999)


@pytest.mark.parametrize("normal", [{}, WORDS, PLAIN, {"location": -1.0, "scale": 0.5, "evenly": 0.4}])
def test_timesteps_are_distributed_as_is_said(flow, normal):
    """Largest distance of their cumulative shares from those of t = sigmoid(N(.)), mixed with even ones."""
    flow = Flow(flow.alphas_cumprod, **normal)
    location, scale = normal.get("location", 0.0), normal.get("scale", 1.0)
    drawn = flow.timesteps(200_000, torch.Generator().manual_seed(0))
    found = drawn.bincount(minlength=1000).cumsum(0) / len(drawn)
    until = (flow.times[1:] + flow.times[:-1]) / 2  # up to here a time is nearest to the timestep before
    by_flow = torch.special.ndtr((torch.logit(until.double()) - location) / scale)
    evenly = torch.arange(1, 1000) / 1000
    expected = (1 - flow.evenly) * by_flow + flow.evenly * evenly
    assert (found[:-1] - expected).abs().max() < 0.005


def test_the_loss_weighs_what_is_missing_by_the_noise(flow):
    clean, timesteps = torch.full((3, 2, 4, 4), 0.5), torch.tensor([0, 500, 999])
    expected = (0.25 / flow.times[timesteps].clamp_min(0.1).square()).mean()
    torch.testing.assert_close(flow.loss(torch.zeros_like(clean), clean, timesteps), expected)


@pytest.mark.parametrize("timestep", [0, 30, 300, 700, 999])
def test_the_weight_of_each_timestep_is_that_of_the_formula(flow, timestep):
    clean = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    level = flow.alphas_cumprod[timestep].double()
    time = (1 - level).sqrt() / (level.sqrt() + (1 - level).sqrt())
    loss = flow.loss(clean + 0.2, clean, torch.tensor([timestep]))
    assert loss.item() == pytest.approx(0.04 / max(time.item(), 0.1) ** 2, rel=1e-5)


def test_noise_is_that_of_the_timestep(flow):
    clean, timesteps = torch.full((3, 2, 64, 64), 0.5), torch.tensor([0, 500, 999])
    noisy = flow.noised(clean, timesteps, torch.Generator().manual_seed(0))
    level = flow.alphas_cumprod[timesteps].float()
    torch.testing.assert_close(noisy.mean((1, 2, 3)), 0.5 * level.sqrt(), rtol=0, atol=0.03)
    torch.testing.assert_close(noisy.std((1, 2, 3)), (1 - level).sqrt(), rtol=0.05, atol=0.01)


def test_noise_is_added_as_by_the_schedules_themselves():
    """To the bit: what was trained before goes on from its checkpoints as it was."""
    clean, timesteps = torch.randn(1000, 1, 2, 2), torch.arange(1000)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    diffusion, scheduler = Diffusion.of({}), make_scheduler()
    for schedule, expected in (
        (diffusion, diffusion.noised(clean, noise, timesteps)),
        (scheduler, scheduler.add_noise(clean, noise, timesteps)),
    ):
        found = Flow(schedule.alphas_cumprod).noised(clean, timesteps, torch.Generator().manual_seed(0))
        assert torch.equal(found, expected)
