"""Fixtures for all tests. Two cores are shared by everything: one thread each is quickest."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from world.emoji import FONT, make_composer
from world.subjects import load_subjects

torch.set_num_threads(1)


class References:
    """The arrays and tiny checkpoints of tests/references, computed with the published systems (see its README.md)."""

    _folder = Path(__file__).parent / "references"

    def path(self, name: str) -> Path:
        """The file of that name, with its suffix."""
        return self._folder / name

    @cache  # noqa: B019  one object for the whole session
    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """All arrays of NAME.npz by key. They are shared by all tests: not to be changed."""
        with np.load(self.path(f"{name}.npz")) as file:
            return dict(file)

    def tensors(self, name: str) -> Callable[[str], torch.Tensor]:
        """A function that returns the array of NAME.npz with a given key as a new tensor."""
        arrays = self.arrays(name)
        return lambda key: torch.tensor(arrays[key])


@pytest.fixture(scope="session")
def references() -> References:
    return References()


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
