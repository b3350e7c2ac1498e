"""Ask others to be quiet while a measurement is tried again, and name who was not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import redis

from releases import broker

SECONDS = 120  # a worker that dies leaves nobody quiet for longer
SHOWN = 3


def _key(environment: str) -> str:
    return f"slipway:quiet:{environment}"


def asked(environment: str = "") -> bool:
    """Answer whether demo traffic there, or suites that can wait anywhere, shall hold still; no without Redis."""
    with suppress(redis.RedisError):
        return bool(broker.client().exists(_key(environment)))
    return False


@contextmanager
def please(environment: str) -> Iterator[None]:
    """Ask for quiet until the block ends, or SECONDS are over."""
    with suppress(redis.RedisError):
        for name in (environment, ""):
            broker.client().set(_key(name), "1", ex=SECONDS)
    try:
        yield
    finally:
        with suppress(redis.RedisError):
            broker.client().delete(_key(environment), _key(""))


class Busy:
    """What other processes spent between its making and `said`."""

    def __init__(self) -> None:
        self.before, self.stolen = _spent(), psutil.cpu_times()

    def said(self) -> str:
        """Return the busiest processes with the cores that each took, and what the host took from this machine."""
        now, cpu = _spent(), psutil.cpu_times()
        passed = sum(cpu) - sum(self.stolen)
        seconds = max(1e-6, passed / (os.cpu_count() or 1))
        took = {name: now[name] - self.before.get(name, 0.0) for name in now}
        busiest = sorted(took, key=lambda name: -took[name])[:SHOWN]
        parts = [f"{name} {took[name] / seconds:.1f} cores" for name in busiest if took[name] / seconds > 0.05]
        stolen = (getattr(cpu, "steal", 0.0) - getattr(self.stolen, "steal", 0.0)) / max(1e-6, passed)
        if stolen > 0.02:
            parts.append(f"{stolen:.0%} of the time went to other machines of this host")
        load = os.getloadavg()[0]
        return (
            f"Busy meanwhile: {', '.join(parts) or 'nobody much'}; {load:.1f} processes wanted {os.cpu_count()} cores."
        )


def _spent() -> dict[str, float]:
    """CPU seconds of each process but this one, by a name that people know."""
    spent: dict[str, float] = {}
    for process in psutil.process_iter(["pid", "name", "cmdline", "cpu_times"]):
        times, words = process.info["cpu_times"], process.info["cmdline"] or []
        if times is None or process.info["pid"] == os.getpid():
            continue
        name = _name(process.info["name"] or "?", words)
        spent[name] = spent.get(name, 0.0) + times.user + times.system
    return spent


def _name(name: str, words: list[str]) -> str:
    """`python -m serving.gateway` is better known by its module."""
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    scripts = [word.rsplit("/", 1)[-1] for word in words[1:3] if word.endswith(".py")]
    return " ".join([*scripts, *words[2:3]])[:40] if scripts else name
