"""Signs of life of whoever works on something for long, so that nobody takes it for dead."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis
from django.db import DatabaseError, connection
from redis.exceptions import LockError

log = logging.getLogger(__name__)
PATIENCE = 2.0


@contextmanager
def beating(renew: Callable[[], object], seconds: float) -> Iterator[None]:
    """Call `renew` every so many seconds meanwhile, from a thread; a sign that cannot be given is tried again."""
    ended = threading.Event()

    def beat() -> None:
        try:
            while not ended.wait(seconds):
                try:
                    renew()
                except (DatabaseError, redis.RedisError, LockError) as error:
                    log.warning("A sign of life could not be given: %s", error)
        finally:
            connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(PATIENCE)
