"""Render an environment's route table from the database, publish it, and keep every one that was published."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import datetime
from typing import Any, Literal, cast

import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from releases import broker
from releases.models import ApiKey, CaptureSetting, Environment, Package, PublishedTable, Release, Route
from serving import exchange, routing

log = logging.getLogger(__name__)


def publish(environment: Environment, cause: str) -> PublishedTable:
    """Take the next generation for the state as it is now, in the caller's transaction; send it after commit.

    A table with the same content as the last one is not published again.
    """
    with transaction.atomic():
        locked = lock(environment)
        body = render(locked)
        content = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        last = locked.tables.order_by("-generation").first()
        if last and last.content == content:
            return last
        table = _keep(locked, body, content, cause)
        environment.generation = table.generation
    return table


def lock(environment: Environment) -> Environment:
    """Take the environment's lock for the rest of the transaction; every change of its routes takes it first."""
    return Environment.objects.select_for_update().get(pk=environment.pk)


def _keep(locked: Environment, body: dict[str, Any], content: str, cause: str) -> PublishedTable:
    locked.generation += 1
    locked.save(update_fields=["generation"])
    body = {**body, "generation": locked.generation}
    table = PublishedTable.objects.create(
        environment=locked,
        generation=locked.generation,
        body=body,
        content=content,
        cause=cause[:200],
        at=timezone.now(),
    )
    transaction.on_commit(lambda: send(table))
    return table


def send(table: PublishedTable) -> bool:
    """Write the table to Redis if it is newer than what is there. A lost Redis is healed by beat."""
    try:
        return exchange.put_table(broker.client(), routing.loads(json.dumps(table.body).encode()))
    except redis.RedisError as error:
        log.warning("Redis is away, table %s waits for beat: %s", table, error)
        return False


def send_all() -> None:
    """Write the order and every newest table again: heals a crash in between, a lost message, an emptied Redis."""
    environments = list(Environment.objects.all())
    exchange.put_environments(broker.client(), [environment.name for environment in environments])
    for environment in environments:
        table = environment.tables.filter(generation=environment.generation).first()
        if table:
            send(table)


def send_all_quietly() -> None:
    """Send everything, for use after commit: a lost Redis is healed by beat."""
    try:
        send_all()
    except redis.RedisError as error:
        log.warning("Redis is away, the tables wait for beat: %s", error)


def withdraw(environment: str) -> None:
    """Take a deleted environment's table away, and tell the gateways that it is gone."""
    try:
        exchange.drop_table(broker.client(), environment)
        send_all()
    except redis.RedisError as error:
        log.warning("Redis is away, the order of environments waits for beat: %s", error)


def catch_up(environment: Environment) -> None:
    """Go on from the number that Redis holds, where it is higher: a restored database must not be refused for ever."""
    try:
        held = exchange.get_table(broker.client(), environment.name)
    except (redis.RedisError, ValueError):
        return
    if held and held.generation > environment.generation:
        with transaction.atomic():
            locked = lock(environment)
            locked.generation = held.generation
            body = render(locked)
            content = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
            _keep(locked, body, content, "an older database took over")


def render(environment: Environment) -> dict[str, Any]:
    """Return the table's body without its generation, from the rows alone."""
    table = routing.RouteTable(
        environment=environment.name,
        generation=0,
        routes={route.model: route for route in _routes(environment)},
        keys=tuple(_keys(environment)),
        keyless=environment.keyless,
        limits={"requests_per_second": environment.requests_per_second} if environment.requests_per_second else {},
    )
    body: dict[str, Any] = json.loads(routing.dumps(table))
    del body["generation"]
    return body


def _routes(environment: Environment) -> list[routing.Route]:
    running = {
        release.model_id: release
        for release in Release.traffic.filter(environment=environment, state__in=Release.UNFINISHED).select_related(
            "package", "model"
        )
    }
    rows = Route.objects.filter(environment=environment).select_related("model", "stable__model", "previous__model")
    kept = {setting.model_id: setting for setting in environment.capture_settings.filter(on=True)}
    mirrored = _shadows(environment)
    found = (
        _route(row, running.get(row.model_id), kept.get(row.model_id), mirrored.get(row.model_id, ())) for row in rows
    )
    return sorted(found, key=lambda route: route.model)


