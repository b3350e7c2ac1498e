"""Rehearsal: the way back and in again, played through under light traffic before anybody needs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from releases.actions import releases as verbs
from releases.actions import rollbacks
from releases.models import Package, Release, Route
from testing import target
from testing.client import GatewayClient, GatewayError
from testing.suites import asking
from testing.suites.base import Failed, Figure, Report, Stop, Subject
from testing.suites.settings import number

LOOK = 0.1


@dataclass(frozen=True)
class Settings:
    """What can be set for each model."""

    rate: float = number(10.0, 0.5, 100, "req/s", "the light traffic meanwhile")
    back_seconds: float = number(10.0, 1, 120, "s", "how soon after the click the other package answers everything")
    patience: float = number(120.0, 5, 1200, "s", "how long the release back in may take")


class Rehearsal:
    """Leaves the environment as it was: the package is released again whatever the way back showed."""

    kind, label = "rehearsal", "Rehearsal"
    summary = "The rollback and the release again, played through under light traffic: no call may be lost."
    queue, seconds, expected = "load", 900.0, 4
    Settings = Settings

    def run(self, subject: Subject, report: Report) -> None:
        back = _way_back(subject)
        with traffic(subject) as seen:
            try:
                _back(subject, report, back)
            finally:
                again = release_again(subject)
        _in_again(subject, report, again)
        _lost(report, seen, back)

    def tidy(self, subject: Subject) -> None:
        """A worker that died in the middle left the other package live; only what this very run did is taken up."""
        route = _route(subject)
        releases = Release.traffic.filter(model=route.model, environment=route.environment).order_by("-id")
        last = releases.first()
        if last and last.is_rollback and last.reason == _reason(subject):
            release_again(subject)


@dataclass
class Seen:
    """What the light traffic met: answers by package, and sentences of those that failed."""

    answers: dict[str, int]
    failures: list[str]


@contextmanager
def traffic(subject: Subject) -> Iterator[Seen]:
    """Ask one row at the rate until the block ends."""
    seen, over = Seen({}, []), threading.Event()

    def ask() -> None:
        with target.client(subject.environment.name) as client:
            while not over.wait(1 / subject.settings.rate):
                try:
                    name = str(_ask(client, subject))
                    seen.answers[name] = seen.answers.get(name, 0) + 1
                except GatewayError as error:
                    seen.failures.append(f"{error.status}: {error.sentence}")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(15)


def _way_back(subject: Subject) -> Package | None:
    """The package that a rollback would return to; None where the model would go off. Raises Stop."""
    route = _route(subject)
    if route.stable_id != subject.package.pk:
        raise Stop("errored", f"Package {subject.package.number} is not live in {subject.environment.name} any more.")
    return route.previous


def _back(subject: Subject, report: Report, back: Package | None) -> None:
    name = f"back to package {back.number}" if back else "off, for no package was live before"
    with report.case(name) as case:
        began = time.monotonic()
        release = rollbacks.roll_back(
            actor=None,
            model=subject.package.model,
            environment=subject.environment,
            package=back,
            leaving=None if back else subject.package,
            off=back is None,
            reason=_reason(subject),
        )
        wanted = back.number if back else None
        took = _until(report, lambda: _answering(subject) == wanted, subject.settings.back_seconds)
        if took is None:
            gone = time.monotonic() - began
            raise Failed(f"Package {_answering(subject)} still answers {gone:.1f} s after the rollback.")
        took = time.monotonic() - began
        _until(report, lambda: not _unfinished(release), subject.settings.patience)
        report.figures.append(Figure("rollback", took, "s", subject.settings.back_seconds))
        case.evidence = f"all calls after {took:.1f} s, release {release.pk}"


@dataclass(frozen=True)
class Again:
    """How the release back in went: None where the package had never left."""

    release: Release
    seconds: float
    answering: int | None


def release_again(subject: Subject) -> Again | None:
    """Release the package again, so that the environment is as it was; looks at nothing that could stop it."""
    if _route(subject).stable_id == subject.package.pk:
        return None
    began, patience = time.monotonic(), subject.settings.patience
    _until(None, lambda: verbs.unfinished(subject.package.model, subject.environment) is None, patience)
    release = verbs.promote(
        actor=None,
        package=subject.package,
        environment=subject.environment,
        strategy="recreate" if _route(subject).stable_id is None else "",
        reason=_reason(subject),
    )
    _until(None, lambda: not _unfinished(release), patience)
    _until(None, lambda: _answering(subject) == subject.package.number, patience)
    release.refresh_from_db()
    return Again(release, time.monotonic() - began, _answering(subject))


def _in_again(subject: Subject, report: Report, again: Again | None) -> None:
    name, number = f"package {subject.package.number} again", subject.package.number
    if again is None:
        report.not_offered(name, "It never left.")
        return
    with report.case(name) as case:
        release = again.release
        case.check(release.state == Release.State.LIVE, f"Release {release.pk} is {release.state}. {release.note}")
        case.check(again.answering == number, f"Package {again.answering} answers.")
        report.figures.append(Figure("release", again.seconds, "s"))
        case.evidence = f"live after {again.seconds:.1f} s, release {release.pk}"


def _reason(subject: Subject) -> str:
    return f"{subject.run}, a rehearsal"


def _lost(report: Report, seen: Seen, back: Package | None) -> None:
    name, count = "no call was lost", sum(seen.answers.values())
    if back is None:
        report.not_offered(name, f"No other package was there to answer; {len(seen.failures)} calls met a closed door.")
        return
    with report.case(name) as case:
        case.check(
            not seen.failures, f"{len(seen.failures)} of {count + len(seen.failures)} failed: {seen.failures[:1]}."
        )
        case.check(count > 0, "Nothing was asked.")
        case.evidence = ", ".join(f"package {name}: {number} answers" for name, number in sorted(seen.answers.items()))


def _route(subject: Subject) -> Route:
    routes = Route.objects.select_related("stable", "previous")
    return routes.get(model=subject.package.model, environment=subject.environment)


def _answering(subject: Subject) -> int | None:
    """Number of the package that answers now, None where none does."""
    with target.client(subject.environment.name) as client:
        try:
            return _ask(client, subject)
        except GatewayError:
            return None


def _ask(client: GatewayClient, subject: Subject) -> int | None:
    return client.predict_v1(subject.model, asking.instances(subject.package, subject.package.example[:1])).package


def _unfinished(release: Release) -> bool:
    return Release.objects.filter(pk=release.pk, state__in=Release.UNFINISHED).exists()


def _until(report: Report | None, done: Callable[[], bool], seconds: float) -> float | None:
    """Look until it is done; the seconds it took, None where it was not. A report may stop the looking."""
    began = time.monotonic()
    while time.monotonic() - began <= seconds:
        if done():
            return time.monotonic() - began
        if report:
            report.look()
        time.sleep(LOOK)
    return None
