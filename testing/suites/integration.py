"""Integration: the package in its environment, with the real gateway, keys, metrics, database and stores."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings as django
from django.db import connection

from releases import broker, gateways, pulse
from releases.actions import keys
from releases.models import ApiKey, Environment
from releases.queries import traffic
from serving.artefacts import folder_of, verify
from testing import target
from testing.client import GatewayClient, GatewayError
from testing.suites import asking
from testing.suites.base import Failed, Found, Report, Subject
from testing.suites.settings import number

WRONG, UNKNOWN_KEY = {"no": "such input"}, "sk_of_nobody"
REFUSED = (400, 422)


@dataclass(frozen=True)
class Settings:
    """What can be set for each model."""

    patience: float = number(20.0, 1, 120, "s", "how long a change may take to reach the gateways and the metrics")
    tolerance: float = number(1e-6, 0.0, 1.0, "", "how far V1 and V2 may be apart, as a share of their size")


class Integration:
    """Calls the environment as its clients do, and looks whether every part does its share."""

    kind, label = "integration", "Integration"
    summary = "In the environment, through its gateway: both protocols, wrong inputs, keys, metrics, every part."
    queue, seconds, expected = "long", 240.0, 12
    Settings = Settings

    def run(self, subject: Subject, report: Report) -> None:
        _adopted(subject, report)
        with target.client(subject.environment.name) as client:
            _protocols(client, subject, report)
            _wrong_inputs(client, subject, report)
            _counted(client, subject, report)
        _keys(subject, report)
        _parts(subject, report)
        for mode in ("batch", "stream"):
            report.not_offered(f"{mode} gives the same answers", f"Slipway does not serve by {mode} yet.")

    def tidy(self, subject: Subject) -> None:
        """The key of a run whose worker died is nobody's, and must open nothing."""
        for key in ApiKey.objects.filter(name=_key_name(subject), revoked_at=None):
            keys.revoke(actor=None, key=key, reason=f"{subject.run} lost its worker")


def _adopted(subject: Subject, report: Report) -> None:
    with report.case("every gateway has adopted the route") as case:
        found = _wait(lambda: _adoption(subject.environment), lambda seen: seen.complete, subject.settings.patience)
        case.check(found.known, "Redis is away, so the gateways cannot be seen.")
        case.check(found.complete, f"{found.adopted} of {found.gateways} gateways serve the newest table.")
        case.evidence = f"{found.adopted} of {found.gateways} gateways"


def _adoption(environment: Environment) -> gateways.Adoption:
    generation = Environment.objects.values_list("generation", flat=True).get(pk=environment.pk)
    return gateways.adoption(environment.name, generation, gateways.alive())


def _protocols(client: GatewayClient, subject: Subject, report: Report) -> None:
    package, rows = subject.package, subject.package.example
    with report.case("V1 answers the example") as case:
        v1 = client.predict_v1(subject.model, asking.instances(package, rows))
        case.check(v1.digest == package.digest, f"Package {v1.package} answers, not {package.number}.")
        case.check(len(v1.predictions) == len(rows), f"{len(rows)} rows got {len(v1.predictions)} answers.")
        case.evidence = f"{len(rows)} rows from package {v1.package}"
    with report.case("V2 gives the same answers") as case:
        v1 = client.predict_v1(subject.model, asking.instances(package, rows))
        v2 = client.infer_v2(subject.model, asking.tensors(package, rows))
        far = asking.apart([asking.plain(one) for one in v1.predictions], asking.of_v2(v2.body))
        case.check(far <= subject.settings.tolerance, f"V1 and V2 are {far:.2g} of their size apart.")
        case.evidence = f"{len(rows)} rows, at most {far:.2g} apart"


def _wrong_inputs(client: GatewayClient, subject: Subject, report: Report) -> None:
    package, row = subject.package, subject.package.example[0]
    for field in asking.signature(package).inputs:
        if not field.named:
            continue
        with report.case(f"a wrong {field.name} is refused by name") as case:
            error = _refused(client, subject, {**row, field.name: WRONG})
            named = {detail.get("field") for detail in error.details}
            case.check(error.status in REFUSED, f"It got {error.status}: {error.sentence}")
            case.check(any(field.name in str(name) for name in named), f"{error.sentence} names {named or 'nothing'}.")
            case.evidence = f"{error.status}: {error.sentence}"


def _refused(client: GatewayClient, subject: Subject, row: Any) -> GatewayError:
    try:
        answer = client.predict_v1(subject.model, asking.instances(subject.package, [row]))
    except GatewayError as error:
        return error
    raise Failed(f"It was answered: {answer.predictions}.")


