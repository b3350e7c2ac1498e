"""`python -m serving.streams`: one consumer process; it follows the route tables as a gateway does, and answers nobody.

Its settings are a gateway's. Any number of them may run, on any machine that reaches Redis.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from serving.gateway.config import WRONG_SETTING, ConfigError, read_config
from serving.gateway.disk import Disk
from serving.gateway.journal import Journal
from serving.gateway.mirroring import Mirroring
from serving.gateway.pool import Pool
from serving.gateway.world import Live
from serving.streams.consumer import Consumer
from serving.sync import Follower, connect

LAST_SECONDS = 5.0
log = logging.getLogger("slipway.stream")


def main() -> int:
    """Return the exit code: 0 after a stop in good order, 1 after a failure, 78 for a setting that cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        config = read_config()
    except ConfigError as error:
        log.error("%s", error)
        return WRONG_SETTING
    if config.nice:
        os.nice(config.nice)
    live, disk = Live(), Disk(config.data)
    journal = Journal(config.data, last_exit=config.last_exit)
    pool = Pool(disk.artefacts, config.token, journal)
    follower = Follower(config, live, pool, disk, journal, lambda: None)
    consumer = Consumer(connect(config.redis_url), live)
    mirroring, stop = Mirroring(live, consumer.mirror), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    works = (follower.run, consumer.run, mirroring.run)
    threads = [threading.Thread(target=work, args=(stop,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    log.info("Consumer %s follows the streams.", consumer.name)
    stop.wait()
    for thread in threads:
        thread.join(LAST_SECONDS)
    journal.clear()
    pool.close()
    return int(consumer.failed)


if __name__ == "__main__":
    sys.exit(main())
