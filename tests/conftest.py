"""Fixtures for all tests. Two cores are shared by everything: one thread each is quickest."""

import os
from pathlib import Path

import pytest
import torch

from world.emoji import FONT, make_composer
from world.subjects import load_subjects

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def references() -> Path:
    """Arrays computed with the original systems, kept beside the repository. Missing ones are a failure."""
    folder = Path(__file__).parents[1] / ".." / "shared" / "references"
    assert folder.is_dir(), "the reference arrays are missing: expected ../shared/references beside the repository"
    return folder


@pytest.fixture(scope="session")
def pocket():
    """The pocket models on the CPU."""
    from engines.zoo import Models

    return Models("pocket", "cpu")


@pytest.fixture(scope="session")
def subjects():
    return load_subjects()


@pytest.fixture(scope="session")
def composer(subjects):
    """Needs the emoji font: a person's machine may lack it, the one that checks submissions must not."""
    if not FONT.exists() and "CI" not in os.environ:
        pytest.skip("the emoji font is missing (Debian package fonts-noto-color-emoji)")
    return make_composer(subjects)


@pytest.fixture(scope="session")
def gallery(tmp_path_factory):
    """Coloured shapes by three invented artists."""
    from tests.tiny_world import make_gallery

    return make_gallery(tmp_path_factory.mktemp("gallery"))


@pytest.fixture(scope="session")
def collection(gallery):
    """The same with what they show, among the six concepts of `tiny_world.CONCEPTS`."""
    from tests.tiny_world import make_collection

    return make_collection(gallery)
