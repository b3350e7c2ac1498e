"""The supervisor: start the groups in order, keep them running, print what the person needs, stop in reverse order."""

from __future__ import annotations

import asyncio
import signal

from django.conf import settings

from dashboard import endpoints
from dashboard.addresses import gateway_for
from dashboard.supervisor import children, first_start, greeting, prepare, probes
from dashboard.supervisor.child import Child, Spec
from dashboard.supervisor.guard import adopt_orphans
from dashboard.supervisor.output import Console
from dashboard.supervisor.trouble import Trouble

# The workers start after the doors, so that they do not take the first seconds from them.
DOORS_SECONDS = 6.0
LOOK_EVERY = 0.25


class Supervisor:
    """Runs everything until a signal; a second one ends it at once."""

    def __init__(self, console: Console, killed: bool = False) -> None:
        self.console, self.killed = console, killed
        self.groups: list[list[Child]] = []
        self.signals = 0
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Start, wait for the signal, stop; raises Trouble when the start fails."""
        adopt_orphans()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)
        starting = asyncio.create_task(self._start())
        ended = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait([starting, ended], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await ended
        finally:
            starting.cancel()
            await self._stop()

    def _on_signal(self) -> None:
        self.signals += 1
        self.stopping.set()
        if self.signals == 1:
            self.console.plain("\nStopping (once more: at once)")
        else:
            for child in self._everyone():
                child.kill()

    async def _start(self) -> None:
        """Broker, tables and static files side by side; then the doors; then, when they are open, the rest."""
        made = [asyncio.to_thread(step) for step in (prepare.tables, prepare.static)]
        broker = await self._begin(children.broker())
        await asyncio.gather(*made)
        await _all_ready(broker)
        await asyncio.to_thread(first_start.roles_and_environments)
        web, *gateways = await self._begin(children.doors(self.killed))
        new = await asyncio.to_thread(first_start.accounts)
        await _all_ready([web])
        self.console.plain(greeting.welcome(new))
        await _all_ready(gateways, DOORS_SECONDS)
        await self._begin(children.workers())
        for late in [gateway for gateway in gateways if not gateway.ready.is_set()]:
            self.console.bad(late.spec.name, "does not answer yet; waiting on")
        await self._demo()

    async def _demo(self) -> None:
        """Fill the demo where that is still to do; then its traffic, once production answers."""
        if not settings.DEMO:
            return
        made = settings.VAR / "demo-done"
        if not made.exists():
            await self._begin([children.demo()])
        await self._production_answers()
        if made.exists():
            self.console.plain(greeting.curl())
        if settings.DEMO_TRAFFIC_RATE:
            self.console.plain(greeting.TRAFFIC)
            await self._begin([children.traffic()])

    async def _production_answers(self) -> None:
        ask = probes.answers(*_production(), "/v2/health/ready", wanted=200, trust=endpoints.trust())
        while not (greeting.curl_file().exists() and await asyncio.to_thread(ask)):
            await asyncio.sleep(LOOK_EVERY)

    async def _begin(self, specs: list[Spec]) -> list[Child]:
        group = [Child(spec, self.console, settings.VAR / "log") for spec in specs]
        self.groups.append(group)
        for child in group:
            child.start()
        return group

    async def _stop(self) -> None:
        for group in reversed(self.groups):
            await asyncio.gather(*(child.stop(at_once=self.signals > 1) for child in group))

    def _everyone(self) -> list[Child]:
        return [child for group in self.groups for child in group]


async def _all_ready(group: list[Child], seconds: float | None = None) -> None:
    """Wait until each has answered once, at most `seconds`."""
    waiting = [asyncio.create_task(child.ready.wait()) for child in group]
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=seconds)
        for task in late:
            task.cancel()


def _production() -> tuple[str, int]:
    gateway = gateway_for(settings.GATEWAYS, children.MOST_IMPORTANT)
    if gateway is None:
        raise Trouble(f"GATEWAYS names no gateway for {children.MOST_IMPORTANT}.")
    return gateway.host, gateway.port
