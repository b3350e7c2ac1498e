"""Once a second, and at once after an adoption: write the counts to Redis, then say that this gateway is alive."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Callable
from importlib import metadata

from redis.exceptions import RedisError

from serving import exchange
from serving.exchange import EnvironmentState, Heartbeat
from serving.gateway.clock import Clock
from serving.gateway.config import Config
from serving.gateway.shares import LOOK_SECONDS, Shares
from serving.metrics import store
from serving.metrics.recorder import Pending
from serving.metrics.tens import Tens
from serving.sync import connect

log = logging.getLogger("slipway.gateway")
SHOWN = ("onnxruntime", "scikit-learn", "numpy", "uvicorn", "msgspec")


class Heart:
    """A thread of its own: a slow Redis delays neither predictions nor the loading of packages."""

    def __init__(
        self,
        config: Config,
        boot: str,
        states: Callable[[], dict[str, EnvironmentState]],
        cut_off: Callable[[], tuple[float, float] | None],
        shares: Shares,
        clock: Clock,
        written: Callable[[list[Pending]], None],
        captured: Callable[[], dict[str, int]] = dict,
    ) -> None:
        self._config, self._boot, self._states, self._written = config, boot, states, written
        self._cut_off, self._shares, self._clock, self._captured = cut_off, shares, clock, captured
        self._redis = connect(config.redis_url)
        self._wake = threading.Event()
        self._offered: tuple[list[Pending], int] | None = None
        self._watermark, self._tens = 0, Tens()
        self._versions = {"python": platform.python_version()} | {name: metadata.version(name) for name in SHOWN}

    def offer(self, cells: list[Pending], watermark: int) -> None:
        """Hand over what changed; all seconds before `watermark` are complete. The newest offer replaces others."""
        self._offered = (cells, watermark)
        self._wake.set()

    def resume(self) -> None:
        """Write again: what is offered from now on goes by the clock that was asked for."""
        self._clock.resume()
        self._wake.set()

    def nudge(self) -> None:
        """Beat at once: something was adopted or refused."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Beat until `stop` is set; then write the last counts and take this gateway out of the list."""
        while not stop.is_set():
            self.beat()
            if not self._wake.wait(LOOK_SECONDS):
                self._quietly(lambda: self._shares.look(self._redis))
                self._wake.wait(1.0 - LOOK_SECONDS)
            self._wake.clear()
        self._leave()

    def beat(self) -> None:
        """Write the cells, then the heartbeat; while Redis is away nothing happens, and the cells are offered again."""
        self._quietly(self._beat)

    def _beat(self) -> None:
        states = self._states()
        # First, because the others look for it a moment later.
        self._shares.write(self._redis, states)
        if self._clock.compare(self._redis):
            # What was folded so far was never written, and its seconds move.
            self._tens = Tens()
        self._flush()
        exchange.put_heartbeat(self._redis, self._heartbeat(states))

    def _quietly(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (RedisError, OSError):
            return
        except Exception:
            # A gateway whose heart stops is taken for dead while it answers.
            log.exception("The heartbeat could not be written.")

    def _leave(self) -> None:
        try:
            self._flush()
            exchange.drop_heartbeat(self._redis, self._config.name, self._boot)
        except (RedisError, OSError):
            return

    def _flush(self) -> None:
        if self._clock.paused:
            return
        offered, self._offered = self._offered, None
        if offered is None:
            return
        cells, watermark = offered
        if cells:
            store.write(self._redis, self._boot, [*cells, *self._tens.fold(cells, time.monotonic())])
            self._written(cells)
        self._watermark = watermark

    def _heartbeat(self, states: dict[str, EnvironmentState]) -> Heartbeat:
        return Heartbeat(
            name=self._config.name,
            boot=self._boot,
            pid=os.getpid(),
            at=self._clock.now(),
            environments=states,
            watermark=self._watermark,
            versions=self._versions,
            address=self._config.address,
            throttled=self._shares.throttled,
            cut_off=self._cut_off(),
            priority=os.getpriority(os.PRIO_PROCESS, 0),
            cores=_cores(),
            captured=self._captured(),
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0
