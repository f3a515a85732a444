"""A few steps of a small upsampler; how sharp it makes pictures is measured by the benchmark."""

import pytest
import torch

from engines.unclip import Upsampler
from training import unclip_upsampler
from training.unclip_upsampler import PATCH, UpsamplerTrainer, make_network, shrunk
from training.weights import save_checkpoint


@pytest.fixture(scope="module")
def trainer(composer):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BATCH": 8, "WIDTHS": (16, 16), "SIZE": 64, "SMALL": 32, "CROP": 32, "SHOWN": 8}.items():
            patch.setattr(unclip_upsampler, name, value)
        yield UpsamplerTrainer(100, 1, "cpu")


def test_the_shipped_one_is_small_and_makes_128_px():
    upsampler = Upsampler(make_network(), unclip_upsampler.SCHEDULER)
    assert (upsampler.size, upsampler.patch) == (128, PATCH)
    assert 2 * sum(parameter.numel() for parameter in upsampler.network.parameters()) < 3e6  # bytes as fp16


def test_what_is_seen_again_and_again_is_learned(trainer):
    losses = []
    for _ in range(12):
        trainer.batch = 20
        losses.append(trainer.step()["loss"])
    assert losses[-1] < 0.8 * losses[0]


def test_small_pictures_are_a_little_corrupted(trainer):
    small = shrunk(torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    corrupted = trainer._corrupted(small, torch.Generator().manual_seed(1))
    assert corrupted.shape == small.shape
    assert 0.01 < (corrupted - small).std() < 0.4


def test_crops_fall_on_whole_patches(trainer):
    rows = torch.arange(64.0).view(1, 1, 64, 1).expand(6, 1, 64, 64)
    crops = unclip_upsampler._cropped(rows, torch.Generator().manual_seed(2))
    assert crops.shape == (6, 1, 32, 32)
    tops = crops[:, 0, 0, 0]
    assert (tops % PATCH == 0).all()
    assert len(set(tops.tolist())) > 1


def test_a_resumed_training_goes_on_as_if_it_had_never_stopped(trainer, tmp_path):
    trainer.step()
    save_checkpoint(trainer, tmp_path / "state.pt")
    unbroken = trainer.step()["loss"]
    trainer.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert trainer.step()["loss"] == unbroken


def test_what_is_exported_is_what_was_learned(trainer, tmp_path):
    trainer.export(tmp_path)
    small = torch.rand(1, 3, 32, 32) * 2 - 1
    ends = []
    for upsampler in (trainer.averaged, Upsampler.load(tmp_path)):
        *_, end = upsampler.sample(small, 64, generator=torch.Generator().manual_seed(0))
        ends.append(end.sample)
    torch.testing.assert_close(*ends, rtol=0.05, atol=0.05)
    assert trainer.sheet().size == (8 * 64, 3 * 64)