def _counted(client: GatewayClient, subject: Subject, report: Report) -> None:
    """The cells of the metrics store, which the gateways write a second or two later."""
    with report.case("its requests show up in the metrics") as case:
        before = _seen(subject)
        case.check(before is not None, "Redis is away.")
        client.predict_v1(subject.model, asking.instances(subject.package, subject.package.example[:1]))
        after = _wait(lambda: _seen(subject), lambda seen: (seen or 0) > (before or 0), subject.settings.patience)
        case.check((after or 0) > (before or 0), f"It was not counted within {subject.settings.patience:g} s.")
        case.evidence = f"{after} requests of package {subject.package.number} in the last two minutes"


def _seen(subject: Subject) -> int | None:
    """Requests since long enough that none drops out while we wait."""
    now = datetime.now(UTC)
    found = traffic.series(subject.environment.name, subject.model, now - timedelta(minutes=2), now)
    return found.total(subject.package.number).completions if found.known else None


def _keys(subject: Subject, report: Report) -> None:
    name, patience = subject.environment.name, subject.settings.patience
    if subject.environment.keyless:
        report.not_offered("a call without a key is refused", f"{name} answers calls without a key.")
    else:
        with report.case("a call without a key is refused") as case:
            case.evidence = _turned_away(subject, None)
    with report.case("a wrong key is refused") as case:
        case.evidence = _turned_away(subject, UNKNOWN_KEY)
    with report.case("a revoked key is refused") as case, _key(subject) as (key, secret):
        _wait(lambda: _status(subject, secret), lambda status: status == 200, patience)
        case.check(_status(subject, secret) == 200, f"A new key was not answered within {patience:g} s.")
        keys.revoke(actor=None, key=key, reason=f"{subject.run} is over")
        begin = time.monotonic()
        status = _wait(lambda: _status(subject, secret), lambda status: status == 401, patience)
        case.check(status == 401, f"It was still answered {patience:g} s after it was revoked.")
        case.evidence = f"refused {time.monotonic() - begin:.1f} s after it was revoked"


def _turned_away(subject: Subject, key: str | None) -> str:
    with target.client(subject.environment.name, key=key) as client:
        error = _refused(client, subject, subject.package.example[0])
    if error.status != 401:
        raise Failed(f"It got {error.status}, not 401: {error.sentence}")
    return f"401: {error.sentence}"


def _status(subject: Subject, key: str) -> int | None:
    with target.client(subject.environment.name, key=key) as client:
        try:
            rows = asking.instances(subject.package, subject.package.example[:1])
            return client.predict_v1(subject.model, rows).status
        except GatewayError as error:
            return error.status


def _key_name(subject: Subject) -> str:
    return f"{subject.run}, integration"


@contextmanager
def _key(subject: Subject) -> Any:
    """A key of this run alone, revoked at its end whatever comes."""
    key, secret = keys.issue(
        actor=None, environment=subject.environment, name=_key_name(subject), models=[subject.model]
    )
    try:
        yield key, secret
    finally:
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).exists():
            keys.revoke(actor=None, key=key, reason=f"{subject.run} is over")


def _parts(subject: Subject, report: Report) -> None:
    parts: dict[str, Callable[[Found, Subject], None]] = {
        "the database answers": _database,
        "Redis answers": _redis,
        "the artefact store holds every byte": _store,
        "the workers are alive": _workers,
    }
    for name, look in parts.items():
        with report.case(name) as case:
            look(case, subject)


def _database(case: Found, _: Subject) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        case.check(cursor.fetchone() == (1,), "It does not answer 1 to SELECT 1.")
    case.evidence = connection.vendor


def _redis(case: Found, _: Subject) -> None:
    case.check(bool(broker.client().ping()), "It does not answer a ping.")


def _store(case: Found, subject: Subject) -> None:
    manifest = verify(folder_of(django.ARTEFACTS, subject.package.artefact), subject.package.artefact)
    case.evidence = f"{len(manifest.files)} files as they were accepted"


def _workers(case: Found, _: Subject) -> None:
    stamps = pulse.last(broker.client(), [pulse.BEAT, *pulse.QUEUES])
    away = [name for name, at in stamps.items() if at is None or time.time() - at > pulse.AWAY]
    case.check(not away, f"No sign of life from {', '.join(away)}.")
    case.evidence = ", ".join(stamps)


def _wait(look: Callable[[], Any], good: Callable[[Any], bool], seconds: float) -> Any:
    """Look until it is good or the time is over, and return the last look."""
    until = time.monotonic() + seconds
    while not good(seen := look()) and time.monotonic() < until:
        time.sleep(0.2)
    return seen
