"""A tiny diffusion model, and pictures to learn from."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from engines.diffusion.structure import Structure, edges
from engines.dreamstyler.settings import DreamStylerSettings
from engines.dreamstyler.styles import Style
from tests.engines.diffusion.twins import WIDTH, controlnet_twin, pocket_twin, stable_diffusion_twin


@pytest.fixture(scope="session")
def array(references):
    """`array(key)`: that reference array as a tensor."""
    return references.tensors("dreamstyler")


@pytest.fixture(scope="session")
def model():
    return pocket_twin()


@pytest.fixture(scope="session")
def large():
    return stable_diffusion_twin()


@pytest.fixture(scope="session")
def new_style():
    """`new_style(stages, seed)`"""

    def make(stages: int = 6, seed: int = 0) -> Style:
        vectors = torch.randn(stages, WIDTH, generator=torch.Generator().manual_seed(seed))
        return Style(vectors, "<sks1>", {"model": "pocket twin", "steps": "7"})

    return make


@pytest.fixture
def painting(tmp_path):
    """`painting(name, seed)`: a file of 20 × 30 px."""

    def make(name: str = "painting.png", seed: int = 0) -> str:
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
        return str(tmp_path / name)

    return make


@pytest.fixture
def learning(painting):
    """`learning(**settings)`: to learn from one painting, quickly."""

    def make(**settings) -> DreamStylerSettings:
        quick = {
            "painting_1": painting(), "caption_1": "a cat", "training_steps": 4, "batch_size": 3, "num_stages": 3,
            "num_steps": 3, "snapshot_every": 2, "preview_every": 2, "lr": 0.01,
        }  # fmt: skip
        return DreamStylerSettings.parse(quick | settings)

    return make


@pytest.fixture
def models(model):
    """With a captioner that sees a fish in everything, and no ControlNet."""
    return SimpleNamespace(
        device=torch.device("cpu"),
        diffusion=lambda: model,
        structure=lambda: None,
        captioner=lambda: lambda picture: "a fish",
    )


@pytest.fixture
def structured(models, model):
    models.structure = lambda: Structure(controlnet_twin(model), edges)
    return models
