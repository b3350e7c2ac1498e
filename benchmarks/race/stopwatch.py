"""How long each step of a prediction takes: the step's own time, without the steps inside it and without the watch."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

# A step's words, where its function lives, and the function's name there.
Seam = tuple[str, Any, str]
CALIBRATION = 20_000


class Stopwatch:
    """Adds up the seconds of functions that it has wrapped; they must not wait for anything."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: defaultdict[str, int] = defaultdict(int)
        self._inside: list[float] = []

    @contextmanager
    def on(self, seams: Sequence[Seam]) -> Iterator[None]:
        """Wrap the functions for a while; one that is not there (any more) is left out."""
        kept = [(owner, name, getattr(owner, name)) for _, owner, name in seams if hasattr(owner, name)]
        for words, owner, name in seams:
            if hasattr(owner, name):
                setattr(owner, name, self._wrap(words, getattr(owner, name)))
        try:
            yield
        finally:
            for owner, name, function in kept:
                setattr(owner, name, function)

    def _wrap(self, words: str, function: Callable[..., Any]) -> Callable[..., Any]:
        seconds, calls, inside, now = self.seconds, self.calls, self._inside, time.perf_counter

        def timed(*arguments: Any, **named: Any) -> Any:
            inside.append(0.0)
            began = now()
            try:
                return function(*arguments, **named)
            finally:
                took = now() - began
                seconds[words] += took - inside.pop()
                calls[words] += 1
                if inside:
                    inside[-1] += took

        return timed

    def own_cost(self) -> float:
        """Seconds that one wrapped call adds to what is measured inside it."""
        watch = Stopwatch()
        empty = watch._wrap("empty", lambda: None)
        for _ in range(CALIBRATION):
            empty()
        return watch.seconds["empty"] / CALIBRATION
