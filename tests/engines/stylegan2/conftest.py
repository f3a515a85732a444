import pytest
import torch

from engines.stylegan2 import Generator, GeneratorConfig, load_generator

SMALL = GeneratorConfig(channels=(12, 10, 8), z_dim=16, mapping_features=(20, 14))
"""16 px, every size another one."""


@pytest.fixture(scope="session")
def small_config() -> GeneratorConfig:
    return SMALL


@pytest.fixture
def small() -> Generator:
    """Random weights, in double precision, with noise and with biases."""
    torch.manual_seed(5)
    generator = Generator(SMALL).double().requires_grad_(False)
    for name, tensor in generator.state_dict().items():
        if name.endswith(("bias", "noise_strength", "w_avg")):
            tensor += 0.3 * torch.randn(tensor.shape, dtype=torch.float64)
    return generator


@pytest.fixture(scope="session")
def reference(references):
    """`reference(name)` → the generator of that reference file, and `array(key)` with its arrays as tensors."""

    def load(name: str):
        path = references.path(f"{name}.{'pt' if name.startswith('rosinality') else 'pkl'}")
        return load_generator(path), references.tensors(name)

    return load
