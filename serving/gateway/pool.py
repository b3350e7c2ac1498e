"""The loaded packages: loaded once, warmed before they are used, unloaded when nobody needs them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from serving import artefacts, runtimes
from serving.artefacts import EXAMPLE, Manifest
from serving.contract import Batch, Decoder, Signature
from serving.gateway.batcher import TICK_ROWS, Busy, Flights, Ticks, Waiting
from serving.gateway.journal import Journal
from serving.gateway.messages import Request
from serving.metrics.recorder import Call
from serving.routing import Target
from serving.runtimes import Answer, ModelError, Runtime
from serving.runtimes.apart import Apart, Nursery

# Above this a call would hold up every other request of the event loop, so it gets a thread.
# `LONGEST_TICK` is what a call of many rows may take if each costs what a call of one does; most cost far less.
TICK_SECONDS, LONGEST_TICK, INLINE_BODY = 0.0003, 0.01, 64 * 1024
MOST_READING = 16
LINGER_SECONDS = 2.0
WARM_CALLS = 5
T = TypeVar("T")


class Package:
    """One loaded package. `cost` is the fastest warm call in seconds; `busy` counts the requests that hold it.

    `sample` is the answer of a warm call, and `outputs` what the protocols have worked out from it.
    """

    def __init__(self, manifest: Manifest, decoder: Decoder, runtime: Runtime, journal: Journal) -> None:
        self.manifest, self.decoder, self.runtime = manifest, decoder, runtime
        self.sample: Answer | None = None
        self.outputs: Any = None
        self._journal, self._slot = journal, journal.slot(manifest.package)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"package-{manifest.package[7:15]}")
        # Of its own, so that what takes long to read does not hold up what the model computes; started when it is used.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix=f"reading-{manifest.package[7:15]}")
        self._ticks, self._flights = Ticks(self._call), Flights(self.compute, self._worker)
        self._reading = 0
        self.busy, self.cost = 0, 0.0

    @property
    def cost(self) -> float:
        return self._cost

    @cost.setter
    def cost(self, seconds: float) -> None:
        """A quick package may hold up the event loop for as long as a call takes."""
        self._cost, self._quick = seconds, seconds <= TICK_SECONDS and self.runtime.inline
        self._ticks.rows = int(LONGEST_TICK / max(seconds, LONGEST_TICK / TICK_ROWS))

    @property
    def waiting(self) -> int:
        """How many requests wait for this package."""
        return len(self._ticks) + len(self._flights)

    def ask(self, waiting: Waiting) -> None:
        """Give it the answer, what the model raises, or TimeoutError at its deadline.

        Raises Busy, and TimeoutError when the deadline has passed.
        """
        if (left := waiting.call.left()) <= 0:
            raise TimeoutError
        if self._quick and waiting.batch.rows <= self._ticks.rows:
            self._ticks.ask(waiting)
        else:
            self._flights.ask(waiting, left)

    def check(self, call: Call) -> None:
        """Raise Busy or TimeoutError when this call could not be answered in time: before its body costs anything."""
        if not self._quick:
            if (left := call.left()) <= self.cost:
                raise TimeoutError
            self._flights.check(left)

    async def read(self, request: Request, parse: Callable[[Package, Request], T], left: float) -> T:
        """Return `parse(self, request)` of a large body, read in a thread so that others are answered.

        Raises what `parse` raises, Busy, and TimeoutError when it takes longer than `left` seconds.
        """
        if self._reading >= MOST_READING:
            raise Busy(1)
        self._reading += 1
        try:
            future = asyncio.get_running_loop().run_in_executor(self._reader, parse, self, request)
            return await asyncio.wait_for(future, max(0.0, left))
        finally:
            self._reading -= 1

    def _call(self, batch: Batch) -> Answer:
        return self._marked(batch, self._slot)

    def compute(self, batch: Batch) -> Answer:
        """Ask the model, and wait for it: never on an event loop. Raises what it raises."""
        return self._marked(batch, self._slot + 1) if self.runtime.inline else self.runtime.predict(batch)

    def _marked(self, batch: Batch, place: int) -> Answer:
        """A model that computes in this process may end it, so the journal knows that it is at work."""
        self._journal.enter(place)
        try:
            return self.runtime.predict(batch)
        finally:
            self._journal.leave(place)

    def warm(self, rows: list[dict[str, Any]]) -> None:
        """Predict the rows a few times and keep the fastest time; raises what the model raises."""
        batch = self.decoder.batch(rows)
        seconds = []
        for _ in range(WARM_CALLS):
            began = time.perf_counter()
            self.sample = self.compute(batch)
            seconds.append(time.perf_counter() - began)
        self.cost = min(seconds)

    def close(self) -> None:
        for executor in (self._worker, self._reader):
            executor.shutdown(wait=False, cancel_futures=True)
        self.runtime.close()
        self._journal.release(self._slot)


def inline(request: Request) -> bool:
    """Whether a body of JSON is short enough to be read on the event loop."""
    return len(request.body) <= INLINE_BODY


class Pool:
    """All packages of one gateway, by artefact digest. Only the thread that follows the tables loads and unloads."""

    def __init__(self, folder: Path, token: str, journal: Journal) -> None:
        self._folder, self._token, self._journal = folder, token, journal
        self._nursery = Nursery()
        self._loaded: dict[str, Package] = {}
        self._retired: list[tuple[float, str, Package]] = []

    def get(self, target: Target) -> Package:
        """Return the target's package, loaded and warm; raises ArtefactError, ModelError or SignatureError."""
        if target.artefact not in self._loaded:
            self._loaded[target.artefact] = self._take_back(target.artefact) or self._load(target)
        return self._loaded[target.artefact]

    def keep(self, wanted: set[str]) -> None:
        """Retire what is not wanted, and unload what was retired a while ago and is no longer busy."""
        now = time.monotonic()
        for artefact in self._loaded.keys() - wanted:
            self._retired.append((now, artefact, self._loaded.pop(artefact)))
        # A request that picked from the table before the swap may hold a package without having said so yet.
        done = [item for item in self._retired if now - item[0] > LINGER_SECONDS and item[2].busy == 0]
        for item in done:
            self._retired.remove(item)
            item[2].close()

    def _take_back(self, artefact: str) -> Package | None:
        for item in self._retired:
            if item[1] == artefact:
                self._retired.remove(item)
                return item[2]
        return None

    def _load(self, target: Target) -> Package:
        with self._journal.loading(target.digest):
            folder, manifest = artefacts.fetch_verified(target.url, target.artefact, self._folder, token=self._token)
            if manifest.package != target.digest:
                raise ModelError("The artefact was made from another package.")
            signature = runtimes.read_signature(folder)
            runtime = self._runtime(target, folder, manifest, signature)
            package = Package(manifest, Decoder(signature), runtime, self._journal)
            try:
                _warm(package, folder)
            except Exception:
                package.close()
                raise
            return package

    def _runtime(self, target: Target, folder: Path, manifest: Manifest, signature: Signature) -> Runtime:
        """scikit-learn computes in Python, and would hold the interpreter's lock: its models live apart."""
        if manifest.runtime == "sklearn":
            return Apart(self._nursery, folder, target.artefact, lambda: self._journal.blame(target.digest))
        return runtimes.load(folder, manifest, signature)

    def close(self) -> None:
        """End the processes of the models that live apart."""
        self._nursery.close()


def _warm(package: Package, folder: Path) -> None:
    """Warm with the package's own example; rows drawn from the signature may hold texts the model never saw."""
    path = folder / EXAMPLE
    if path.exists():
        package.warm(msgspec.json.decode(path.read_bytes())[:1])
        return
    signature = package.decoder.signature
    free_text = any(field.type == "string" and field.values is None for field in signature.inputs)
    try:
        package.warm(signature.draw(np.random.default_rng(0), 1))
    except Exception:
        if not free_text:
            raise
        package.cost = 2 * TICK_SECONDS
