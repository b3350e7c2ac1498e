"""Start a run, cancel it, run it again; and the queue that a run waits in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from releases import routes
from releases.actions import audit, gates
from releases.errors import Conflict, Refused
from releases.models import Environment, MLModel, Package
from releases.queries.wanted import ALONE, is_live, settings_for
from releases.rights import DEPLOY, GATES, RUN, require
from releases.wake import enqueue
from releases.wants import NEVER_IN_PRODUCTION, PRODUCTION
from testing import runner
from testing.models import Run
from testing.suites import SUITES
from testing.suites.settings import read

MOVES = "rehearsal"


def start(
    *,
    actor: User | None,
    package: Package,
    environment: Environment,
    kind: str,
    cause: str = "",
    again_of: Run | None = None,
) -> Run:
    """Queue a suite with the settings that hold for the model today.

    Raises Forbidden (a rehearsal needs the right to release there, too), Refused (an unknown kind; one that clients of
    production would feel), Conflict (it is open already, or the package does not answer there).
    """
    require(actor, RUN)
    if kind not in SUITES:
        raise Refused(f"Choose one of: {', '.join(SUITES)}.", "kind")
    if kind in NEVER_IN_PRODUCTION and environment.name == PRODUCTION:
        words = f"{SUITES[kind].label} would hurt the clients of {PRODUCTION}. Run it in the environment before."
        raise Refused(words, "environment")
    if kind == MOVES:
        require(actor, DEPLOY, environment)
    if kind not in ALONE and not is_live(package, environment):
        raise Conflict(f"Package {package.number} is not live in {environment.name}, so nothing can be asked there.")
    values, digest = settings_for(package.model, kind)
    try:
        with transaction.atomic():
            _alone(package, environment, kind)
            run = Run.objects.create(
                package=package,
                environment=environment,
                kind=kind,
                cause=cause[:200],
                started_by=actor,
                again_of=again_of,
                digest=package.digest,
                values=values,
                settings_digest=digest,
                expected=SUITES[kind].expected,
                created_at=timezone.now(),
            )
            if actor:
                _tell("suite.start", run, actor)
    except IntegrityError as error:
        raise Conflict(f"{SUITES[kind].label} of package {package.number} in {environment.name} is open.") from error
    transaction.on_commit(lambda: put_in_queue(run))
    return run


def _alone(package: Package, environment: Environment, kind: str) -> None:
    """A rehearsal moves the traffic, so nothing else of the model is looked at there meanwhile; raises Conflict."""
    if kind in ALONE:
        return
    routes.lock(environment)
    others = Run.objects.filter(package__model=package.model_id, environment=environment, state__in=Run.OPEN)
    others = others.exclude(kind__in=ALONE)
    if kind != MOVES:
        others = others.filter(kind=MOVES)
    if other := others.exclude(package=package, kind=kind).first():
        raise Conflict(
            f"{SUITES[other.kind].label} of {package.model.name} in {environment.name} is open. Wait for it."
        )


def again(*, actor: User | None, run: Run) -> Run:
    """Start the same suite on the same package again, with today's settings; raises what `start` raises."""
    if run.is_open:
        raise Conflict("It has not ended. Cancel it first.")
    return start(actor=actor, package=run.package, environment=run.environment, kind=run.kind, again_of=run)


def cancel(*, actor: User, run: Run) -> Run:
    """Stop a run: one in the queue at once, a running one at its next look. Raises Forbidden, Conflict (ended)."""
    require(actor, RUN)
    with transaction.atomic():
        now = timezone.now()
        free = Run.objects.filter(pk=run.pk, state__in=Run.OPEN, cancelled_at=None)
        if free.update(cancelled_at=now, cancelled_by=actor) != 1:
            raise Conflict("It has ended, or was cancelled, already.")
        _tell("suite.cancel", run, actor)
        run.refresh_from_db()
        if run.state == Run.State.QUEUED:
            runner.end(run, Run.State.CANCELLED, f"Cancelled by {actor.get_username()}.")
    run.refresh_from_db()
    return run


def set_up(*, actor: User | None, model: MLModel, kind: str, values: dict[str, Any]) -> None:
    """Set how a suite runs for a model. Raises Forbidden, Refused with the setting that is wrong."""
    require(actor, GATES)
    read(SUITES[kind].Settings, values)
    gates.set_suite(actor=actor, model=model, kind=kind, values=values)


def put_in_queue(run: Run) -> None:
    """Hand the run to a worker; one that is lost on the way is found by beat."""
    enqueue("testing.tasks.run", run.pk, queue=SUITES[run.kind].queue, expires=runner.LOST.total_seconds())


def _tell(action: str, run: Run, actor: User) -> None:
    audit.record(
        action,
        run,
        actor=actor,
        model=run.package.model.name,
        environment=run.environment.name,
        details={"kind": run.kind, "package": run.package.number, "digest": run.digest},
    )
