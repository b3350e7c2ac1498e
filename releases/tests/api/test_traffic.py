from __future__ import annotations

import time

from redis import Redis

from serving.metrics import store
from serving.metrics.histogram import bucket
from serving.metrics.recorder import Pending
from serving.metrics.series import Series


def test_it_says_where_the_time_goes_and_who_was_turned_away(redis: Redis, manager_calls, packages, environments):
    counted = {"starts": 10, "completions": 10, "rows": 40, "seconds": 0.5, "queued": 0.1, "computed": 0.2}
    key = ("flight-eta", 1, "stable", packages[0].digest, "rest", "v1")
    found = [
        Series(*key, **counted, latency={bucket(0.05): 10}),
        Series("flight-eta", 0, "", "", "rest", "v1", refused=3, errors={"401 key": 2, "429 rate": 1}),
    ]
    at = int(time.time()) - 30
    store.write(redis, "a", [Pending("dev", step, at - at % step, 1, found) for step in (1, 10)])
    answer = manager_calls.get("/api/traffic/?model=flight-eta&environment=dev").json()
    (package,) = answer["packages"]
    assert (package["package"], package["rows"], package["calls"]) == (1, 40, 10)
    assert (package["queue_seconds"], package["model_seconds"]) == (0.01, 0.02)
    assert answer["turned_away"] == [
        {"status": 401, "kind": "key", "calls": 2},
        {"status": 429, "kind": "rate", "calls": 1},
    ]
