"""Who may use the device now: first come, first served."""

from __future__ import annotations

import threading
from typing import Protocol

__all__ = ["Lane"]


class Waiter(Protocol):
    """What a lane knows of a run."""

    def wake(self) -> None:
        """Called when the lane may have become free for it."""

    def seconds_left(self) -> float | None:
        """How long it will still need the lane, None when nobody can tell yet."""


class Lane:
    """The queue for one device. Whoever stands first has the device."""

    def __init__(self):
        self.speeds: dict[str, float] = {}
        """Method → steps per second when it last ran here: an estimate for runs that have not begun."""
        self._queue: list[Waiter] = []
        self._lock = threading.Lock()

    def join(self, waiter: Waiter) -> None:
        """Stand at the end, unless already in line."""
        with self._lock:
            if waiter not in self._queue:
                self._queue.append(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Give the device back, or give up waiting; the next in line is woken."""
        with self._lock:
            if waiter not in self._queue:
                return
            self._queue.remove(waiter)
            first = self._queue[0] if self._queue else None
        if first is not None:
            first.wake()

    def position(self, waiter: Waiter) -> int:
        """How many stand before `waiter`; 0 when it has the device or does not wait."""
        with self._lock:
            return self._queue.index(waiter) if waiter in self._queue else 0

    def has(self, waiter: Waiter) -> bool:
        with self._lock:
            return bool(self._queue) and self._queue[0] is waiter

    def estimate(self, waiter: Waiter) -> float | None:
        """Seconds until those before `waiter` will be done; None when that is not known."""
        with self._lock:
            before = self._queue[: self._queue.index(waiter)] if waiter in self._queue else []
        times = [other.seconds_left() for other in before]
        return None if None in times else sum(times)
