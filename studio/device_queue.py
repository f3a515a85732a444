"""The queue for one device: first come, first served."""

from __future__ import annotations

import threading
from typing import Protocol

__all__ = ["DeviceQueue"]


class Waiter(Protocol):
    """A run, as the queue sees it."""

    def wake(self) -> None:
        """Called when the device may have become free for it."""

    def seconds_left(self) -> float | None:
        """Seconds for which it still needs the device; None when that is not known."""


class DeviceQueue:
    """Runs in the order in which they asked for the device. The first one has it. Thread-safe."""

    def __init__(self):
        self.speeds: dict[str, float] = {}
        """Method → steps per second of its last run: an estimate for runs that have not started."""
        self._queue: list[Waiter] = []
        self._lock = threading.Lock()

    def join(self, waiter: Waiter) -> None:
        """Add `waiter` at the end, unless it is in the queue already."""
        with self._lock:
            if waiter not in self._queue:
                self._queue.append(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Release the device, or stop waiting for it, and wake the first in the queue."""
        with self._lock:
            if waiter not in self._queue:
                return
            self._queue.remove(waiter)
            first = self._queue[0] if self._queue else None
        if first is not None:
            first.wake()

    def position(self, waiter: Waiter) -> int:
        """Number of runs before `waiter`; 0 when it has the device or is not in the queue."""
        with self._lock:
            return self._queue.index(waiter) if waiter in self._queue else 0

    def has(self, waiter: Waiter) -> bool:
        """Whether `waiter` has the device."""
        with self._lock:
            return bool(self._queue) and self._queue[0] is waiter

    def estimate(self, waiter: Waiter) -> float | None:
        """Seconds until the runs before `waiter` are done; None when that is not known."""
        with self._lock:
            before = self._queue[: self._queue.index(waiter)] if waiter in self._queue else []
        times = [other.seconds_left() for other in before]
        return None if None in times else sum(times)
