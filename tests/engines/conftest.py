from collections.abc import Callable

import pytest

from engines.base import EngineError


@pytest.fixture(scope="session")
def refused() -> Callable:
    """`refused(match, call, …)`: the call ends in one short sentence about what to change, which is returned."""

    def check(match: str, call: Callable, *arguments) -> str:
        with pytest.raises(EngineError, match=match) as caught:
            call(*arguments)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(".")
        assert len(str(caught.value)) < 300
        return str(caught.value)

    return check
