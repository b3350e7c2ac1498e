"""What the load generator can do, and whether it tells the truth; every figure about it in the docs comes from here.

    python -m benchmarks.generator truth      a server that freezes: percentiles against what they must be (seconds: 60)
    python -m benchmarks.generator starved    a generator without CPU must say that its run counts for nothing
    python -m benchmarks.generator capacity   a server of a known capacity: stress finds it (times: 3)
    python -m benchmarks.generator peers      requests a second on one core, beside Locust and wrk, in turn

`peers` needs wrk; Locust is installed into an environment of its own below `var/benchmarks`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "var" / "benchmarks"
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
FIRST, LAST = CORES[0], CORES[-1]
TRUTH = {"p95": 0.50, "p99": 0.90, "p99.9": 0.99}
WITHIN = 0.05
LAG = 0.005
RATES = (500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 5000, 6000, 8000)
ROUNDS, SECONDS = 3, 4.0
LOCUST = """
from locust import FastHttpUser, constant, task
class Client(FastHttpUser):
    wait_time = constant(0)
    @task
    def ask(self):
        self.client.post("/", data=b"{}")
"""


def main() -> int:
    what = sys.argv[1] if len(sys.argv) > 1 else "truth"
    jobs: dict[str, Callable[..., bool]] = {"truth": truth, "starved": starved, "capacity": capacity, "peers": peers}
    if what == "measure":
        print(json.dumps(measure(sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))))
        return 0
    if what not in jobs:
        print(__doc__)
        return 2
    return 0 if jobs[what](*map(float, sys.argv[2:])) else 1


def truth(seconds: float = 60.0) -> bool:
    """100 requests a second against a server that freezes 1 s in every 10 s and then drains at once.

    P(latency > x) = 0.1 (1 - x) for 0 < x < 1 s, so p95 is 0.50 s, p99 is 0.90 s and p99.9 is 0.99 s.
    """
    with server("freezing") as url:
        found = measure(url, 100.0, seconds)
    good = True
    for name, wanted in TRUTH.items():
        seen, service = found["latency"][name], found["service"][name]
        good &= abs(seen / wanted - 1) <= WITHIN
        print(f"{name}: {seen:.3f} s, must be {wanted:.2f} s ({seen / wanted - 1:+.1%}); service {service:.4f} s")
    lag, valid = found["lag"]["p99"] * 1000, not found["disturbed"]
    print(f"send lag p99 {lag:.2f} ms, {found['finished']} requests, valid: {valid}")
    return good and valid


def starved() -> bool:
    """The generator on one core with eight others that want all of it: its run must not pass for valid."""
    with server("quick", core=LAST) as url:
        burners = [subprocess.Popen([sys.executable, "-c", BURN, str(FIRST)]) for _ in range(8)]
        try:
            found = alone(url, 1000.0, 4.0, core=FIRST)
        finally:
            for each in burners:
                each.kill()
                each.wait()
    print(f"send lag p99 {found['lag']['p99'] * 1000:.1f} ms; {found['disturbed'] or 'it took itself for valid'}")
    return bool(found["disturbed"])


BURN = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


def capacity(turns: float = 3, known: float = 200.0) -> bool:
    """A server that answers `known` requests a second, one after the other; stress must find it within 10 %."""
    prepare()
    from testing.loadgen import Call
    from testing.suites import stress
    from testing.suites.base import Report

    good = True
    for turn in range(int(turns)):
        with server("limited", str(known)) as url:
            report = Report(Quiet())
            found = stress.find(stress.Settings(), report, repeat(Call(url, b"{}")))
        off = found.capacity / known - 1
        good &= abs(off) <= 0.10
        words = f"{found.capacity:.1f} requests a second of {known:g} ({off:+.1%}), {found.broke} gave way"
        print(f"run {turn + 1}: {words}, {len(found.steps)} rates tried")
    return good


def peers() -> bool:
    """Each in turn, on one core, against the same server on the other."""
    from benchmarks.race import venvs

    locust = venvs.make(FOLDER / "venvs", ("locust",)) / "locust"
    script = FOLDER / "locustfile.py"
    script.write_text(LOCUST)
    rows: dict[str, list[float]] = {"ours": [], "locust": [], "wrk": []}
    with server("quick", core=LAST) as url:
        for turn in range(ROUNDS):
            rows["ours"].append(most(url))
            rows["locust"].append(by_locust(locust, script, url))
            rows["wrk"].append(by_wrk(url))
            print(
                f"round {turn + 1}: " + ", ".join(f"{name} {values[-1]:.0f}" for name, values in rows.items()),
                flush=True,
            )
    ours, others = statistics.median(rows["ours"]), {n: statistics.median(v) for n, v in rows.items() if n != "ours"}
    print(f"ours: {ours:.0f} requests a second on a schedule, one core, send lag p99 under {LAG * 1000:g} ms")
    for name, value in others.items():
        print(
            f"{name}: {value:.0f} requests a second, closed: it knows no schedule, so no lag ({ours / value:.2f} of it)"
        )
    return ours > 0


def most(url: str) -> float:
    """Return the highest rate of the ladder at which the generator kept its schedule."""
    best = 0.0
    for rate in RATES:
        found = alone(url, float(rate), SECONDS, core=FIRST)
        if found["lag"]["p99"] > LAG or found["unsent"] or found["errors"]:
            break
        best = float(rate)
    return best


def by_locust(program: Path, script: Path, url: str) -> float:
    words = ["--headless", "-u", "50", "-r", "50", "-t", "8s", "--host", url.rstrip("/"), "--json", "--skip-log"]
    done = pinned([str(program), "-f", str(script), *words])
    (row,) = json.loads(done.stdout)
    return float(row["num_requests"] / (row["last_request_timestamp"] - row["start_time"]))


def by_wrk(url: str) -> float:
    lua = FOLDER / "post.lua"
    lua.write_text('wrk.method = "POST"\nwrk.body = "{}"\n')
    done = pinned(["wrk", "-t1", "-c50", "-d5s", "-s", str(lua), url])
    return float(next(line.split(":")[1] for line in done.stdout.splitlines() if line.startswith("Requests/sec")))


def pinned(command: list[str]) -> subprocess.CompletedProcess[str]:
    words = ["taskset", "-c", str(FIRST), *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)


def measure(url: str, rate: float, seconds: float) -> dict[str, Any]:
    """Send at the rate in this process; what came, in plain values."""
    from testing import loadgen
    from testing.loadgen import Call, lag

    calls = repeat(Call(url, b"{}", {"Content-Type": "application/json"}))
    result = loadgen.drive(loadgen.run(loadgen.constant(rate, seconds), calls))
    return dict(result.totals.to_json()) | {"disturbed": lag.disturbed(result.totals)}


def alone(url: str, rate: float, seconds: float, core: int) -> dict[str, Any]:
    """The same in a process of its own, on one core."""
    words = ["taskset", "-c", str(core), sys.executable, "-m", "benchmarks.generator"]
    command = [*words, "measure", url, str(rate), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def server(kind: str, *arguments: str, core: int | None = None) -> Iterator[str]:
    """One of the servers of `testing.tests.servers` in a process of its own; gives its address."""
    command = [sys.executable, "-m", "testing.tests.servers", kind, *arguments]
    pin = ["taskset", "-c", str(core)] if core is not None else []
    with subprocess.Popen([*pin, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def prepare() -> None:
    """The suites are the product's, so they want its settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    os.environ.setdefault("VAR", str(FOLDER / "var"))
    (FOLDER / "var").mkdir(parents=True, exist_ok=True)
    import django

    django.setup()


class Quiet:
    """Takes what a suite says, and says the log lines on."""

    def look(self) -> None: ...

    def begins(self, name: str) -> None: ...

    def ended(self, case: Any) -> None: ...

    def line(self, text: str) -> None:
        if os.environ.get("TELL"):
            print(f"  {text}")


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    if len(sys.argv) < 2 or sys.argv[1] != "measure":
        print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
