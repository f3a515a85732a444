import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def reference(references):
    """`reference(name)` → `array(key)` with the arrays of that reference file as tensors."""

    def load(name: str):
        with np.load(references / f"{name}.npz") as file:
            stored = dict(file)
        return lambda key: torch.from_numpy(np.asarray(stored[key]))

    return load
