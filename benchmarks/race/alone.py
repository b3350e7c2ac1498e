"""What is measured of the gateway alone: start and memory with many packages, switches under load, two gateways."""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.race import load, ours
from benchmarks.race.models import Model
from benchmarks.race.ours import Installation
from benchmarks.race.rounds import Plan, alone
from benchmarks.race.servers import LOAD_CORE, Server
from serving.routing import Route

PACKAGES, MANY = 20, 50
FEW = 16
SWITCH_SECONDS = 0.05
LOOK_SECONDS, PATIENCE = 0.002, 30.0


def start(home: Installation, model: Model, plan: Plan) -> dict[str, float]:
    """Return seconds from the start of the process to the first prediction, and megabytes, with PACKAGES packages.

    `first`: with nothing on its own disk, so that every package is fetched; `start`: when it has been there before.
    """
    names = [f"{model.name}-{number}" for number in range(PACKAGES)]
    home.publish(*map(ours.route, names, model.copies(PACKAGES)))
    found: dict[str, list[float]] = {"first": [], "start": [], "memory": []}
    for number in range(plan.rounds):
        with alone(plan.lock):
            gateway = home.gateway(f"start-{number}", ours.ask(names[-1]))
            found["first"].append(_once(gateway, model))
            gateway.stop()
            found["start"].append(_once(gateway, model))
            for name in names:
                gateway.ask = ours.ask(name)
                assert gateway.send(gateway.ask.bodies(model.rows[:1])[0]).status_code == 200
            found["memory"].append(gateway.memory())
            gateway.stop()
    return {name: median(values) for name, values in found.items()}


def _once(gateway: Server, model: Model) -> float:
    """Start it, and return the seconds until it gives the right answer."""
    body = gateway.ask.bodies(model.rows[:1])[0]
    began = time.monotonic()
    gateway.start()
    while time.monotonic() < began + PATIENCE:
        with suppress(OSError, http.client.HTTPException):
            if _asked(gateway, body) == 200:
                return time.monotonic() - began
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"{gateway.name} does not answer; see {gateway.log}")


def _asked(gateway: Server, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    try:
        connection.request("POST", gateway.ask.path, body, {"Content-Type": "application/json", **gateway.ask.headers})
        return connection.getresponse().status
    finally:
        connection.close()


def many(home: Installation, model: Model, plan: Plan) -> dict[str, float]:
    """Return megabytes with MANY packages loaded, and milliseconds of the 99th percentile, with and without switches.

    `switched` is the percentile while twenty tables a second take the place of each other.
    """
    names = [f"{model.name}-{number}" for number in range(MANY)]
    routes = list(map(ours.route, names, model.copies(MANY)))
    home.publish(*routes)
    gateway = home.gateway("many", ours.ask(names[-1]))
    _once(gateway, model)
    found: dict[str, list[float]] = {"still": [], "switched": []}
    with _bodies(gateway, model) as bodies:
        for _ in range(plan.rounds):
            with alone(plan.lock):
                found["still"].append(load.measure(gateway, bodies, FEW, plan.seconds).p99)
                gateway.resume()
                with _switching(home, routes):
                    found["switched"].append(load.measure(gateway, bodies, FEW, plan.seconds).p99)
    gateway.resume()
    megabytes = gateway.memory()
    gateway.stop()
    return {"megabytes": megabytes, **{name: median(values) for name, values in found.items()}}


@contextmanager
def _switching(home: Installation, routes: list[Route]) -> Iterator[None]:
    """Publish the routes in another order of packages, again and again."""
    ending = threading.Event()

    def switch() -> None:
        while not ending.wait(SWITCH_SECONDS):
            routes.append(routes.pop(0))
            home.publish(*(replace(route, control=0.1 if at % 2 else 0.2) for at, route in enumerate(routes)))

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


@contextmanager
def _bodies(gateway: Server, model: Model) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bodies.txt"
        path.write_bytes(b"\n".join(gateway.ask.bodies(model.rows)) + b"\n")
        yield path


def two(home: Installation, model: Model, plan: Plan) -> dict[str, float]:
    """Return how many times what one gateway answers two of them do, each on its core, the model on scikit-learn.

    With few connections, as the load generator shares the cores and must cost little.
    """
    home.publish(ours.route(model.name, model.left_on_sklearn))
    pair = [home.gateway(f"pair-{number}", ours.ask(model.name)) for number in range(2)]
    pair[1].core = LOAD_CORE
    for gateway in pair:
        gateway.start()
        gateway.wait(gateway.ask.bodies(model.rows[:1])[0])
    with _bodies(pair[0], model) as bodies:
        one, both = _alternate(pair, bodies, plan)
    for gateway in pair:
        gateway.stop()
    return {"one": one, "both": both, "two": both / one}


def _alternate(pair: Sequence[Server], bodies: Path, plan: Plan) -> tuple[float, float]:
    one, both = [], []
    for _ in range(plan.rounds):
        with alone(plan.lock):
            one.append(load.together(pair[:1], bodies, FEW, plan.seconds))
            both.append(load.together(pair, bodies, FEW, plan.seconds))
    return median(one), median(both)
