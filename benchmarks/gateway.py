"""The race: Slipway's gateway beside its peers, one core each way, the same models, the same rows, answers checked.

`make bench-gateway` runs all of it and writes the tables into `docs/performance.md`; `make bench-gateway QUICK=1` takes
two minutes and writes nothing. Run from another checkout it measures that one. It needs wrk; the peers are installed
into environments of their own below `var/benchmarks`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.race import alone, load, models, ours, report, table
from benchmarks.race.apps import APPS, BARE, HELLO
from benchmarks.race.contract import GOALS, OURS, OURS_GRANIAN, OURS_SKLEARN
from benchmarks.race.models import FOREST, LOGISTIC, Model
from benchmarks.race.ours import ROOT, Installation
from benchmarks.race.peers import PEERS
from benchmarks.race.rounds import Case, Plan, Result, race
from benchmarks.race.servers import Ask, Server, free_port

FOLDER = ROOT / "var" / "benchmarks"
QUICK = ("fastapi-onnx", "mlserver-batch")
COUNTS = {LOGISTIC: (1, 16, 64), FOREST: (16, 64)}


def main() -> int:
    options = read(sys.argv[1:])
    load.check_wrk()
    made = models.make(FOLDER / "models")
    plan = Plan(options.rounds, options.seconds, options.lock)
    with ExitStack() as stack:
        home = ours.install()
        stack.callback(home.close)
        results: dict[Case, Result] = {}
        for name in options.models:
            results |= side_by_side(home, made[name], options.peers, plan)
        figures: dict[str, float] = {}
        for part in () if options.quick else (alone.start, alone.many, alone.two):
            figures |= part(home, made[FOREST], plan)
        frameworks = frozenset(name for name in options.peers if PEERS[name].framework)
        seen = table.Seen(results, frameworks, figures)
    report.tell(seen, GOALS, write=options.write)
    return 0


def read(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.gateway", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two peers, two rounds of one second, nothing written")
    parser.add_argument("--peers", help=f"comma-separated, of {', '.join(PEERS)}; empty: none")
    parser.add_argument("--models", default=f"{LOGISTIC},{FOREST}", help="comma-separated")
    parser.add_argument("--rounds", type=int, help="how often each case is measured")
    parser.add_argument("--seconds", type=int, help="how long each time")
    parser.add_argument("--lock", type=Path, help="a file to lock while a round runs")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    options = parser.parse_args(words)
    chosen = (QUICK if options.quick else tuple(PEERS)) if options.peers is None else _names(options.peers)
    options.peers, options.models = chosen, _names(options.models)
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 2)
    return options


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def side_by_side(home: Installation, model: Model, peers: Sequence[str], plan: Plan) -> dict[Case, Result]:
    """Return what one model's race gave: first those that can stand still, then each restless peer beside Slipway."""
    own = our_servers(home, model)
    calm = [name for name in peers if not PEERS[name].restless]
    found = one_race([*own, *others(model, calm, home)], model, plan)
    for name in peers:
        if PEERS[name].restless:
            found |= one_race([*others(model, [name], home)], model, plan)
    return found


def one_race(servers: Sequence[Server], model: Model, plan: Plan) -> dict[Case, Result]:
    """Start the servers one after the other, race them, and end them."""
    print(f"{model.name}: {', '.join(server.name for server in servers)}", flush=True)
    with ExitStack() as stack:
        for server in servers:
            server.start()
            stack.callback(server.stop)
            body = server.ask.bodies(model.rows[:1])
            server.wait(body[0] if body else None)
            server.pause()
        return race(servers, model, {server.name: COUNTS[model.name] for server in servers}, plan)


def our_servers(home: Installation, model: Model) -> list[Server]:
    """Return Slipway's servers of the model, and of the logistic regression what both servers allow."""
    left = f"{model.name}-left"
    home.publish(ours.route(model.name, model.package), ours.route(left, model.left_on_sklearn))
    first = home.gateway(OURS, ours.ask(model.name))
    if model.name == FOREST:
        return [first, home.gateway(OURS_SKLEARN, ours.ask(left))]
    second = home.gateway(OURS_GRANIAN, ours.ask(model.name), GATEWAY_SERVER="granian")
    pairs = [(app, kind) for app in (HELLO, BARE) for kind in ("granian", "uvicorn")]
    return [first, second, *(limit(home, f"{app}-{kind}", app, kind, model) for app, kind in pairs)]


def limit(home: Installation, name: str, app: str, kind: str, model: Model) -> Server:
    """Return a program that shows what the server leaves to win: a bare hello, or a bare prototype."""
    port, log = free_port(), home.folder / "log" / f"{name}.log"
    command = [sys.executable, "-m", f"{APPS}.{app}", kind, str(port)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "MODEL_FOLDER": str(model.folder)}
    asked = Ask("/", None) if app == HELLO else replace(ours.ask(model.name), headers={})
    return Server(name, command, environment, port, asked, log, folder=ROOT)


def others(model: Model, names: Sequence[str], home: Installation) -> list[Server]:
    work = home.folder / "peers" / model.name
    return [PEERS[name].server(model, FOLDER / "venvs", work) for name in names if model.name in PEERS[name].models]


if __name__ == "__main__":
    sys.exit(main())
