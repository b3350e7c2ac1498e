"""Captured requests on disk: the stream's entries become files by environment, model and hour; everybody reads here.

The row says how many bytes of a file count, and is written after them, in one transaction with the last entry that they
hold. A worker that dies in between leaves bytes behind the counted ones, and the next one writes over them.
"""

from __future__ import annotations

import gzip
import io
import logging
import os
import zlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction

from releases import broker
from releases.models import CaptureFile, CaptureSetting
from serving import capture_stream, captured
from serving.capture_stream import Entry
from serving.captured import Record

HOUR = timedelta(hours=1)
# A record is filed by its own time, unless the clock of its gateway is this far from that of Redis.
EARLY, LATE = timedelta(minutes=5), timedelta(hours=1)
AT_ONCE, MOST_ROUNDS = 500, 40
KEEP_DAYS = 14  # of what no setting knows any more
log = logging.getLogger(__name__)

Place = tuple[str, str, datetime]


def folder() -> Path:
    """Where the files are."""
    return settings.VAR / "captured"


def store() -> int:
    """Bring what waits in the stream to disk; return how many entries were taken out of it.

    What cannot be stored now, because the disk is full, stays in the stream, and so does what follows it in its file.
    """
    count, last, stuck = 0, None, set[Place]()
    for _ in range(MOST_ROUNDS):
        entries = capture_stream.first(broker.client(), AT_ONCE, last)
        done = _store(entries, stuck)
        capture_stream.drop(broker.client(), done)
        count += len(done)
        if len(entries) < AT_ONCE:
            break
        last = entries[-1]
    return count


def read(
    model: str, environment: str, since: datetime | None = None, until: datetime | None = None, limit: int | None = None
) -> Iterator[Record]:
    """Yield what was captured from `since` to before `until`, hour by hour, at most `limit` records.

    A file that is damaged ends early, with a warning; one that was pruned in the meantime is passed over.
    """
    files = CaptureFile.objects.filter(model=model, environment=environment)
    if since is not None:
        files = files.filter(hour__gt=since - HOUR)
    if until is not None:
        files = files.filter(hour__lt=until)
    left = limit
    for file in files.order_by("hour"):
        for record in _records(file):
            if left is not None and left <= 0:
                return
            if _within(record, since, until):
                yield record
                left = None if left is None else left - 1


def prune(now: datetime) -> None:
    """Delete what is past its keeping time, and files that no row knows."""
    kept = {
        (setting.environment.name, setting.model.name): setting.keep_days
        for setting in CaptureSetting.objects.select_related("environment", "model")
    }
    for file in CaptureFile.objects.filter(hour__lt=now - HOUR - timedelta(days=1)):
        days = kept.get((file.environment, file.model), KEEP_DAYS)
        if file.hour + HOUR < now - timedelta(days=days):
            # The file first: a row without one is deleted by the next prune, a file without a row would stay longer.
            (folder() / file.path).unlink(missing_ok=True)
            file.delete()
    known = set(CaptureFile.objects.values_list("path", flat=True))
    for path in folder().glob("*/*/*.jsonl.gz"):
        old = now.timestamp() - path.stat().st_mtime > HOUR.total_seconds()
        if old and path.relative_to(folder()).as_posix() not in known:
            path.unlink(missing_ok=True)


def _store(entries: list[Entry], stuck: set[Place]) -> list[Entry]:
    """Return the entries that may leave the stream: stored, or worth nothing; `stuck` grows by what cannot be written.

    A place that failed is left alone afterwards: a later entry that is stored says that all before it are.
    """
    caps = {
        (setting.environment.name, setting.model.name): setting.per_hour
        for setting in CaptureSetting.objects.select_related("environment", "model")
    }
    places, done = _sorted(entries, set(caps))
    for place, found in places.items():
        if place in stuck:
            continue
        try:
            _append(place, found, caps[place[:2]])
        except OSError as error:
            stuck.add(place)
            log.error("Captured requests of %s in %s wait in Redis: %s.", place[1], place[0], error.strerror)
        else:
            done += found
    return done


def _sorted(entries: list[Entry], known: set[tuple[str, str]]) -> tuple[dict[Place, list[Entry]], list[Entry]]:
    """Return the entries by place, and those that belong nowhere."""
    places: dict[Place, list[Entry]] = defaultdict(list)
    nowhere = []
    for entry in entries:
        record = _record(entry)
        if record is None or (record.environment, record.model) not in known:
            nowhere.append(entry)
        else:
            hour = datetime.fromtimestamp(record.at, UTC).replace(minute=0, second=0, microsecond=0)
            places[record.environment, record.model, hour].append(Entry(entry.place, captured.dumps(record)))
    return places, nowhere


def _append(place: Place, found: list[Entry], most: int) -> None:
    """Write what the file of this place does not hold yet, then the row that says so."""
    environment, model, hour = place
    path = f"{environment}/{model}/{hour:%Y-%m-%dT%H}.jsonl.gz"
    with transaction.atomic():
        row, _ = CaptureFile.objects.get_or_create(
            environment=environment, model=model, hour=hour, defaults={"path": path}
        )
        row = CaptureFile.objects.select_for_update().get(pk=row.pk)
        new = [entry for entry in found if entry.place > row.last_entry]
        _check_length(row)
        kept = new[: max(0, most - row.records)]
        if kept:
            row.size = _write(folder() / row.path, row.size, [entry.line for entry in kept])
        if new:
            row.records, row.over = row.records + len(kept), row.over + len(new) - len(kept)
            row.last_ms, row.last_number = new[-1].place
            row.save()


def _write(path: Path, size: int, lines: list[bytes]) -> int:
    """Put the lines, as a compressed part of its own, behind the bytes that count; return how many count then."""
    data = gzip.compress(b"".join(line + b"\n" for line in lines), 6, mtime=0)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b") as file:
        file.truncate(size)
        file.seek(size)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return size + len(data)


def _check_length(row: CaptureFile) -> None:
    """A file that was lost, or is shorter than it was, starts afresh: nothing could be put behind what is not there."""
    path = folder() / row.path
    held = path.stat().st_size if path.exists() else 0
    if held < row.size:
        log.error("%s has lost captured requests: %d bytes are left of %d.", row.path, held, row.size)
        row.size = row.records = 0


def _record(entry: Entry) -> Record | None:
    """Return the record, by the time of Redis where its gateway's clock was far off."""
    try:
        record = captured.loads(entry.line)
    except ValueError as error:
        log.warning("%s It is left out.", error)
        return None
    came = entry.place[0] / 1000
    if not came - LATE.total_seconds() <= record.at <= came + EARLY.total_seconds():
        record.at = came
    return record


class _Counted(io.RawIOBase):
    """The first `size` bytes of a file, for gzip to read."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        data = self._file.read(min(len(into), self._left))
        into[: len(data)] = data
        self._left -= len(data)
        return len(data)


def _records(file: CaptureFile) -> Iterator[Record]:
    try:
        with (
            (folder() / file.path).open("rb") as held,
            gzip.open(io.BufferedReader(_Counted(held, file.size))) as lines,
        ):
            for line in lines:
                yield captured.loads(line)
    except FileNotFoundError:
        return
    except (OSError, EOFError, ValueError, zlib.error) as error:
        log.warning("The captured requests in %s end early: %s", file.path, error)


def _within(record: Record, since: datetime | None, until: datetime | None) -> bool:
    if since is not None and record.at < since.timestamp():
        return False
    return until is None or record.at < until.timestamp()
