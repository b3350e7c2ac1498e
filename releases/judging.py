"""The judge of a release, kept in the database: begun with its first share of the traffic, fed with closed windows."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max

from releases import health
from releases.analysis.batch import Arm, Batch
from releases.analysis.settings import Settings
from releases.analysis.verdict import FINAL, Judge, Verdict
from releases.analysis.verdict import replay as judge_again
from releases.errors import LostRace
from releases.health import Window
from releases.models import JudgedBatch, Judgement, Release

log = logging.getLogger(__name__)
# A person waits while so many batches are judged again: eleven hours of a canary, about ten seconds.
MOST_AGAIN = 4000
# Counts that come after so long are late for good; more than this part of them voids a comparison (D10).
LATE_SECONDS, MOST_LATE, LEAST_COUNTED, MOST_BACK = 60, 0.01, 400, 120


def begin(release: Release, now: datetime) -> Judgement:
    """Open the judge of a release that gets its first share of the traffic, in the transaction of that change."""
    length = settings.JUDGE_BATCH_SECONDS
    began = int(now.timestamp()) // length * length
    past = _history(release, now)
    wanted = settings_of(release)
    judge = Judge(wanted, past)
    return Judgement.objects.create(
        release=release,
        settings=wanted.to_json(),
        history=[batch.to_json() for batch in past],
        minutes=len(past),
        state=judge.to_json(),
        length=length,
        began=began,
        upto=began,
    )


def settings_of(release: Release) -> Settings:
    """Return what the judge of a release is told: it decides when the last step is over, or the time of watching is."""
    steps = release.plan.get("steps") or []
    horizon = sum(seconds for _, seconds in steps) or float(release.environment.watch_seconds) or Settings().horizon
    return Settings.planned(horizon, tolerance=release.model.tolerance, check_routing=not release.model.sticky)


def advance(release: Release) -> Verdict | None:
    """Judge every window that has closed since the last look; return the newest verdict, None where there is none.

    Of two that look at once one is first, and the other raises LostRace. Nothing is skipped: what closed while no
    worker ran is taken up now, in its order.
    """
    judgement = Judgement.objects.filter(release=release).defer("history", "settings").first()
    if judgement is None:
        return None
    verdict = newest(release)
    for window in [] if _is_final(verdict) else _closed(release, judgement):
        verdict = _judge(release, judgement, window) or verdict
        if _is_final(verdict):
            break
    if verdict is None or _is_final(verdict):
        return verdict
    _look_back(release, judgement)
    return _void(verdict, judgement) if is_void(judgement) else verdict


def is_void(judgement: Judgement) -> bool:
    """Whether so many requests were counted too late that the batches say little about the truth (D10)."""
    return judgement.counted >= LEAST_COUNTED and judgement.late > MOST_LATE * judgement.counted


def _void(verdict: Verdict, judgement: Judgement) -> Verdict:
    """The record stays what it is, so that it replays to the same; only what is done about it changes."""
    words = f"{judgement.late:,} of {judgement.counted:,} requests were counted only after their batch was judged"
    return replace(verdict, state="invalid", reason=f"{words}: the comparison is void.")


def _look_back(release: Release, judgement: Judgement) -> None:
    """Compare what was judged a while ago with what is counted there now; each window once."""
    start = judgement.checked or judgement.began
    until = max(start, judgement.upto - LATE_SECONDS)
    until = min(start + (until - start) // judgement.length * judgement.length, start + MOST_BACK * judgement.length)
    if until == start:
        return
    try:
        now = health.counted(release, start, until, judgement.length)
    except redis.RedisError:
        return
    batches = release.batches.filter(at__gte=start, at__lt=until).values_list("at", "batch")
    judged: dict[int, int] = {}
    for at, batch in batches:
        judged[at] = judged.get(at, 0) + batch["candidate"]["starts"] + batch["stable"]["starts"]
    # Fewer than were judged are no sign of anything: Redis may have lost its memory since.
    moved = {
        "checked": until,
        "counted": judgement.counted + sum(judged.values()),
        "late": judgement.late + sum(max(0, now.get(at, 0) - starts) for at, starts in judged.items()),
    }
    if Judgement.objects.filter(pk=judgement.pk, checked=judgement.checked).update(**moved) == 1:
        for name, value in moved.items():
            setattr(judgement, name, value)


def _is_final(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.state in FINAL


def newest(release: Release) -> Verdict | None:
    """Return the verdict on all batches so far."""
    last = JudgedBatch.objects.filter(release=release).order_by("-number").values_list("verdict", flat=True).first()
    return Verdict.from_json(last) if last else None


def what_if(release: Release, **changes: Any) -> list[Verdict]:
    """Judge a release's stored batches again, with other settings; the record stays. Raises ValueError for nonsense."""
    judgement = Judgement.objects.get(release=release)
    wanted = Settings.from_json(judgement.settings | changes)
    past = [Batch.from_json(each) for each in judgement.history]
    stored = release.batches.order_by("number").values_list("batch", flat=True)
    if stored.count() > MOST_AGAIN:
        raise ValueError(f"It has more than {MOST_AGAIN} batches. Replay them with releases.analysis.verdict.replay.")
    return judge_again(wanted, past, [Batch.from_json(each) for each in stored])


