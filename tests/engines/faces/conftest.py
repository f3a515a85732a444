from collections.abc import Callable

import numpy as np
import pytest

from engines.base import EngineError


@pytest.fixture(scope="session")
def arrays(references) -> Callable:
    """`arrays(name)` → the arrays of that reference file."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(references / f"{name}.npz") as file:
            return dict(file)

    return load


@pytest.fixture(scope="session")
def refused() -> Callable:
    """`refused(match, call, …)`: the call ends in one short sentence about what to change."""

    def check(match: str, call: Callable, *arguments) -> None:
        with pytest.raises(EngineError, match=match) as caught:
            call(*arguments)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(".")
        assert len(str(caught.value)) < 300

    return check
