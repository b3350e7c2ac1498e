"""Beat and the workers say that they are alive: a scheduler and a worker step that leave their stamps."""

from __future__ import annotations

import time
from typing import Any

from celery import beat, bootsteps

from releases import broker, pulse


class Scheduler(beat.Scheduler):
    """Celery's scheduler without its file, which a SIGKILL can spoil; each look at the clock is a sign of life."""

    _stamped = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> float:
        now = time.monotonic()
        if now - self._stamped >= pulse.EVERY / 2:
            self._stamped = now
            pulse.stamp(broker.client(), [pulse.BEAT])
        wait: float = super().tick(*args, **kwargs)
        return min(wait, pulse.EVERY)


class Step(bootsteps.StartStopStep):
    """A worker stamps its queues from its own clock, so that one with long work to do still counts as alive."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self.timer: Any = None

    def start(self, parent: Any) -> None:
        queues = list(parent.app.amqp.queues.consume_from)
        pulse.stamp(broker.client(), queues)
        self.timer = parent.timer.call_repeatedly(pulse.EVERY, pulse.stamp, (broker.client(), queues))

    def stop(self, parent: Any) -> None:
        if self.timer:
            self.timer.cancel()
            self.timer = None
