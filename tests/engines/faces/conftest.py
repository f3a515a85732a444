from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def arrays(references) -> Callable:
    """`arrays(name)` → the arrays of that reference file."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(references / f"{name}.npz") as file:
            return dict(file)

    return load
