"""The live gateway under load: what its threads cost per request, and in which functions they are."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from benchmarks.race import load, ours, venvs
from benchmarks.race.models import Model
from benchmarks.race.ours import ROOT, Installation
from benchmarks.race.rounds import check
from benchmarks.race.servers import TICKS, Server

CONNECTIONS, SECONDS, SAMPLING_SECONDS = 16, 4, 6
SAMPLES_A_SECOND, SHOWN = 250, 25


def live(model: Model) -> list[str]:
    """Return both tables of a gateway that is started for it."""
    home = ours.install()
    try:
        home.publish(ours.route(model.name, model.package))
        server = home.gateway("slipway", ours.ask(model.name))
        server.start()
        server.wait(server.ask.bodies(model.rows[:1])[0])
        check(server, model)
        return [*_threads(server, _bodies(home, server, model)), "", *_functions(server, _bodies(home, server, model))]
    finally:
        home.close()


def _bodies(home: Installation, server: Server, model: Model) -> Path:
    path = home.folder / "bodies.txt"
    path.write_bytes(b"\n".join(server.ask.bodies(model.rows)) + b"\n")
    return path


def _threads(server: Server, bodies: Path) -> list[str]:
    """The processor time of each thread, the event loop's first."""
    load.measure(server, bodies, CONNECTIONS, 1)
    server.resume()
    before = _ticks(server.process.pid)
    told, _ = load._wrk(server, bodies, CONNECTIONS, SECONDS)
    used = {
        thread: [(now - then) / TICKS / told["requests"] * 1e6 for now, then in zip(ticks, before[thread], strict=True)]
        for thread, ticks in _ticks(server.process.pid).items()
        if thread in before
    }
    lines = [
        f"Live, {CONNECTIONS} connections, {told['requests'] / told['seconds']:,.0f} requests a second:",
        "",
        "| Thread | µs a request, own code | µs a request, in the kernel |",
        "|---|--:|--:|",
    ]
    for thread, (user, system) in sorted(used.items(), key=lambda item: -sum(item[1])):
        if user + system >= 0.5:
            name = "the event loop" if thread == server.process.pid else "another thread"
            lines.append(f"| {name} | {user:.1f} | {system:.1f} |")
    return lines


def _ticks(pid: int) -> dict[int, tuple[int, int]]:
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        words = (task / "stat").read_text().rpartition(")")[2].split()
        found[int(task.name)] = int(words[11]), int(words[12])
    return found


def _functions(server: Server, bodies: Path) -> list[str]:
    """Where the thread that holds the interpreter is, by py-spy."""
    spy = venvs.make(ROOT / "var" / "benchmarks" / "venvs", ("py-spy",)) / "py-spy"
    server.resume()
    loading = threading.Thread(target=load._wrk, args=(server, bodies, CONNECTIONS, SAMPLING_SECONDS + 2))
    loading.start()
    time.sleep(1)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "samples"
        words = ["record", "--gil", "--nonblocking", "--format", "raw", "--rate", str(SAMPLES_A_SECOND)]
        command = [spy, *words, "--duration", str(SAMPLING_SECONDS), "--pid", str(server.process.pid), "--output", raw]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
        loading.join()
        return _most(raw)


def _most(raw: Path) -> list[str]:
    own: Counter[str] = Counter()
    for line in raw.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        own[stack.rpartition(";")[2].rpartition(":")[0] or stack] += int(count)
    total = sum(own.values())
    lines = ["| Function, what it calls left out | Share of the samples |", "|---|--:|"]
    return lines + [f"| `{name})` | {count / total:.1%} |" for name, count in own.most_common(SHOWN)]
