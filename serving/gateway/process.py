"""One gateway process: its parts put together, and its life from the start to a signal."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import uvloop

from serving.gateway import server
from serving.gateway.after import After
from serving.gateway.answer import Gateway
from serving.gateway.callers import Callers
from serving.gateway.capture import Captures
from serving.gateway.capturing import Capturing
from serving.gateway.clock import Clock
from serving.gateway.config import WRONG_SETTING, Config, ConfigError, read_config
from serving.gateway.disk import Disk
from serving.gateway.heart import Heart
from serving.gateway.journal import Journal
from serving.gateway.mirror import Mirror
from serving.gateway.mirroring import Mirroring
from serving.gateway.pool import Pool
from serving.gateway.predicting import Predictor
from serving.gateway.request_log import RequestLog
from serving.gateway.scrape import Scrape
from serving.gateway.shares import Shares
from serving.gateway.spans import spans_of
from serving.gateway.straight import StraightDoor
from serving.gateway.strangers import Strangers
from serving.gateway.streams import Streams
from serving.gateway.world import Live
from serving.gateway.writing import Handler, Writer
from serving.metrics.recorder import Pending, Recorder
from serving.sync import Follower

LAST_WORDS_SECONDS = 0.7
# A worker thread that computes gives way to the event loop this often.
SWITCH_SECONDS = 0.0005
RARELY = (10_000, 20, 50)
T = TypeVar("T")
log = logging.getLogger("slipway.gateway")


class Process:
    """The parts of one gateway process and the threads around its event loop."""

    def __init__(self, config: Config, writer: Writer) -> None:
        self.config, self.boot = config, secrets.token_hex(6)
        self.recorder, self.live, self.disk = Recorder(), Live(), Disk(config.data)
        self.journal = Journal(config.data, last_exit=config.last_exit)
        self.pool = Pool(self.disk.artefacts, config.token, self.journal)
        self.follower = Follower(config, self.live, self.pool, self.disk, self.journal, lambda: self.heart.nudge())
        self.shares = Shares(self.boot, config.data, self._shared)
        states, line = self.follower.states, self.follower.line
        self.captures = Captures(self.live, clock=self.recorder.now)
        self.capturing = Capturing(config.redis_url, self.boot, self.captures)
        self.mirror = Mirror(self.live, clock=self.recorder.now)
        self.mirroring = Mirroring(self.live, self.mirror)
        clock = Clock(lambda: self.recorder.offset, lambda offset: self._on_loop(self._agree, offset))
        told = self.captures.told
        self.heart = Heart(config, self.boot, states, lambda: line.cut_off, self.shares, clock, self._written, told)
        self.predictor, self.callers = Predictor(self.recorder), Callers(self.shares.gateways)
        self.strangers = Strangers(config.hops)
        model = config.mlflow_model
        counters = {
            "slipway_log_dropped_total": ("Lines that the log had to drop.", lambda: float(writer.dropped)),
            "slipway_shadow_dropped_total": (
                "Requests that a shadow did not get for want of room.",
                lambda: float(self.mirror.dropped.total()),
            ),
            "slipway_spans_dropped_total": ("Spans that the collector did not take in time.", self._spans_dropped),
        }
        scrape = Scrape(config, self.recorder, self.live, counters)
        self.gateway = Gateway(
            self.live,
            self.predictor,
            self.callers,
            self.boot,
            model,
            self.strangers,
            scrape,
            Streams(config.redis_url, config.stream_most),
            self.recorder.now,
        )
        self.requests = RequestLog(writer, self.live, config.log_sample)
        self.spans = spans_of(config, self.recorder.now)
        observers = (self.requests,) if self.spans is None else (self.requests, self.spans)
        self.after = After(self.recorder, self.live, observers, (self.captures.offer, self.mirror.offer))
        self.server, self._sweep_door = self._server()
        self._stop = threading.Event()

    def _server(self) -> tuple[server.Server, Callable[[], None]]:
        """The server with its door, and what the door wants to be done once a second."""
        if self.config.server == "granian":
            # Half of what the process would import, for a server that most never ask for.
            from serving.gateway.granian import GranianServer
            from serving.gateway.rsgi import RsgiDoor

            rsgi = RsgiDoor(self.gateway, self.after)
            return GranianServer(self.config, rsgi), rsgi.sweep
        straight = StraightDoor(self.gateway, self.after)
        return server.UvicornServer(self.config, straight), straight.sweep

    async def serve(self) -> None:
        """Answer until a signal comes, then finish what is in flight."""
        self._loop = asyncio.get_running_loop()
        following, beating = self._thread(self.follower.run), self._thread(self.heart.run)
        sending = [self._thread(self.capturing.run), self._thread(self.mirroring.run)]
        if self.spans is not None:
            sending.append(self._thread(self.spans.run))
        for thread in (following, beating, *sending):
            thread.start()
        ticking = asyncio.create_task(self._tick())
        await server.until_signal(self.server)
        ticking.cancel()
        self._offer()
        self._stop.set()
        self.heart.nudge()
        # Redis may be away, and the process must end in time all the same.
        await asyncio.gather(*(asyncio.to_thread(thread.join, LAST_WORDS_SECONDS) for thread in (beating, *sending)))
        self.journal.clear()

    def _spans_dropped(self) -> float:
        return 0.0 if self.spans is None else float(self.spans.dropped)

    def _thread(self, work: Callable[[threading.Event], None]) -> threading.Thread:
        return threading.Thread(target=work, args=(self._stop,), daemon=True, name=work.__qualname__)

    async def _tick(self) -> None:
        """Just after each full second: count what is overdue, hand the counts over, log what failed."""
        while True:
            await asyncio.sleep(1.0 - self.recorder.now() % 1.0 + 0.005)
            self._offer()
            self._sweep_door()
            self.requests.sweep()
            for (model, package, name), count in self.predictor.failures.items():
                log.warning("%s, package %d: %d requests failed with %s.", model, package, count, name)
            self.predictor.failures.clear()
            for line in self.strangers.told():
                log.warning("%s", line)

    def _offer(self) -> None:
        self.recorder.sweep()
        self.shares.offer(self.callers)
        self.heart.offer(*self.recorder.collect())

    def _written(self, cells: list[Pending]) -> None:
        self._on_loop(self.recorder.written, cells)

    def _agree(self, offset: float) -> None:
        """The heart writes nothing before the counts that it is offered go by the new clock."""
        self.recorder.agree(offset)
        self._offer()
        self.heart.resume()

    def _on_loop(self, work: Callable[[T], None], argument: T) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work, argument)

    def _shared(self, shares: dict[str, dict[str, float]]) -> None:
        self._on_loop(self.callers.share, shares)


def main() -> int:
    """Return the exit code: 0 after a stop in good order, 78 for a setting that cannot be started with."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        config = read_config()
        server.check_address(config)
    except ConfigError as error:
        log.error("%s", error)
        return WRONG_SETTING
    writer = Writer(config.log)
    _log_through(writer)
    if config.nice:
        os.nice(config.nice)
    server.allow_many_connections()
    sys.setswitchinterval(SWITCH_SECONDS)
    # What was imported stays for good: looking through it for garbage would only hold up requests, now and then.
    gc.freeze()
    gc.set_threshold(*RARELY)
    gc.enable()
    # A signal that comes before the event loop or after it changes nothing: there is nothing left to finish.
    for number in server.SIGNALS:
        signal.signal(number, lambda *_: None)
    log.info("%s answers at %s.", config.name, config.address)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(config, writer))
    return 0


def _log_through(writer: Writer) -> None:
    """From here on no thread waits until what it says is written."""
    writer.start()
    logging.basicConfig(level=logging.INFO, handlers=[Handler(writer)], force=True)


async def _run(config: Config, writer: Writer) -> None:
    await Process(config, writer).serve()
