import json
import math
from types import SimpleNamespace

import pytest
import torch

from engines.diffusion.process import Diffusion
from engines.images import resized
from engines.unclip.upsampler import FAST_27, KARLO_7, Upsampler, corrupt, gaussian_blur

SCHEDULER = {"_class_name": "UnCLIPScheduler", "variance_type": "fixed_small_log"}


@pytest.fixture
def small(generator):
    return torch.rand(2, 3, 8, 8, generator=generator) * 2 - 1


class Asked(torch.nn.Module):
    """Says what it is asked for, and predicts the noise that leaves the enlarged picture."""

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(in_channels=6)
        self.timesteps, self.alphas = [], Diffusion.of(SCHEDULER).alphas_cumprod

    def forward(self, x, timestep):
        self.timesteps.append(timestep)
        level = self.alphas[timestep].item()
        sample, large = x.chunk(2, 1)
        return type("Output", (), {"sample": (sample - math.sqrt(level) * large) / math.sqrt(1 - level)})


def test_a_network_that_copies_gives_the_enlarged_picture(small, generator):
    upsampler = Upsampler(Asked(), SCHEDULER)
    steps = list(upsampler.sample(small, 16, generator=generator))
    assert [(step.step, step.steps) for step in steps] == [(n, 7) for n in range(1, 8)]
    torch.testing.assert_close(steps[-1].sample, resized(small, 16, low=-1), rtol=0, atol=1e-3)


def test_the_last_step_has_a_network_of_its_own(small, generator):
    first, last = Asked(), Asked()
    list(Upsampler(first, SCHEDULER, last).sample(small, 16, FAST_27, generator=generator))
    assert (first.timesteps, last.timesteps) == (FAST_27[:-1], FAST_27[-1:])


def test_karlos_networks_and_folder(super_resolution, tmp_path, small):
    networks = super_resolution(0), super_resolution(1)
    for name, network in zip(("super_res_first", "super_res_last"), networks, strict=True):
        network.save_pretrained(tmp_path / name)
    (tmp_path / "super_res_scheduler").mkdir()
    (tmp_path / "super_res_scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    results = []
    for upsampler in (Upsampler.load(tmp_path), Upsampler(networks[0], SCHEDULER, networks[1])):
        *_, end = upsampler.sample(small, 16, generator=torch.Generator().manual_seed(0))
        results.append(end.sample)
    assert torch.equal(*results)
    assert results[0].shape == (2, 3, 16, 16)
    assert results[0].abs().max() <= 1
    *_, without = Upsampler(networks[0], SCHEDULER).sample(small, 16, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(without.sample, results[0])


def test_an_incomplete_folder(super_resolution, tmp_path, refused):
    refused("There is no file .*config.json", Upsampler.load, tmp_path)
    super_resolution(0).save_pretrained(tmp_path / "super_res_first")
    refused("There is no file .*scheduler_config.json", Upsampler.load, tmp_path)
    (tmp_path / "super_res_last").mkdir()
    refused("There is no file .*config.json", Upsampler.load, tmp_path)


@pytest.mark.parametrize("number", [1, 2])
def test_saved_upsamplers_are_read_back(super_resolution, tmp_path, small, number):
    """With a network for the last step, or without."""
    upsampler = Upsampler(super_resolution(0), SCHEDULER, super_resolution(1) if number == 2 else None)
    upsampler.save(tmp_path)
    assert (tmp_path / "super_res_last").is_dir() == (number == 2)
    ends = []
    for one in (upsampler, Upsampler.load(tmp_path)):
        *_, end = one.sample(small, 16, KARLO_7[-2:], generator=torch.Generator().manual_seed(0))
        ends.append(end.sample)
    assert torch.equal(*ends)
    assert upsampler.size == 16


def test_patches_of_pixels_lie_in_channels(small, generator):
    """A network of 4 × 4 patches that copies gives the enlarged picture, too."""

    class Copying(Asked):
        def forward(self, x, timestep):
            return type("Output", (), {"sample": x[:, 48:]})

    network = Copying()
    network.config = SimpleNamespace(in_channels=96, sample_size=4)
    upsampler = Upsampler(network, {**SCHEDULER, "prediction_type": "sample"})
    assert (upsampler.patch, upsampler.size) == (4, 16)
    *_, end = upsampler.sample(small, 16, generator=generator)
    torch.testing.assert_close(end.sample, resized(small, 16, low=-1))


def test_convolutions_alone_take_any_size(super_resolution, small, generator):
    *_, end = Upsampler(super_resolution(0), SCHEDULER).sample(small, 32, KARLO_7[-3:], generator=generator)
    assert end.sample.shape == (2, 3, 32, 32)


# ---------------------------------------------------------------------------------------------- corruption


def test_blur_is_a_gaussian_of_three_taps():
    side = math.exp(-0.5 / 0.6**2)
    kernel = torch.tensor([side, 1.0, side]) / (1 + 2 * side)
    point = torch.zeros(1, 3, 7, 7)
    point[:, 1, 3, 3] = 1
    found = gaussian_blur(point)
    torch.testing.assert_close(found[0, 1, 2:5, 2:5], kernel[:, None] * kernel)
    assert found[0, 0].count_nonzero() == 0
    assert found[0, 1].count_nonzero() == 9


def test_blur_keeps_plain_pictures_and_their_borders():
    plain = torch.full((2, 3, 8, 8), 0.3)
    torch.testing.assert_close(gaussian_blur(plain), plain)


def test_corrupted_pictures_are_blurred_and_noised_each_by_its_timestep(small, generator):
    diffusion = Diffusion.of(SCHEDULER)
    state = generator.get_state()
    found = corrupt(small, diffusion, torch.tensor([0, 600]), generator)
    noise = torch.randn(small.shape, generator=generator.set_state(state))
    for row, timestep in enumerate((0, 600)):
        level = diffusion.alphas_cumprod[timestep].item()
        expected = math.sqrt(level) * gaussian_blur(small)[row] + math.sqrt(1 - level) * noise[row]
        torch.testing.assert_close(found[row], expected)
    assert not torch.allclose(found[0], corrupt(small, diffusion, torch.tensor([0, 600]), generator, sigma=2.0)[0])
