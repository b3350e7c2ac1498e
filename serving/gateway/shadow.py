"""`python -m serving.gateway.shadow`: answers mirrored requests with other packages, and compares (D14).

It belongs to one gateway, which feeds it through its standard input and starts it again when it dies. It yields to
everything else on the machine, and nobody waits for it. What it finds goes to Redis once a second.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import msgspec
import numpy as np
from redis import Redis
from redis.exceptions import RedisError

from serving import tallies, tally
from serving.comparison import Compared, Rule, compare
from serving.contract import Batch, ContractError
from serving.gateway.config import Config, read_config
from serving.gateway.disk import Disk
from serving.gateway.journal import Journal
from serving.gateway.messages import Request
from serving.gateway.pairs import Pair, Watched, read
from serving.gateway.pool import Package, Pool
from serving.gateway.protocols import PROTOCOLS, v1
from serving.runtimes import Answer, wire
from serving.runtimes.parent import die_with_parent
from serving.sync import connect
from serving.tally import MOST_INPUT, Largest, Seen, Tally

REPORT_SECONDS, RETRY_SECONDS = 1.0, 10.0
NICE, EACH_REQUEST = 19, 3
log = logging.getLogger("slipway.shadow")


@dataclass
class Run:
    """One comparison under way: the package, once it is loaded, and what was found; `changed` since the last report.

    It writes under a `boot` of its own: paused and resumed it begins with an empty tally, which must not replace what
    this same process had found before.
    """

    watched: Watched
    boot: str = field(default_factory=lambda: secrets.token_hex(6))
    tally: Tally = field(default_factory=Tally)
    package: Package | None = None
    retry: float = 0.0
    changed: bool = True


class Shadowing:
    """One thread takes messages, another one reports; `lock` is held while a tally changes or is read."""

    def __init__(self, config: Config, redis: Redis) -> None:
        self._redis = redis
        self._journal = Journal(config.data / "shadow", last_exit=config.last_exit)
        self._pool = Pool(Disk(config.data).artefacts, config.token, self._journal)
        self._dice = random.Random()  # noqa: S311 - which row counts, no secret
        self._runs: dict[int, Run] = {}
        self.lock = threading.Lock()

    def watch(self, shadows: Iterable[Watched]) -> None:
        """Shadow these from now on; what a run found so far stays with it."""
        wanted = {each.shadow.run: each for each in shadows}
        self.report()
        with self.lock:
            for run in self._runs.keys() - wanted.keys():
                del self._runs[run]
            for run, watched in wanted.items():
                found = self._runs.setdefault(run, Run(watched))
                found.watched, found.changed = watched, True
        for found in self._runs.values():
            self._load(found)
        self._pool.keep({each.shadow.target.artefact for each in wanted.values()})
        self._journal.lift({each.shadow.target.digest for each in wanted.values()})

    def take(self, pair: Pair) -> None:
        """Answer one request with every shadow that it drew."""
        with self.lock:
            for run, count in pair.dropped.items():
                if (lost := self._runs.get(run)) is not None:
                    lost.tally.dropped, lost.changed = lost.tally.dropped + count, True
        live = None if pair.answer is None else wire.answer_of(wire.read_reply(pair.answer))
        for run in pair.runs:
            if (found := self._runs.get(run)) is not None:
                self._shadow(found, pair, live)

    def _shadow(self, run: Run, pair: Pair, live: Answer | None) -> None:
        if live is None:
            with self.lock:
                run.tally.unpaired, run.changed = run.tally.unpaired + 1, True
            return
        if run.package is None and time.monotonic() >= run.retry:
            self._load(run)
        if run.package is None:
            with self.lock:
                run.tally.dropped, run.changed = run.tally.dropped + 1, True
            return
        try:
            batch, answer, seconds = _ask(run.package, pair)
            if seconds > run.watched.deadline:
                raise TimeoutError("over the deadline")
            shadow = run.watched.shadow
            compared = compare(live, answer, Rule(shadow.atol, shadow.rtol))
        except Exception as failure:
            # A model may raise anything; for the comparison that is a pair without an answer.
            with self.lock:
                run.tally.fail(_reason(failure))
                run.changed = True
            return
        self._count(run, pair, batch, (live, answer), compared, seconds)

    def _count(
        self, run: Run, pair: Pair, batch: Batch, both: tuple[Answer, Answer], compared: Compared, seconds: float
    ) -> None:
        """One row of a request counts, drawn at random: rows of one caller are no independent trials."""
        package, row = run.package, self._dice.randrange(batch.rows)
        assert package is not None  # noqa: S101 - it has just answered
        seen = Seen(
            agrees=bool(compared.agrees[row]),
            live=float(compared.live[row]),
            shadow=float(compared.shadow[row]),
            flip=compared.flips[row],
            inputs={name: value for name, value in _inputs(package, batch, row).items() if not isinstance(value, list)},
            live_seconds=pair.seconds,
            shadow_seconds=seconds,
        )
        with self.lock:
            run.tally.add(seen, self._dice)
            run.tally.keep(_largest(package, pair, batch, both, compared, run.tally.least()))
            run.changed = True

    def _load(self, run: Run) -> None:
        """Load the package where it is not; why it cannot be stands in the tally."""
        if run.package is not None:
            return
        target, error = run.watched.shadow.target, ""
        try:
            if target.digest in self._journal.quarantined:
                raise RuntimeError("it ended the shadow process twice within a minute, and is left out")
            run.package = self._pool.get(target)
        except Exception as failure:
            error = f"Package {target.package} cannot be shadowed: {str(failure)[:300] or type(failure).__name__}."
            log.error("%s", error)
        run.retry = time.monotonic() + RETRY_SECONDS
        with self.lock:
            run.tally.error, run.tally.ready, run.changed = error, run.package is not None, True

    def report(self) -> None:
        """Write every tally that has changed; while Redis is away they wait."""
        with self.lock:
            news = [(run, self._told(run)) for run in self._runs.values() if run.changed]
        for run, data in news:
            try:
                tallies.put(self._redis, run.watched.shadow.run, run.boot, data)
            except (RedisError, OSError):
                run.changed = True

    def _told(self, run: Run) -> bytes:
        run.tally.at, run.changed = time.time(), False
        return tally.dumps(run.tally)

    def end(self) -> None:
        """Write what was found last."""
        self.report()
        self._journal.clear()
        self._pool.close()


def _ask(package: Package, pair: Pair) -> tuple[Batch, Answer, float]:
    request = Request("POST", "", pair.headers, pair.body, 0.0)
    batch, _ = PROTOCOLS[pair.protocol].parse(package, request)
    began = time.perf_counter()
    answer = package.compute(batch)
    return batch, answer, time.perf_counter() - began


def _reason(failure: Exception) -> str:
    if isinstance(failure, ContractError):
        return "refused the request"
    return str(failure) if isinstance(failure, ValueError | TimeoutError) else type(failure).__name__


def _inputs(package: Package, batch: Batch, row: int) -> dict[str, Any]:
    """Return a row's fields; those that are marked sensitive never leave the process."""
    open_fields = [item.name for item in package.decoder.fields if not item.sensitive]
    values = {name: batch.columns[name][row] for name in open_fields if name in batch.columns}
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in values.items()}


