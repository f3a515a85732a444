import pytest
import torch

from tests.engines.diffusion.twins import pocket_twin, stable_diffusion_twin


@pytest.fixture(scope="session")
def model():
    """A very small model with random weights: 16 × 16 px."""
    return pocket_twin()


@pytest.fixture(scope="session")
def large():
    """The same in the format of Stable Diffusion 1.5."""
    return stable_diffusion_twin()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


@pytest.fixture(params=["pocket", "large"])
def either(request, model, large):
    return {"pocket": model, "large": large}[request.param]
