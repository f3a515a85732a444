"""Fixtures for all tests. Two cores are shared by everything: one thread each is quickest."""

from pathlib import Path

import pytest
import torch

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