def _shadows(environment: Environment) -> dict[int, tuple[routing.Shadow, ...]]:
    """Return the shadows by model; one that is paused, or has not begun, is none."""
    running = Release.objects.filter(
        environment=environment, strategy="shadow", state__in=("preparing", "shifting"), paused_at=None
    ).select_related("package")
    found: dict[int, tuple[routing.Shadow, ...]] = {}
    for release in running.order_by("pk"):
        if release.package and not release.plan.get("recorded"):
            found[release.model_id] = (*found.get(release.model_id, ()), _shadow(release, release.package))
    return found


def _shadow(release: Release, package: Package) -> routing.Shadow:
    rule, share = release.plan["rule"], release.plan["share"] / 100
    return routing.Shadow(release.pk, target(package, "shadow", 0.0), share, rule["atol"], rule["rtol"])


def _route(
    row: Route, release: Release | None, kept: CaptureSetting | None, shadows: tuple[routing.Shadow, ...]
) -> routing.Route:
    """Return the route of one model; the way back stays loaded at weight 0."""
    wanted: dict[int, tuple[Package, routing.Arm, float]] = {}
    moving = release if release and release.package and release.package != row.stable else None
    loading = moving if moving and moving.state != Release.State.WAITING else None
    swapping = bool(loading and loading.strategy == "recreate" and loading.state == Release.State.SHIFTING)
    if row.stable and not swapping:
        wanted[row.stable.pk] = (row.stable, "stable", loading.stable_weight if loading else 100.0)
    if loading and loading.package and _may_load(loading):
        wanted[loading.package.pk] = (loading.package, "candidate", loading.weight)
    if row.previous and row.previous.pk not in wanted and not swapping:
        wanted[row.previous.pk] = (row.previous, "previous", 0.0)
    targets = tuple(target(package, arm, weight) for package, arm, weight in wanted.values())
    capture = routing.Capture(kept.share, kept.per_hour) if kept else None
    return routing.Route(
        model=row.model.name,
        targets=targets,
        sticky=row.model.sticky or None,
        deadline=row.model.deadline,
        capture=capture,
        shadows=shadows,
    )


def _may_load(release: Release) -> bool:
    """Recreate loads the new package only after the old one went off."""
    return release.strategy != "recreate" or release.weight > 0


def target(package: Package, arm: routing.Arm, weight: float) -> routing.Target:
    return routing.Target(
        package=package.number,
        digest=package.digest,
        artefact=package.artefact,
        url=_address(package.artefact.removeprefix("sha256:")),
        runtime=cast("Literal['onnx', 'sklearn']", package.runtime),
        arm=arm,
        weight=weight,
    )


def _address(artefact: str) -> str:
    """Where the gateways fetch it: our disk, unless they run on other machines."""
    return f"{settings.ARTEFACT_URL}/{artefact}" if settings.ARTEFACT_URL else (settings.ARTEFACTS / artefact).as_uri()


def _keys(environment: Environment) -> list[routing.Key]:
    now = timezone.now()
    found = []
    for key in ApiKey.objects.filter(environment=environment, revoked_at=None).order_by("id"):
        found.append(_key(key, key.hash, key.prefix, key.expires_at))
        if key.previous_hash and key.overlaps(now):
            ends = min(filter(None, (key.previous_until, key.expires_at)))
            found.append(_key(key, key.previous_hash, key.previous_prefix, ends))
    return found


def _key(key: ApiKey, hashed: str, prefix: str, ends: datetime | None) -> routing.Key:
    return routing.Key(
        hash=hashed,
        prefix=prefix,
        models=tuple(key.models),
        pin=key.pin,
        expires=ends.timestamp() if ends else None,
        row=key.pk,
        requests_per_second=key.requests_per_second,
        concurrent_requests=key.concurrent_requests,
        origins=tuple(key.origins),
        internal=key.internal,
    )