def _largest(
    package: Package, pair: Pair, batch: Batch, both: tuple[Answer, Answer], compared: Compared, least: float
) -> Iterator[Largest]:
    """Yield the rows that differ most, a few of each request, as long as they are worth keeping."""
    for row in np.argsort(-compared.apart)[:EACH_REQUEST].tolist():
        if compared.agrees[row] or compared.apart[row] <= least:
            continue
        inputs = _inputs(package, batch, row)
        if len(msgspec.json.encode(inputs)) > MOST_INPUT:
            inputs = {}
        live, shadow = (v1.predictions(answer)[row] for answer in both)
        yield Largest(apart=float(compared.apart[row]), at=pair.at, id=pair.id, inputs=inputs, live=live, shadow=shadow)


def yield_to_others() -> None:
    """Compute only with what nobody else wants; where the system knows no such class, at the lowest priority."""
    os.nice(NICE)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def serve(shadowing: Shadowing, messages: BinaryIO) -> None:
    """Take messages until there are no more."""
    while (message := read(messages)) is not None:
        if isinstance(message, Pair):
            shadowing.take(message)
        else:
            shadowing.watch(message.shadows)


def _report(shadowing: Shadowing) -> None:
    while True:
        time.sleep(REPORT_SECONDS)
        try:
            shadowing.report()
        except Exception:
            log.exception("What the shadows found could not be written.")


def main() -> None:
    """The whole life of the process."""
    # Whoever ends the gateway may signal its whole group; it ends this process when it has no more to send.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    yield_to_others()
    config = read_config()
    shadowing = Shadowing(config, connect(config.redis_url))
    threading.Thread(target=_report, args=(shadowing,), daemon=True).start()
    serve(shadowing, sys.stdin.buffer)
    shadowing.end()


if __name__ == "__main__":
    main()
    logging.shutdown()
    # A model that hangs in its thread must not hold the process.
    os._exit(0)
