"""The embedded unCLIP does what it was trained for."""

import random

import pytest
import torch
import torch.nn.functional as F

from engines.diffusion.walk import Inversion, inversion_timesteps
from engines.unclip.loading import load_unclip
from world.captioned import CaptionedWorld
from world.emoji import sprite_atlas
from world.subjects import load_subjects

COUNT = 24


@pytest.fixture(scope="module")
def model(pocket):
    return load_unclip(pocket)


@pytest.fixture(scope="module")
def world():
    """(pictures, captions) that no training has seen."""
    subjects = load_subjects()
    chance = torch.Generator().manual_seed(424_242), random.Random(424_242)
    return CaptionedWorld(subjects, sprite_atlas(subjects))(COUNT, *chance)


@pytest.mark.parametrize("prior", ["prior", "ar_prior"])
@torch.no_grad()
def test_a_prior_finds_the_embedding_of_the_picture_a_caption_is_of(model, world, prior):
    pictures, captions = world
    truth, words = model.clip.encoder.encode_image(pictures), model.clip.texts(captions)
    *_, last = getattr(model, prior).sample(
        words, model.clip.texts([""]), guidance_scale=1.0, generator=torch.Generator().manual_seed(0)
    )
    found = F.cosine_similarity(last.best(), truth).mean()
    others = F.cosine_similarity(last.best().roll(1, 0), truth).mean()
    assert found > others + 0.2
    assert found > F.cosine_similarity(words.embedding, truth).mean() + 0.1


@torch.no_grad()
def test_a_picture_comes_back_from_its_noise(model, world):
    pictures = world[0][:4]
    decoder, null = model.decoder, model.clip.texts([""])
    timesteps = inversion_timesteps(decoder.diffusion, 50)
    z = model.clip.encoder.encode_image(pictures)
    predict = decoder.conditioned(z, null, null, image_scale=1.0, text_scale=1.0)
    inversion = Inversion.begun(decoder.diffusion, decoder.samples(pictures * 2 - 1), timesteps)
    while not inversion.is_done:
        inversion.step(predict)
    assert 0.8 < inversion.sample.std() < 1.2
    *_, back = decoder.diffusion.ddim(predict, inversion.sample, timesteps, eta=0.0, generator=torch.Generator())
    shown = decoder.pictures(back.sample) / 2 + 0.5
    assert -10 * (shown - pictures).square().mean().log10() > 25
