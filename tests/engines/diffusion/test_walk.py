"""Steps one by one are those of `Diffusion`, and may be stopped anywhere."""

import pytest
import torch

from engines.diffusion.process import Diffusion, leading_timesteps, spaced_timesteps
from engines.diffusion.walk import FIRST_NOISE, Inversion, Walk, inversion_timesteps

DIFFUSION = Diffusion.of({"prediction_type": "sample"})
CPU = torch.device("cpu")


def predict(sample, timestep):
    return (0.3 * sample + timestep / 4000).tanh()


@pytest.fixture
def noise(generator):
    return torch.randn(2, 3, 4, 4, generator=generator)


@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_a_walk_is_ddim(noise, eta):
    walk, timesteps = Walk(DIFFUSION, noise, spaced_timesteps(5), seed=4), spaced_timesteps(5)
    chance = torch.Generator().manual_seed(4)
    for step in DIFFUSION.ddim(predict, noise, timesteps, eta=eta, generator=chance):
        assert walk.left == 6 - step.step
        walk.step(predict, eta)
        assert torch.equal(walk.sample, step.sample)
        assert torch.equal(walk.x0, step.x0)
    assert walk.is_done


def test_with_all_its_noise_it_is_ddpm(noise):
    walk, timesteps = Walk(DIFFUSION, noise, spaced_timesteps(5), seed=4), spaced_timesteps(5)
    for step in DIFFUSION.ddpm(predict, noise, timesteps, generator=torch.Generator().manual_seed(4)):
        walk.step(predict, 1.0)
        torch.testing.assert_close(walk.sample, step.sample, rtol=1e-4, atol=1e-5)


def test_shared_noise_keeps_equal_samples_equal(noise):
    same = noise[:1].repeat(2, 1, 1, 1)
    for is_shared in (True, False):
        walk = Walk(DIFFUSION, same, spaced_timesteps(5), seed=4, is_shared=is_shared)
        walk.step(predict, 1.0)
        assert torch.equal(walk.sample[0], walk.sample[1]) == is_shared


def test_an_inversion_is_that_of_the_diffusion(noise):
    inversion = Inversion(DIFFUSION, noise, leading_timesteps(6))
    for step in DIFFUSION.ddim_inversion(predict, noise, leading_timesteps(6)):
        inversion.step(predict)
        assert torch.equal(inversion.sample, step.sample)
        inversion = Inversion.restored(DIFFUSION, inversion.state_dict(), CPU)
    assert inversion.is_done


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_what_predicts_samples_is_not_asked_where_its_errors_are_more_than_the_noise(prediction):
    diffusion = Diffusion.of({"prediction_type": prediction})
    for count in (2, 25, 60, 500):
        timesteps, all_there_are = inversion_timesteps(diffusion, count), leading_timesteps(count)
        if prediction != "sample":
            assert timesteps == all_there_are
        else:
            assert timesteps[-1] == FIRST_NOISE
            assert timesteps[:-1] == [timestep for timestep in all_there_are if timestep > FIRST_NOISE]


def test_an_inversion_begins_with_the_noise_of_its_first_timestep():
    pictures = torch.full((2, 3, 64, 64), 0.5)
    first, again = (Inversion.begun(DIFFUSION, pictures, [500, 40]).sample for _ in range(2))
    assert torch.equal(first, again)
    level = DIFFUSION.level(40)
    assert first.mean().item() == pytest.approx(0.5 * level**0.5, abs=3e-3)
    assert first.std().item() == pytest.approx((1 - level) ** 0.5, rel=0.02)
    assert torch.equal(Inversion.begun(DIFFUSION, pictures, [500, 0]).sample, pictures)


def test_the_errors_of_a_network_are_not_taken_for_noise():
    """x_T is as a standard normal sample, where from timestep 0 it is many times as large."""
    generator = torch.Generator().manual_seed(2)
    pictures = torch.randn(8, 3, 16, 16, generator=generator) / 2
    errors = 0.05 * torch.randn(pictures.shape, generator=generator)

    def nearly(sample, timestep):
        return pictures + errors

    spread = []
    for timesteps in (inversion_timesteps(DIFFUSION, 25), leading_timesteps(25)):
        inversion = Inversion.begun(DIFFUSION, pictures, timesteps)
        while not inversion.is_done:
            inversion.step(nearly)
        spread.append(inversion.sample.std().item())
    assert 0.8 < spread[0] < 1.5
    assert spread[1] > 5


def test_a_restored_walk_goes_on(noise):
    walk = Walk(DIFFUSION, noise, spaced_timesteps(5), seed=4, is_shared=True)
    walk.step(predict, 0.5)
    other = Walk.restored(DIFFUSION, walk.state_dict(), CPU)
    for _ in range(4):
        walk.step(predict, 0.5)
        other.step(predict, 0.5)
    assert torch.equal(walk.sample, other.sample)
    assert other.is_done
