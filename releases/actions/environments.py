"""Make, change, copy, order and delete environments."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, ProtectedError

from releases import routes
from releases.actions import audit, gates, keys
from releases.errors import Conflict, Refused
from releases.models import AuditRow, Environment, Release, Route
from releases.rights import ENVIRONMENTS, require
from releases.strategies import STRATEGIES

# These are first parts of the gateway's other addresses, and `order` is an address of the REST API.
RESERVED = frozenset({"v1", "v2", "mlflow", "metrics", "stream", "edge", "api", "order"})
EDITABLE = (
    "description",
    "keyless",
    "developers_deploy",
    "needs_previous",
    "undoes_failed_smoke",
    "watch_seconds",
    "default_strategy",
    "requests_per_second",
)


def create(
    *,
    actor: User | None,
    name: str,
    copy_of: Environment | None = None,
    before: Environment | None = None,
    last: bool = False,
    **values: Any,
) -> Environment:
    """Make an environment; a copy takes the settings, not the routes and keys.

    It stands before `before`, or before the last one: the last one answers every call without an environment in its
    address, and loses these calls only to one that is asked to be the `last`.
    """
    require(actor, ENVIRONMENTS)
    copied = {field: getattr(copy_of, field) for field in EDITABLE} if copy_of else {}
    environment = Environment(name=name, copied_from=copy_of.name if copy_of else "", **(copied | values))
    with transaction.atomic():
        environment.generation = _left_at(name)
        environment.position = 1 + (Environment.objects.aggregate(last=Max("position"))["last"] or 0)
        _check(environment)
        environment.save(force_insert=True)
        if not last and (successor := before or _last(environment)):
            _reorder([*_names_without(name, until=successor.name), name, *_names_from(successor.name, name)])
            environment.refresh_from_db(fields=["position"])
        if copy_of:
            gates.copy(copy_of, environment)
        keys.ensure_internal(environment)
        audit.record("environment.create", environment, actor=actor, environment=name, details=_settings(environment))
        routes.publish(environment, "environment made")
        transaction.on_commit(routes.send_all_quietly)
    return environment


def change(*, actor: User | None, environment: Environment, **values: Any) -> Environment:
    """Change settings; the audit row tells old and new."""
    require(actor, ENVIRONMENTS)
    if unknown := set(values) - set(EDITABLE):
        raise Refused(f"This cannot be changed: {', '.join(sorted(unknown))}.", sorted(unknown)[0])
    with transaction.atomic():
        environment = routes.lock(environment)
        old = _settings(environment)
        for field, value in values.items():
            setattr(environment, field, value)
        _check(environment)
        environment.save(update_fields=list(values))
        changed = {field: [old[field], new] for field, new in _settings(environment).items() if old[field] != new}
        if changed:
            name = environment.name
            audit.record("environment.change", environment, actor=actor, environment=name, details=changed)
            routes.publish(environment, "settings changed")
    return environment


def order(*, actor: User | None, names: list[str]) -> None:
    """Put the environments into this order; raises Refused unless each is named once."""
    require(actor, ENVIRONMENTS)
    with transaction.atomic():
        old = list(Environment.objects.values_list("name", flat=True))
        if sorted(old) != sorted(names):
            raise Refused(f"Name each of these once: {', '.join(old)}.", "names")
        _reorder(names)
        audit.record("environment.order", "the order of environments", actor=actor, details={"from": old, "to": names})
        transaction.on_commit(routes.send_all_quietly)


def delete(*, actor: User | None, environment: Environment) -> None:
    """Delete an environment that never held a release or a test; history is never deleted."""
    require(actor, ENVIRONMENTS)
    with transaction.atomic():
        environment = routes.lock(environment)
        if Release.objects.filter(environment=environment).exists():
            raise Conflict(f"{environment.name} has a history of releases. It cannot be deleted.")
        wanting = sorted(set(environment.wanted_in.values_list("rule__environment__name", flat=True)))
        if any(name != environment.name for name in wanting):
            raise Conflict(f"Gates of {', '.join(wanting)} want suites in {environment.name}. Change them first.")
        environment.wanted_in.all().delete()
        details = {"generation": environment.generation}
        audit.record("environment.delete", environment, actor=actor, environment=environment.name, details=details)
        Route.objects.filter(environment=environment).delete()
        environment.keys.all().delete()
        environment.channels.all().delete()  # without a release they never offered anything
        environment.tables.all().delete()
        try:
            environment.delete()
        except ProtectedError as error:
            raise Conflict(f"Packages were tested in {environment.name}. It cannot be deleted.") from error
        transaction.on_commit(lambda: routes.withdraw(environment.name))


def _check(environment: Environment) -> None:
    if environment.name in RESERVED:
        raise Refused(f"{environment.name!r} is part of Slipway's own addresses. Choose another name.", "name")
    if environment.default_strategy not in STRATEGIES:
        raise Refused(f"Choose one of: {', '.join(STRATEGIES)}.", "default_strategy")
    try:
        environment.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Refused(messages[0], field) from error


def _left_at(name: str) -> int:
    """Where an earlier environment of this name stopped counting: gateways refuse lower numbers."""
    last = AuditRow.objects.filter(action="environment.delete", environment=name).order_by("-id").first()
    return int(last.details.get("generation", 0)) if last else 0


def _settings(environment: Environment) -> dict[str, Any]:
    return {field: getattr(environment, field) for field in EDITABLE}


def _last(but: Environment) -> Environment | None:
    return Environment.objects.exclude(pk=but.pk).last()


def _names_without(name: str, until: str) -> list[str]:
    names = [other for other in Environment.objects.values_list("name", flat=True) if other != name]
    return names[: names.index(until)]


def _names_from(first: str, without: str) -> list[str]:
    names = [other for other in Environment.objects.values_list("name", flat=True) if other != without]
    return names[names.index(first) :]


def _reorder(names: list[str]) -> None:
    """Positions are unique, so they first move out of the way."""
    for offset in (10_000, 1):
        for index, name in enumerate(names):
            Environment.objects.filter(name=name).update(position=offset + index)
