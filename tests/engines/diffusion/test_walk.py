"""Steps one by one are those of `Diffusion`, and may be stopped anywhere."""

import pytest
import torch

from engines.diffusion.process import Diffusion, leading_timesteps, spaced_timesteps
from engines.diffusion.walk import Inversion, Walk

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


def test_a_restored_walk_goes_on(noise):
    walk = Walk(DIFFUSION, noise, spaced_timesteps(5), seed=4, is_shared=True)
    walk.step(predict, 0.5)
    other = Walk.restored(DIFFUSION, walk.state_dict(), CPU)
    for _ in range(4):
        walk.step(predict, 0.5)
        other.step(predict, 0.5)
    assert torch.equal(walk.sample, other.sample)
    assert other.is_done
