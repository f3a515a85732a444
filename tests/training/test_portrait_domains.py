"""The list of domains, and their training with a small generator and a CLIP that is one random matrix."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from engines.stylegan2 import Generator, GeneratorConfig
from engines.stylegan_nada.delta import load_domain, new_change, private_copy
from engines.stylegan_nada.layers import layer_parameters, phase_layers
from engines.stylegan_nada.settings import DOMAINS, StyleGANNadaSettings
from engines.zoo import Models
from evaluation.domain_judge import MANNERS
from training.portrait_domains import (
    EMBEDDED,
    PORTRAIT_DOMAINS,
    RANK,
    SHOWN,
    STYLE_PICTURES,
    adapting,
    faces,
    of_low_rank,
    settings_for,
    style_pictures,
    train,
)
from world.portraits import ATTRIBUTES
from world.subjects import load_subjects

LARGEST = 500_000
"""Bytes of an embedded domain."""


class StubClip:
    name, image_size, sha256 = "stub", 8, "c" * 64

    def __init__(self):
        self.matrix = torch.randn(3 * 8 * 8, 12, generator=torch.Generator().manual_seed(1))

    def encode_image(self, pictures):
        return F.normalize((pictures - 0.5).flatten(1) @ self.matrix, dim=1)

    def encode_texts(self, texts):
        seeds = [torch.Generator().manual_seed(sum(map(ord, text))) for text in texts]
        return F.normalize(torch.stack([torch.randn(12, generator=seed) for seed in seeds]), dim=1)


@pytest.fixture
def models():
    torch.manual_seed(5)
    generator = Generator(GeneratorConfig(channels=(12, 10, 8), z_dim=16, mapping_features=(20, 14)))
    generator.sha256 = "a" * 64
    generator.eval().requires_grad_(False)
    return SimpleNamespace(
        device=torch.device("cpu"), generator=lambda path="": generator, clip=lambda name="": clip, style_features=None
    )


clip = StubClip()


def test_domains_ask_for_what_a_judge_can_see():
    subjects = {subject.en for subject in load_subjects()}
    for domain in PORTRAIT_DOMAINS:
        assert domain.shows in (MANNERS if domain.kind == "manner" else subjects)
        assert set(domain.touches) < set(ATTRIBUTES)
        assert settings_for(domain).wants_training
    assert len({domain.name for domain in PORTRAIT_DOMAINS}) == len(PORTRAIT_DOMAINS) >= 8


def test_only_the_texts_differ_from_the_defaults():
    domain = PORTRAIT_DOMAINS[0]
    assert settings_for(domain) == StyleGANNadaSettings(source_text=domain.source, prompt=domain.target)


def test_adapting_shows_the_training_after_each_step(models):
    steps = [training.steps_done for training in adapting(models, settings_for(PORTRAIT_DOMAINS[0], num_steps=3))]
    assert steps == [1, 2, 3]


def test_a_domain_is_written_and_read_back(models, tmp_path):
    settings = settings_for(PORTRAIT_DOMAINS[0], num_steps=2)
    made = train(models, settings, tmp_path / "new" / "pencil-sketch.safetensors")
    read = load_domain(tmp_path / "new" / "pencil-sketch.safetensors", models.generator())
    assert (read.metadata["source"], read.metadata["target"], read.metadata["steps"]) == (
        "face", "pencil sketch of a face", "2",
    )  # fmt: skip
    assert any(value.any() for value in read.change.values())
    for name, value in read.change.items():
        assert torch.allclose(value, made.change[name], atol=2e-3)


def test_embedded_domains_are_small():
    generator = Models("pocket", "cpu").generator()
    synthesis = private_copy(generator)
    names = layer_parameters(synthesis, ("b4.torgb", *phase_layers(generator.img_resolution, "default")))
    change = of_low_rank(new_change(synthesis, names, "layers", 1, torch.Generator()), RANK)
    assert 2 * sum(value.numel() for value in change.values()) < LARGEST


def test_the_embedded_ones_are_there_and_fit_the_generator():
    assert set(DOMAINS) == set(EMBEDDED) <= {domain.name for domain in PORTRAIT_DOMAINS}
    generator = Models("pocket", "cpu").generator()
    for path in DOMAINS.values():
        assert path.stat().st_size < LARGEST
        assert load_domain(path, generator).metadata["generator"] == generator.sha256


def test_what_is_kept_is_the_nearest_change_of_the_rank():
    random = torch.Generator().manual_seed(0)
    exact = torch.randn(12, 2, generator=random) @ torch.randn(2, 90, generator=random)
    whole = {"weight": (exact + 0.01 * torch.randn(12, 90, generator=random)).view(12, 10, 3, 3), "bias": exact[0]}
    kept = of_low_rank(whole, 2)
    assert {name: tuple(value.shape) for name, value in kept.items()} == {
        "weight.up": (12, 2), "weight.down": (2, 90), "bias": (90,),
    }  # fmt: skip
    assert (kept["weight.up"] @ kept["weight.down"] - exact).abs().max() < 0.05
    assert of_low_rank({"weight": torch.ones(3, 4)}, 2).keys() == {"weight"}  # factors would be larger


def test_manners_are_shown_by_pictures_and_beings_are_not(tmp_path):
    manner, *_, being = PORTRAIT_DOMAINS
    shown = style_pictures(manner, 32, tmp_path)
    pictures = [np.asarray(Image.open(path)) for path in shown.values()]
    assert list(shown) == [f"style_{number}" for number in range(1, STYLE_PICTURES + 1)]
    assert all(picture.shape == (32, 32, 3) for picture in pictures)
    assert (pictures[0] != pictures[1]).any()
    assert settings_for(manner, **shown).style_pictures == tuple(shown.values())
    assert style_pictures(being, 32, tmp_path) == {}


def test_the_faces_to_look_at(models):
    pictures = faces(models.generator(), 0.7)
    assert pictures.shape == (SHOWN, 3, 16, 16)
    assert (pictures[1:] != pictures[0]).flatten(1).any(1).all()
