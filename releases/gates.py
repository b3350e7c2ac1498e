"""Gates: what a package must meet before it may enter an environment, each with its verdict in words."""

from __future__ import annotations

from dataclasses import dataclass

from releases.models import Environment, Evidence, Package, Release


@dataclass(frozen=True)
class Gate:
    """One condition: its verdict (`pass`, `fail`, `hold`), a sentence, and the page that mends it."""

    name: str
    verdict: str
    words: str
    url: str = ""


def check(package: Package, environment: Environment) -> list[Gate]:
    """Return every gate of the environment for this package, met or not."""
    return [*_order(package, environment), _intake(package)]


def unmet(package: Package, environment: Environment) -> list[Gate]:
    return [gate for gate in check(package, environment) if gate.verdict != "pass"]


def before(environment: Environment) -> Environment | None:
    """Return the environment that comes before this one in the order."""
    return Environment.objects.filter(position__lt=environment.position).order_by("-position").first()


def _order(package: Package, environment: Environment) -> list[Gate]:
    earlier = before(environment) if environment.needs_previous else None
    if earlier is None:
        return []
    been = Release.objects.filter(package=package, environment=earlier, state=Release.State.LIVE)
    if been.exists():
        return [Gate("order", "pass", f"Package {package.number} has been live in {earlier.name}.")]
    words = f"Package {package.number} has not been live in {earlier.name} yet. Release it there first."
    mends = f"/models/{package.model.name}/promote/?package={package.number}&environment={earlier.name}"
    return [Gate("order", "fail", words, mends)]


def _intake(package: Package) -> Gate:
    """By the evidence about exactly these bytes: what no intake has passed comes in nowhere."""
    last = Evidence.objects.filter(digest=package.digest, kind="intake").first()
    if last and last.verdict == "pass":
        return Gate("intake", "pass", "Every step of the intake passed.", package.get_absolute_url())
    words = f"No intake has passed the bytes of package {package.number}. Register them again."
    return Gate("intake", "fail", words, f"/models/{package.model.name}/register/")
