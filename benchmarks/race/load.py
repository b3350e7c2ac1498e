"""The load: wrk on a core of its own, other rows from request to request, and how one round went."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.race.servers import LOAD_CORE, Server, busy_seconds, favoured

# What wrk leaves behind in flight must not be frozen half-way.
SETTLE_SECONDS = 0.1
SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Round:
    """What one round gave. `p50`, `p99` in milliseconds; `cost`: microseconds of the server's processor per request.

    `others`: the share of one core that processes other than the server and wrk took meanwhile.
    """

    rate: float
    p50: float
    p99: float
    cost: float
    errors: int
    others: float


def check_wrk() -> None:
    if not shutil.which("wrk"):
        sys.exit("The load generator wrk is missing. Debian: apt-get install -y wrk")


def measure(server: Server, bodies: Path | None, connections: int, seconds: int) -> Round:
    """Return one round against a server that is up."""
    server.resume()
    busy, used, began = busy_seconds(), server.seconds(), time.monotonic()
    told, generator = _wrk(server, bodies, connections, seconds)
    took, own = time.monotonic() - began, server.seconds() - used
    others = (busy_seconds() - busy - own - generator) / took
    time.sleep(SETTLE_SECONDS)
    server.pause()
    count = told["requests"]
    return Round(
        rate=count / told["seconds"],
        p50=told["p50"],
        p99=told["p99"],
        cost=own / max(count, 1) * 1e6,
        errors=told["refused"] + told["broken"],
        others=max(others, 0.0),
    )


def together(servers: Sequence[Server], bodies: Path, connections: int, seconds: int) -> float:
    """Return the requests a second of all servers at once, each with a load of its own on whatever core is free."""
    cores = set(range(os.cpu_count() or 1))
    loads = [_start(server, bodies, connections, seconds, cores) for server in servers]
    told = [_told(load) for load in loads]
    assert not any(one["refused"] + one["broken"] for one in told), told
    return sum(one["requests"] / one["seconds"] for one in told)


def _wrk(server: Server, bodies: Path | None, connections: int, seconds: int) -> tuple[dict[str, float], float]:
    """Run wrk; return what it tells, and the processor time that it took."""
    before = _children_seconds()
    told = _told(_start(server, bodies, connections, seconds, {LOAD_CORE}))
    return told, _children_seconds() - before


def _start(
    server: Server, bodies: Path | None, connections: int, seconds: int, cores: set[int]
) -> subprocess.Popen[str]:
    headers = [word for pair in server.ask.headers.items() for word in pair]
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(SCRIPT)]
    return subprocess.Popen(
        [*words, server.url, "--", str(bodies or "-"), *headers],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=favoured(cores),
    )


def _told(load: subprocess.Popen[str]) -> dict[str, float]:
    return json.loads(load.communicate()[0].strip().splitlines()[-1])


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
