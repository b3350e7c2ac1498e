"""A queue between the event loop, which offers, and one thread, which takes: bounded in weight, and nobody waits."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Room(Generic[T]):
    """What waits, and what was taken and is not done yet, weighs at most `most` (bytes) together, each `most_one`."""

    def __init__(self, most: int, most_one: int) -> None:
        self._most, self._most_one = most, most_one
        self._waiting: deque[tuple[T, int]] = deque()
        # One thread adds to each, so neither needs a lock.
        self._came, self._went = 0, 0

    def offer(self, item: T, weight: int) -> bool:
        """Take the item in; False where there is no room for it."""
        if weight > self._most_one or self._came - self._went + weight > self._most:
            return False
        self._came += weight
        self._waiting.append((item, weight))
        return True

    def take(self, most: int) -> list[tuple[T, int]]:
        """Return what came first with its weight, at most so many."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def done(self, weight: int) -> None:
        """Make room again."""
        self._went += weight
