from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import training.portrait_generator as training
from engines.stylegan2 import Generator, load_generator, save_generator
from world.painter import paint
from world.portraits import sample_portraits


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(training, "BATCH", 4)
    monkeypatch.setattr(training, "FRESH", 2)
    monkeypatch.setattr(training, "POOL", 8)


def test_latents_keep_all_that_is_known_of_a_portrait():
    people = sample_portraits(6, torch.Generator().manual_seed(0))
    latents = training.latent_of(people)
    assert torch.allclose(latents @ training.rotation().T, people.vector(), atol=1e-4)


def test_pyramid_distance_is_zero_only_between_equals():
    pictures = paint(sample_portraits(2, torch.Generator().manual_seed(1)), 64)
    assert training.pyramid_distance(pictures, pictures).item() == 0
    blurred = F.interpolate(F.avg_pool2d(pictures, 4), scale_factor=4)
    assert training.pyramid_distance(blurred, pictures) > training.pyramid_distance((pictures + blurred) / 2, pictures)


def test_gallery_gives_each_portrait_with_its_latent():
    gallery, generator = training.Gallery("cpu"), torch.Generator().manual_seed(2)
    for _ in range(4):
        latents, pictures = gallery.batch(generator)
        assert latents.shape == (4, training.W_DIM)
        assert -1 <= pictures.min() < pictures.max() <= 1
    numbers = [tuple(row.tolist()) for row in latents]
    places = [next(i for i, known in enumerate(gallery.latents) if tuple(known.tolist()) == row) for row in numbers]
    assert torch.equal(pictures, gallery.pictures[places].float() / 127.5 - 1)


def test_trainer_learns_and_goes_on_as_if_never_stopped():
    one = training.SynthesisTrainer(1, "cpu", ((12, 0.04, 0.0), (8, 0.02, 0.3)))
    losses = [one.step() for _ in range(16)]
    assert sum(losses[-4:]) < sum(losses[:4])
    other = training.SynthesisTrainer(5, "cpu")
    other.load_state_dict(one.state_dict())
    assert other.batch == 16
    for name, value in one.average.state_dict().items():
        assert torch.equal(value, other.average.state_dict()[name])


def test_mapping_learns_and_the_whole_is_read_back(tmp_path):
    torch.manual_seed(0)
    generator = Generator(training.CONFIG)
    early = training.train_mapping(generator, 5, "cpu")
    assert training.train_mapping(generator, 60, "cpu") < early
    assert generator.mapping.w_avg.abs().sum() > 0
    save_generator(generator, tmp_path / "faces.safetensors", half=True)
    assert load_generator(tmp_path / "faces.safetensors").img_resolution == training.SIZE
