"""Packages as pages show them: lists, where one is live, whether it may be deleted, and how two of them differ."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from releases.models import Environment, Evidence, Intake, MLModel, Package, Release, Route

LIST = (
    "number",
    "digest",
    "runtime",
    "runtime_reason",
    "format",
    "size",
    "created_at",
    "created_by__username",
    "model_id",
)


def models(search: str = "") -> QuerySet[Any]:
    """Return the models with the number of their packages and the time of the newest (`newest_at`)."""
    found = MLModel.objects.annotate(packages_count=Count("packages"), newest_at=Max("packages__created_at")).order_by(
        "name"
    )
    return found.filter(Q(name__icontains=search) | Q(description__icontains=search)) if search else found


def search(text: str, number: int = 6) -> list[Package]:
    """Return packages by a beginning of their digest (six characters or more), or as `flight-eta 4`."""
    digest = text.removeprefix("sha256:").lower()
    name, _, last = text.replace("/", " ").rpartition(" ")
    if last.isdecimal() and len(last) < 10:
        found = Package.objects.filter(model__name__icontains=name.removesuffix(" package").strip(), number=int(last))
    elif len(digest) >= 6 and not digest.strip("0123456789abcdef"):
        found = Package.objects.filter(digest__startswith=f"sha256:{digest}")
    else:
        return []
    return list(found.select_related("model").only("number", "digest", "model__name")[:number])


def listed(model: MLModel) -> QuerySet[Package]:
    """Return a model's packages, newest first, without their heavy columns."""
    return model.packages.order_by("-number").select_related("created_by").only(*LIST)


def places(model: MLModel) -> dict[int, list[tuple[str, str]]]:
    """Return, by package id, the environments where it is live or the way back: [(name, "live" | "warm")]."""
    found: dict[int, list[tuple[str, str]]] = {}
    for route in Route.objects.filter(model=model).select_related("environment"):
        if route.stable_id:
            found.setdefault(route.stable_id, []).append((route.environment.name, "live"))
        if route.previous_id and route.previous_id != route.stable_id:
            found.setdefault(route.previous_id, []).append((route.environment.name, "warm"))
    return found


def uploads(model: MLModel, number: int = 5) -> list[Intake]:
    """Return the latest intakes of a model that made no new package, or have not ended."""
    return list(
        model.intakes.filter(Q(package=None) | Q(was_known=True)).select_related("created_by", "package")[:number]
    )


def accepted_by(package: Package) -> Intake | None:
    """Return the report of the intake that made the package."""
    return package.intakes.filter(was_known=False).order_by("id").first()


def evidence(package: Package) -> list[Evidence]:
    """Return the newest verdict of each kind and environment about the package's digest."""
    newest: dict[tuple[str, int | None], Evidence] = {}
    for row in Evidence.objects.filter(digest=package.digest).select_related("environment")[:200]:
        newest.setdefault((row.kind, row.environment_id), row)
    return list(newest.values())


def kept_because(package: Package) -> str:
    """Return why the package cannot be deleted, or an empty string when it can."""
    names = [name for name, _ in places(package.model).get(package.pk, [])]
    if names:
        return f"It is live, or the way back, in {', '.join(names)}."
    if Release.objects.filter(Q(package=package) | Q(replaces=package)).exists():
        return "It stands in the history of releases, which is never changed."
    return ""


def next_environment(package: Package) -> Environment | None:
    """Return the first environment, in order, where the package has never been live."""
    been = Release.traffic.filter(package=package, state=Release.State.LIVE).values("environment")
    return Environment.objects.exclude(pk__in=been).first()
