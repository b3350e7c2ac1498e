"""The flights: 60,000 real departures from New York in 2013, split by month into training and traffic."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

FILE = Path(__file__).parent / "data" / "flights.csv.gz"
TRAIN, TRAFFIC = range(1, 7), range(7, 9)
FEATURES = ("distance", "month", "hour", "carrier", "origin", "dest")
TARGET = "air_time"


class Flight(NamedTuple):
    """One departure; distance in miles, air_time in minutes, hour of the scheduled departure."""

    month: int
    day: int
    hour: int
    carrier: str
    origin: str
    dest: str
    distance: int
    air_time: int

    def features(self) -> dict[str, int | str]:
        """Return what a client sends: the signature's fields, without the answer."""
        return {name: getattr(self, name) for name in FEATURES}


def read(months: Container[int]) -> Iterator[Flight]:
    """Yield the flights of these months (1-12), earliest first."""
    with gzip.open(FILE, "rt", encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        for month, day, hour, carrier, origin, dest, distance, air_time in rows:
            if int(month) in months:
                yield Flight(int(month), int(day), int(hour), carrier, origin, dest, int(distance), int(air_time))


def frame(months: Container[int]) -> pd.DataFrame:
    """Return the flights of these months as a frame with `Flight`'s columns; distance is float64, as it is served."""
    import pandas as pd  # heavy, and only training needs it

    return pd.DataFrame(read(months), columns=list(Flight._fields)).astype({"distance": "float64"})
