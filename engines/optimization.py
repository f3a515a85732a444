"""The parts that optimisations share: finite check, optimiser states as plain values, bounded series, memos."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from engines.errors import EngineError

__all__ = ["Memo", "Thinned", "check_finite", "copies", "load_moments", "moments", "set_learning_rate"]

T = TypeVar("T")


def check_finite(losses: Mapping[str, float]) -> None:
    """Raises `EngineError` when "loss" is NaN or infinite."""
    if not math.isfinite(losses["loss"]):
        raise EngineError("The loss is no longer a number; lower the learning rate and start again.")


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def copies(value: Any, device: torch.device | str = "cpu") -> Any:
    """A detached copy of every tensor in nested dicts, lists and tuples on `device`; other values as they are."""
    if isinstance(value, Tensor):
        return value.detach().to(device, copy=True)
    if isinstance(value, Mapping):
        return {name: copies(item, device) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copies(item, device) for item in value)
    return value


def moments(optimizer: torch.optim.Optimizer, parameters: list[Tensor]) -> list[dict[str, Any]]:
    """The optimiser's memory of each parameter: CPU tensors and numbers, empty before its first step."""
    return [copies(optimizer.state.get(parameter, {})) for parameter in parameters]


def load_moments(optimizer: torch.optim.Optimizer, parameters: list[Tensor], saved: list[dict[str, Any]]) -> None:
    """Give back what `moments` returned. Raises `ValueError` for another number of parameters."""
    for parameter, memory in zip(parameters, saved, strict=True):
        if memory:
            optimizer.state[parameter] = {name: _on_device(name, value, parameter) for name, value in memory.items()}


def _on_device(name: str, value: Any, parameter: Tensor) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.clone() if name == "step" else value.to(parameter, copy=True)  # torch counts steps on the CPU


class Memo(Generic[T]):
    """The last value of a function together with its key: `get` makes the value again when the key has changed."""

    def __init__(self) -> None:
        self._key: Hashable = None
        self._value: T | None = None

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """key: equal keys mean equal values; None is no key."""
        if key != self._key:
            self._value = make()
            self._key = key
        return self._value

    def is_current(self, key: Hashable) -> bool:
        return key == self._key

    def clear(self) -> None:
        self._key = self._value = None


class Thinned(Generic[T]):
    """A series of (step, value) that keeps at most `limit` entries: every second one goes when it is full."""

    def __init__(self, limit: int, rows: list[tuple[int, T]] = ()):
        self.limit, self.stride, self.rows = limit, 1, list(rows)

    def add(self, step: int, value: T) -> None:
        if step % self.stride == 0:
            self.rows.append((step, value))
        while len(self.rows) > self.limit:
            self.stride *= 2
            self.rows = [row for row in self.rows if row[0] % self.stride == 0]

    def drop_after(self, step: int) -> None:
        self.rows = [row for row in self.rows if row[0] <= step]
