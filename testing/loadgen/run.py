"""Send at the scheduled moments, over kept-alive connections, and tell what came of each request."""

from __future__ import annotations

import asyncio
import json
import selectors
import ssl
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import aiohttp

from testing.loadgen.tally import CONNECTION, STOPPED, TIMEOUT, UNSENT, Outcome, Tally

T = TypeVar("T")
KEEPALIVE = 3.0  # seconds; below the 5 of common servers, so that no request meets a connection that is just closing
WINDOWS_KEPT = 3600
STOP_PATIENCE = 1.0
TURNED_AWAY = (429, 503)


@dataclass(frozen=True)
class Call:
    """One POST."""

    url: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """`connections` open at once, `in_flight` requests waiting or sent, seconds of `timeout`, seconds that are late.

    `trust` says whom to believe behind https; without it, the certificates that this machine knows.
    """

    connections: int = 256
    in_flight: int = 2000
    timeout: float = 10.0
    late_after: float = 0.010
    trust: ssl.SSLContext | None = None


@dataclass
class Result:
    """All outcomes added up, the last hour by the second in which each request ended, and the seconds it took."""

    totals: Tally = field(default_factory=Tally)
    windows: deque[Tally] = field(default_factory=lambda: deque(maxlen=WINDOWS_KEPT))
    seconds: float = 0.0


class Came(NamedTuple):
    """What an answer was."""

    status: int | None = None
    error: str | None = None
    package: str | None = None
    sentence: str = ""
    turned_away: bool = False


OnWindow = Callable[[Tally], None]
OnOutcome = Callable[[Outcome], None]


async def run(
    schedule: Iterable[float],
    calls: Iterator[Call],
    *,
    limits: Limits | None = None,
    on_window: OnWindow | None = None,
    on_outcome: OnOutcome | None = None,
    stop: asyncio.Event | None = None,
) -> Result:
    """Send one call at each moment of the schedule (seconds from now) and return when all have ended.

    `on_window` gets each second's tally, `on_outcome` each outcome. `stop` ends it early: no more is sent, and what is
    still on its way a second later is counted as `stopped`. Ends also when `calls` does.
    """
    generator = _Generator(limits or Limits(), on_window, on_outcome)
    return await generator.run(schedule, calls, stop or asyncio.Event())


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop that wakes to the tenth of a millisecond (epoll's timer counts whole ones)."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(work)


class _Generator:
    def __init__(self, limits: Limits, on_window: OnWindow | None, on_outcome: OnOutcome | None) -> None:
        self.limits, self.on_window, self.on_outcome = limits, on_window, on_outcome
        self.result, self.window = Result(), Tally()
        self.tasks: set[asyncio.Task[None]] = set()
        self.loop = asyncio.get_running_loop()
        self.start = self.loop.time()
        self.free = asyncio.Semaphore(limits.connections)

    def now(self) -> float:
        return self.loop.time() - self.start

    async def run(self, schedule: Iterable[float], calls: Iterator[Call], stop: asyncio.Event) -> Result:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE, ssl=self.limits.trust or True)
        timeout = aiohttp.ClientTimeout(total=self.limits.timeout)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            self.session, self.start = session, self.loop.time()
            ticker = self.loop.create_task(self.tick())
            await self.send_all(schedule, calls, stop)
            await self.finish(stop)
            await _end(ticker)
        if self.window.finished or self.window.unsent:
            self.close_window()
        self.result.seconds = self.now()
        return self.result

    async def send_all(self, schedule: Iterable[float], calls: Iterator[Call], stop: asyncio.Event) -> None:
        sending, stopped = self.loop.create_task(self.send_each(schedule, calls)), self.loop.create_task(stop.wait())
        try:
            await asyncio.wait({sending, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(stopped)
            await _end(sending)

    async def send_each(self, schedule: Iterable[float], calls: Iterator[Call]) -> None:
        for intended, call in zip(schedule, calls, strict=False):
            # Give way even when behind, so that answers are read; after a pause all that is due goes out at once.
            await asyncio.sleep(max(0.0, intended - self.now()))
            woken = self.now()
            if len(self.tasks) >= self.limits.in_flight:
                self.observe(Outcome(intended, woken, woken, woken, error=UNSENT))
                continue
            task = self.loop.create_task(self.send(call, intended, woken))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def finish(self, stop: asyncio.Event) -> None:
        """Wait for what is on its way: until it ends by itself, or for a second once stopped."""
        if not stop.is_set() and self.tasks:
            stopped = self.loop.create_task(stop.wait())
            everything: asyncio.Future[Any] = asyncio.gather(*self.tasks)
            await asyncio.wait({everything, stopped}, return_when=asyncio.FIRST_COMPLETED)
            await _end(stopped)
        if self.tasks:
            _, left = await asyncio.wait(self.tasks, timeout=STOP_PATIENCE)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def send(self, call: Call, intended: float, woken: float) -> None:
        sent = woken
        try:
            async with self.free:
                sent = self.now()
                came = await self.post(call)
        except asyncio.CancelledError:
            came = Came(error=STOPPED)
        done = self.now()
        self.observe(Outcome(intended, woken, sent, done, came.status, came.error, came.package, *came[3:]))

    async def post(self, call: Call) -> Came:
        try:
            async with self.session.post(
                call.url, data=call.body, headers=call.headers, allow_redirects=False
            ) as answer:
                body, package = await answer.read(), answer.headers.get("X-Package")
                if 200 <= answer.status < 300:
                    return Came(answer.status, None, package)
                turned_away = answer.status in TURNED_AWAY and "Retry-After" in answer.headers
                return Came(answer.status, f"status {answer.status}", package, said(body), turned_away)
        except TimeoutError:
            return Came(error=TIMEOUT, sentence=f"no answer within {self.limits.timeout:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Came(error=CONNECTION, sentence=str(error) or type(error).__name__)

    def observe(self, outcome: Outcome) -> None:
        self.window.observe(outcome, self.limits.late_after)
        self.result.totals.observe(outcome, self.limits.late_after)
        if self.on_outcome:
            self.on_outcome(outcome)

    async def tick(self) -> None:
        second = 0
        while True:
            second = max(second + 1, int(self.now()))
            await asyncio.sleep(second - self.now())
            self.close_window()

    def close_window(self) -> None:
        closed, self.window = self.window, Tally()
        self.result.windows.append(closed)
        if self.on_window:
            self.on_window(closed)


def said(body: bytes, most: int = 300) -> str:
    """Return the sentence of an error answer: its `error`, else its first characters."""
    try:
        found = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        found = body[:most].decode("utf-8", "replace")
    return str(found)[:most]


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task of ours and wait for its end; an error of its own is raised here."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
