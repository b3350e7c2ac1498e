"""Where a request's time goes: each step in this process, then the live gateway under load, thread by thread.

Run: `.venv/bin/python -m benchmarks.gateway_profile [--write]`. The live part needs wrk; py-spy is installed into an
environment of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.gateway import FOLDER
from benchmarks.race import load, models, ours, report, sampling
from benchmarks.race.models import LOGISTIC, Model
from benchmarks.race.rounds import alone
from benchmarks.race.stopwatch import Seam, Stopwatch
from serving.contract import Decoder
from serving.contract.batch import Batch
from serving.gateway import predicting, prediction
from serving.gateway.batcher import Ticks
from serving.gateway.guard import Guard
from serving.gateway.messages import Reply, Request
from serving.gateway.protocols import v1
from serving.metrics.recorder import Recorder
from serving.routing import RouteTable
from serving.runtimes.onnx import OnnxRuntime
from serving.tests.inside import Inside

REQUESTS, TIMES = 4_800, 7
TOGETHER = (1, 16)
SEAMS: tuple[Seam, ...] = (
    ("limits of the key: in", Guard, "enter"),
    ("limits of the key: out", Guard, "leave"),
    ("limits of the key: headers", Guard, "headers"),
    ("pick the package", predicting, "pick"),
    ("start the count", Recorder, "start"),
    ("read and check the body", Decoder, "decode_v1"),
    ("queue for the tick", Ticks, "ask"),
    ("rows to an array", Batch, "matrix"),
    ("run the model, make its answer", OnnxRuntime, "predict"),
    ("score", prediction, "score"),
    ("write the answer", v1, "encode"),
    ("close the count", Recorder, "finish"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.gateway_profile", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--lock", type=Path, help="a file to lock while it measures")
    options = parser.parse_args()
    load.check_wrk()
    model = models.make(FOLDER / "models")[LOGISTIC]
    with alone(options.lock):
        lines = [f"{report.machine()}.", "", *steps(model), "", *sampling.live(model)]
    print("\n".join(lines))
    if options.write:
        report.keep("profile", lines)
    return 0


def steps(model: Model) -> list[str]:
    """Return the table of the steps, in microseconds of one request with one row."""
    columns = [_measured(model, together) for together in TOGETHER]
    lines = ["| Step, in process | " + " | ".join(f"µs, {n} together" for n in TOGETHER) + " |", "|---|--:|--:|"]
    names = dict.fromkeys(name for column in columns for name in column)
    return lines + [
        f"| {name} | {' | '.join(f'{column.get(name, 0.0):.1f}' for column in columns)} |" for name in names
    ]


def _measured(model: Model, together: int) -> dict[str, float]:
    whole, _ = _fastest(model, together, watched=False)
    _, found = _fastest(model, together, watched=True)
    return {**found, "everything else": whole - sum(found.values()), "**the whole**": whole}


def _fastest(model: Model, together: int, *, watched: bool) -> tuple[float, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        flow = Flow(model, Path(folder))
        return min((runner.run(flow.run(together, watched)) for _ in range(TIMES)), key=lambda found: found[0])


class Flow:
    """Requests through the gateway's function, as the straight door makes them, without a server."""

    def __init__(self, model: Model, folder: Path) -> None:
        routes = {model.name: ours.route(model.name, model.package)}
        table = RouteTable(ours.ENVIRONMENT, 1, routes, keys=(ours.key(),), limits=ours.LIMITS)
        inside = Inside(folder, table)
        self.gateway, self.recorder = inside.gateway, inside.recorder
        ask = ours.ask(model.name)
        self.path, self.bodies = ask.path, ask.bodies(model.rows)
        self.headers: Any = {"content-type": "application/json", "authorization": ask.headers["Authorization"]}
        self.open = 0

    async def run(self, together: int, watched: bool) -> tuple[float, dict[str, float]]:
        """Return microseconds of one request, and of each step when they are watched."""
        watch = Stopwatch()
        await self.gateway.answer(self._request(self.bodies[0]))
        groups = [self.bodies[at : at + together] for at in range(0, together * (560 // together), together)]
        with watch.on(SEAMS) if watched else nullcontext():
            began = time.perf_counter()
            for number in range(REQUESTS // together):
                await self._group(groups[number % len(groups)])
            took = time.perf_counter() - began
        count, cost = REQUESTS // together * together, watch.own_cost()
        return took / count * 1e6, {
            name: max(0.0, seconds - watch.calls[name] * cost) / count * 1e6 for name, seconds in watch.seconds.items()
        }

    async def _group(self, bodies: list[bytes]) -> None:
        self.open = len(bodies)
        for body in bodies:
            assert self.gateway.straight(self._request(body), self._take)
        while self.open:
            await asyncio.sleep(0)

    def _request(self, body: bytes) -> Request:
        return Request("POST", self.path, self.headers, body, time.monotonic())

    def _take(self, reply: Reply) -> None:
        assert reply.status == 200, reply.body
        if reply.call is not None:
            self.recorder.finish(reply.call)
        self.open -= 1


if __name__ == "__main__":
    sys.exit(main())
