"""Numbers, sizes and times in the words that people read: one rule for the precision and the unit of each kind."""

from __future__ import annotations

import math
from datetime import UTC, datetime

NOTHING = "–"
SPACE = "\u00a0"
Number = float | int | None
_SPANS = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"))


def _known(value: Number | str) -> float | None:
    """The number, or None when there is none to show (None, "", NaN, infinity)."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def rounded(number: float, digits: int = 3) -> str:
    """About three meaning digits, thousands set apart: 0.042, 1.24, 37.4, 412, 12,400."""
    if number == 0:
        return "0"
    decimals = max(0, min(digits - 1 - math.floor(math.log10(abs(number))), digits if abs(number) < 0.1 else 2))
    return f"{number:,.{decimals}f}"


def duration_parts(seconds: Number) -> tuple[str, str]:
    """A latency in seconds as (figure, unit): µs under 0.1 ms, ms under 1 s, s above."""
    known = _known(seconds)
    if known is None:
        return NOTHING, ""
    if abs(known) < 0.0001 and known:
        return f"{known * 1e6:.0f}", "µs"
    if abs(known) < 0.9995:
        return rounded(known * 1000), "ms"
    return rounded(known), "s"


def duration(seconds: Number) -> str:
    """A latency given in seconds: `37.4 ms`, `86 µs`, `1.24 s`."""
    return SPACE.join(part for part in duration_parts(seconds) if part)


def rate(per_second: Number) -> str:
    """Requests per second: `412 req/s`; under one in ten seconds, by the minute: `3 req/min`."""
    known = _known(per_second)
    if known is None:
        return NOTHING
    slow = 0 < known < 0.1
    return f"{rounded(known * 60 if slow else known, 2 if known < 10 else 3)}{SPACE}{'req/min' if slow else 'req/s'}"


def share(percent: Number) -> str:
    """A share given as 0 to 100: `25 %`, `0.04 %`; some never reads as none, nor nearly all as all."""
    known = _known(percent)
    if known is None:
        return NOTHING
    if 0 < known < 0.01:
        return f"<{SPACE}0.01{SPACE}%"
    if 99.99 < known < 100:
        return f">{SPACE}99.99{SPACE}%"
    digits = f"{known:.1f}" if 10 <= known <= 99 else f"{known:.2f}"
    return f"{digits.rstrip('0').rstrip('.')}{SPACE}%"


def percent(fraction: Number) -> str:
    """A fraction given as 0 to 1: 0.0004 is `0.04 %`."""
    known = _known(fraction)
    return share(None if known is None else known * 100)


def count(number: Number) -> str:
    """A whole number with its thousands set apart; from ten million on, in millions."""
    known = _known(number)
    if known is None:
        return NOTHING
    return f"{known / 1e6:,.1f}{SPACE}M" if abs(known) >= 1e7 else f"{known:,.0f}"


def size(number: Number) -> str:
    """Bytes in decimal units: `12 bytes`, `1.2 kB`, `48.3 MB`."""
    known = _known(number)
    if known is None:
        return NOTHING
    if known < 1000:
        return f"{known:.0f}{SPACE}{'byte' if known == 1 else 'bytes'}"
    power = min(int(math.log10(known) // 3), 4)
    return f"{rounded(known / 1000**power, 2 if known / 1000**power < 10 else 3)}{SPACE}{' kMGT'[power]}B"


def took(seconds: Number) -> str:
    """How long something lasted: a latency under a minute, then `2 min 5 s`, `3 h 20 min`, `4 days`."""
    known = _known(seconds)
    if known is None or known < 60:
        return duration(seconds)
    whole = round(known)
    if whole < 3600:
        return f"{whole // 60}{SPACE}min" + (f" {whole % 60}{SPACE}s" if whole % 60 else "")
    if whole < 86_400:
        return f"{whole // 3600}{SPACE}h" + (f" {whole % 3600 // 60}{SPACE}min" if whole % 3600 // 60 else "")
    return f"{whole // 86_400}{SPACE}{'day' if whole < 172_800 else 'days'}"


def relative(at: datetime, now: datetime | None = None) -> str:
    """`just now`, `12 s ago`, `in 3 min`, `5 days ago`; beyond thirty days the date. Both times must be aware."""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    distance = int(abs(seconds))
    if distance < 5:
        return "just now"
    if distance >= 30 * 86_400:
        return f"{at.day} {at:%b %Y}"
    words = _distance(distance)
    return f"{words} ago" if seconds > 0 else f"in {words}"


def _distance(seconds: int) -> str:
    for limit, unit, word in _SPANS:
        if seconds < limit:
            return f"{seconds // unit}{SPACE}{word}"
    days = seconds // 86_400
    return f"{days}{SPACE}{'day' if days == 1 else 'days'}"


def exact(at: datetime) -> str:
    """The time in full, with its zone: `22 Nov 2026, 14:02:31 UTC`."""
    return f"{at.day} {at:%b %Y, %H:%M:%S %Z}".strip()


def soon(at: datetime, now: datetime | None = None) -> str:
    """A time to come: `at 14:02 UTC`, on another day `on 23 Nov at 14:02 UTC`."""
    same = at.date() == (now or datetime.now(UTC)).astimezone(at.tzinfo).date()
    return f"at {at:%H:%M %Z}" if same else f"on {at.day} {at:%b at %H:%M %Z}"


def short_digest(digest: str | None) -> str:
    """`sha256:9f2c1b…71ae` as `9f2c1b…71ae`; short texts stay as they are."""
    text = (digest or "").removeprefix("sha256:")
    return text if len(text) <= 13 else f"{text[:6]}…{text[-4:]}"
