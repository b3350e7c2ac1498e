"""Which packages answer a batch: those of the route as it is when the job begins, at its weights."""

from __future__ import annotations

import json

from releases import routes
from releases.errors import Conflict
from releases.models import BatchJob, Environment, MLModel, Package
from serving import routing
from serving.batch.plan import Unusable
from serving.routing import PICK_ORDER, Route, Target


def must_answer(model: MLModel, environment: Environment, pinned: Package | None) -> Package | None:
    """Return the live package; raises Conflict when nothing answers there, or the pinned one is not loaded there."""
    route = route_of(model, environment)
    targets = route.targets if route else ()
    if pinned is not None and pinned.digest not in {target.digest for target in targets}:
        loaded = ", ".join(str(target.package) for target in targets) or "none"
        raise Conflict(f"Package {pinned.number} is not loaded in {environment.name}; loaded are: {loaded}.")
    if pinned is None and (route is None or route.off):
        raise Conflict(f"Nothing is live for {model.name} in {environment.name}. Release a package there first.")
    digest = route.stable.digest if route and route.stable else ""
    return Package.objects.filter(model=model, digest=digest).first()


def route_of(model: MLModel, environment: Environment) -> Route | None:
    """Return the model's route in the newest published table."""
    table = environment.tables.order_by("-generation").first()
    if table is None:
        return None
    return routing.loads(json.dumps(table.body).encode()).routes.get(model.name)


def frozen(job: BatchJob) -> tuple[int, list[Target], str | None]:
    """Return the generation, the targets with weight in the order of their shares, and the sticky field, as of now.

    Raises Unusable where nothing answers by now.
    """
    table = job.environment.tables.order_by("-generation").first()
    generation = table.generation if table else 0
    if job.package is not None:
        both = [job.package, *([job.against] if job.against else [])]
        if job.against is None and (lost := _not_loaded(job)):
            raise Unusable(lost)
        return generation, [routes.target(package, "stable", 100.0) for package in both], None
    route = route_of(job.model, job.environment)
    if route is None or route.off:
        raise Unusable(f"Nothing is live for {job.model.name} in {job.environment.name} any more.")
    live = sorted((target for target in route.targets if target.weight > 0), key=lambda each: PICK_ORDER[each.arm])
    return generation, live, route.sticky


def _not_loaded(job: BatchJob) -> str:
    try:
        must_answer(job.model, job.environment, job.package)
    except Conflict as error:
        return error.message
    return ""
