"""Slipway's batch without its database: the orders that a worker gives, to one process or to several."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import msgspec

from serving.batch.__main__ import HEAD, carry_out
from serving.batch.places import UPLOADED
from serving.batch.plan import Answer, Assemble, Look, Order, Plan, Prepare, Prepared, Reply
from serving.batch.working import Packages
from serving.routing import Target

ROWS, MOST = 50_000, 10**12


def alone(folder: Path, source: Path, target: Target, rows: int = ROWS) -> None:
    """Carry out a whole job in this process."""
    packages = Packages(folder.parent / "cache")
    found, plan = _begun(folder, source, target, lambda order: carry_out(order, packages), rows)
    for chunk in found.chunks:
        carry_out(Answer(str(folder), plan, chunk), packages)
    carry_out(Assemble(str(folder), plan, [chunk.number for chunk in found.chunks], True), packages)


def together(folder: Path, source: Path, target: Target, workers: list[Worker], rows: int = ROWS) -> None:
    """Carry out a whole job with as many processes as there are."""
    found, plan = _begun(folder, source, target, workers[0].order, rows)
    left: Queue[Any] = Queue()
    for chunk in found.chunks:
        left.put(Answer(str(folder), plan, chunk))
    threads = [threading.Thread(target=_take, args=(worker, left)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    workers[0].order(Assemble(str(folder), plan, [chunk.number for chunk in found.chunks], True))


class Worker:
    """A process of `serving.batch`."""

    def __init__(self, cache: Path) -> None:
        command = [sys.executable, "-m", "serving.batch", str(cache)]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def order(self, order: Order) -> Any:
        data = msgspec.json.encode(order)
        self.child.stdin.write(HEAD.pack(len(data)) + data)
        self.child.stdin.flush()
        (length,) = HEAD.unpack(self.child.stdout.read(HEAD.size))
        reply = msgspec.json.decode(self.child.stdout.read(length), type=Reply)
        if reply.refused:
            raise SystemExit(reply.refused)
        return reply.done

    def close(self) -> None:
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait()


def _take(worker: Worker, left: Queue[Any]) -> None:
    while True:
        try:
            order = left.get_nowait()
        except Empty:
            return
        worker.order(order)


def _begun(folder: Path, source: Path, target: Target, order: Any, rows: int) -> tuple[Prepared, Plan]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UPLOADED).unlink(missing_ok=True)
    (folder / UPLOADED).hardlink_to(source)
    found = msgspec.convert(_plain(order(Prepare(str(folder), "csv", False, rows, MOST))), Prepared)
    outputs = _plain(order(Look(str(folder), "csv", [target], found.columns)))
    told = {"form": "csv", "packed": False, "digest": found.digest, "model": "flight-eta", "generation": 1}
    told |= {"targets": [_plain(target)], "columns": found.columns, "ending": found.ending, "outputs": outputs}
    return found, msgspec.convert(told, Plan)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