def prune(now: datetime) -> None:
    """Drop the batches of releases that ended long ago, but for the last of each: with it stands what was found."""
    old = now - timedelta(days=settings.JUDGE_KEEP_DAYS)
    ended = JudgedBatch.objects.filter(release__ended_at__lt=old)
    last = ended.order_by().values("release").annotate(last=Max("pk")).values("last")
    ended.exclude(pk__in=list(last.values_list("last", flat=True))).delete()


def _history(release: Release, now: datetime) -> list[Batch]:
    """The hour before; where Redis is away the judge begins without one, and says so by its dispersion."""
    if release.replaces is None:
        return []
    place = (release.environment.name, release.model.name, release.replaces.digest)
    try:
        return health.history(*place, now.timestamp())
    except redis.RedisError as error:
        log.warning("Redis is away, release %s is judged without history: %s", release.pk, error)
        return []


def _closed(release: Release, judgement: Judgement) -> list[Window]:
    try:
        return health.windows(release, judgement.upto, judgement.length)
    except redis.RedisError as error:
        log.warning("Redis is away, release %s is not judged now: %s", release.pk, error)
        return []


def _judge(release: Release, judgement: Judgement, window: Window) -> Verdict | None:
    """Take in one window and return its last verdict: judge, batches and verdicts move on together, or not at all."""
    seen = judgement.upto
    judge = Judge.from_json(judgement.state)
    rows = _rows(release, judge, window, judgement.length) if window.whole else []
    moved = {
        "upto": window.at + judgement.length,
        "state": judge.to_json(),
        "skipped": judgement.skipped + (not window.whole),
    }
    try:
        with transaction.atomic():
            if Judgement.objects.filter(pk=judgement.pk, upto=seen).update(**moved) != 1:
                raise LostRace("Another worker has judged this batch.")
            JudgedBatch.objects.bulk_create(rows)
    except IntegrityError as error:
        raise LostRace("Another worker has judged this batch.") from error
    for name, value in moved.items():
        setattr(judgement, name, value)
    return Verdict.from_json(rows[-1].verdict) if rows else None


def _rows(release: Release, judge: Judge, window: Window, length: int) -> list[JudgedBatch]:
    """Judge the parts of a window in which both arms could be chosen; a silent window lets the time pass."""
    parts = window.parts or ((release.weight / 100, float(length), Arm(), Arm()),)
    rows = []
    for share, seconds, stable, candidate in parts:
        if 0 < share < 1 and not judge.final:
            batch = Batch(judge.number + 1, seconds, share, stable, candidate)
            verdict = judge.observe(batch)
            row = {"batch": batch.to_json(), "verdict": verdict.to_json(), "state": verdict.state}
            rows.append(
                JudgedBatch(release=release, number=batch.number, at=window.at, evidence=verdict.evidence, **row)
            )
    return rows
