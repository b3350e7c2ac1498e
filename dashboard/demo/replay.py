"""Real inputs for each demo model, one after the other and without end, as the gateway takes them."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from dashboard.demo import flights
from dashboard.demo.recipes import breast_cancer

Row = dict[str, Any]
SEED = 2013


def flown() -> list[Row]:
    """Return the 10,506 flights of July and August, earliest first."""
    return [flight.features() for flight in flights.read(flights.TRAFFIC)]


def trips(count: int = 2000) -> list[Row]:
    """Return drawn journeys: 1 to 1000 km at 3 to 130 km/h."""
    draw = random.Random(SEED)  # noqa: S311 - inputs, not secrets
    return [
        {"distance": round(draw.uniform(1, 1000), 1), "speed": round(draw.uniform(3, 130), 1)} for _ in range(count)
    ]


ROWS: dict[str, Callable[[], list[Row]]] = {
    "flight-eta": flown,
    "breast-cancer": breast_cancer.rows,
    "travel-time": trips,
}


def bodies(model: str) -> Iterator[bytes]:
    """Yield V1 requests of one row each, in order and from the start again; `model` is one of ROWS."""
    rows = ROWS[model]()
    return itertools.cycle([json.dumps({"instances": [row]}).encode() for row in rows])
