"""The judge of a release, kept in the database: begun with its first share of the traffic, fed with closed windows."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.db import IntegrityError, transaction

from releases import health
from releases.analysis.batch import Arm, Batch
from releases.analysis.settings import Settings
from releases.analysis.verdict import FINAL, Judge, Verdict, replay
from releases.errors import LostRace
from releases.health import Window
from releases.models import JudgedBatch, Judgement, Release

log = logging.getLogger(__name__)
# A person waits while so many batches are judged again: eleven hours of a canary, about ten seconds.
MOST_AGAIN = 4000


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
    return verdict


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
    return replay(wanted, past, [Batch.from_json(each) for each in stored])


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
