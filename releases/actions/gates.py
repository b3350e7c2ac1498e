"""Change what environments ask of packages, by risk or by model, and override it for one release, by two people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases import gates
from releases.actions import audit
from releases.errors import Conflict, Refused
from releases.models import Environment, MLModel, Override, Release, Risk, Rule, SuiteSetting, Want
from releases.rights import DEPLOY, GATES, OVERRIDE, require
from releases.wake import wake
from releases.wants import HIGH_DAYS, HIGH_HOURS, KINDS, NEVER_IN_PRODUCTION, PRODUCTION, SEEDS, settings_digest

MOST_HOURS, MOST_DAYS = 24 * 365, 3650
SETTINGS_MOST = 100_000


@dataclass(frozen=True)
class Asked:
    """One suite that shall have passed: its kind, the name of the environment it ran in, days it may be old."""

    kind: str
    where: str
    most_days: int | None = None


def seed() -> None:
    """Make the rules of a new installation; environments that have rules, or other names, are left alone."""
    places = {environment.name: environment for environment in Environment.objects.all()}
    for risk, rules in SEEDS.items():
        for name, wanted in rules.items():
            if name not in places or Rule.objects.filter(environment=places[name], risk=risk).exists():
                continue
            hours = HIGH_HOURS if risk == Risk.HIGH and name == PRODUCTION else 0.0
            rule = Rule.objects.create(environment=places[name], risk=risk, least_hours=hours)
            days = HIGH_DAYS if hours else None
            for kind, where in wanted:
                if where in places:
                    Want.objects.create(rule=rule, kind=kind, where=places[where], most_days=days)


def copy(source: Environment, target: Environment) -> None:
    """Ask in a new environment what its original asks."""
    for rule in source.rules.prefetch_related("wants"):
        wants = list(rule.wants.all())
        rule.pk, rule.environment = None, target
        rule._state.adding = True
        rule.save()
        Want.objects.bulk_create(
            Want(rule=rule, kind=w.kind, where_id=w.where_id, most_days=w.most_days) for w in wants
        )


def set_rule(
    *,
    actor: User | None,
    environment: Environment,
    wants: Sequence[Asked],
    risk: str = "",
    model: MLModel | None = None,
    least_hours: float = 0.0,
) -> Rule:
    """State what packages of this risk, or of this one model, must have shown to come into the environment.

    Raises Forbidden, Refused (an unknown kind, environment or risk, one named twice, hours or days out of range).
    """
    require(actor, GATES)
    _check(risk, model, least_hours, wants)
    places = {place.name: place for place in Environment.objects.all()}
    for want in wants:
        _check_want(want, places)
    with transaction.atomic():
        old = Rule.objects.filter(environment=environment, risk=risk, model=model).first()
        told = said(old)
        rule = old or Rule(environment=environment, risk=risk, model=model)
        rule.least_hours = least_hours
        rule.save()
        rule.wants.all().delete()
        for want in wants:
            Want.objects.create(rule=rule, kind=want.kind, where=places[want.where], most_days=want.most_days)
        details = {"risk": risk, "from": told, "to": said(rule)}
        name = model.name if model else ""
        audit.record(
            "gates.change", environment, actor=actor, environment=environment.name, model=name, details=details
        )
    look_again(model)
    return rule


def drop_rule(*, actor: User | None, environment: Environment, model: MLModel) -> None:
    """Take the model's own rule away: that of its risk holds again. Raises Forbidden, Conflict (there is none)."""
    require(actor, GATES)
    with transaction.atomic():
        rule = Rule.objects.filter(environment=environment, model=model).first()
        if rule is None:
            raise Conflict(f"{model.name} has no rule of its own in {environment.name}.")
        details = {"from": said(rule), "to": None}
        rule.delete()
        audit.record(
            "gates.change", environment, actor=actor, environment=environment.name, model=model.name, details=details
        )
    look_again(model)


def set_risk(*, actor: User | None, model: MLModel, risk: str) -> MLModel:
    """Say how much the model's packages must show. Raises Forbidden, Refused."""
    require(actor, GATES)
    if risk not in Risk.values:
        raise Refused(f"Choose one of: {', '.join(Risk.values)}.", "risk")
    if risk != model.risk:
        with transaction.atomic():
            details = {"risk": [model.risk, risk]}
            MLModel.objects.filter(pk=model.pk).update(risk=risk)
            model.risk = risk
            audit.record("model.risk", model, actor=actor, model=model.name, details=details)
        look_again(model)
    return model


def set_suite(*, actor: User | None, model: MLModel, kind: str, values: dict[str, Any]) -> SuiteSetting:
    """Keep how a kind of suite runs for a model; what it showed with other settings counts no more.

    The values are the caller's to check. Raises Forbidden, Refused (an unknown kind, values that are too large).
    """
    require(actor, GATES)
    if kind not in KINDS:
        raise Refused(f"Choose one of: {', '.join(KINDS)}.", "kind")
    if len(str(values)) > SETTINGS_MOST:
        raise Refused(f"The settings may have {SETTINGS_MOST} characters.", "values")
    with transaction.atomic():
        old = SuiteSetting.objects.filter(model=model, kind=kind).first()
        made = keep_suite(model, kind, values)
        details = {"kind": kind, "from": old.values if old else {}, "to": values}
        audit.record("suite.settings", model, actor=actor, model=model.name, details=details)
    return made


def keep_suite(model: MLModel, kind: str, values: dict[str, Any]) -> SuiteSetting:
    """Write the settings of a kind down; rights and the audit row are the caller's."""
    columns = {"values": values, "digest": settings_digest(values), "changed_at": timezone.now()}
    made, _ = SuiteSetting.objects.update_or_create(model=model, kind=kind, defaults=columns)
    look_again(model)
    return made


def ask_override(*, actor: User, release: Release, reason: str) -> Override:
    """Ask that the gates a waiting release has not met, or a freeze, shall not hold it; a second person must consent.

    Asked again for more, the consent is asked for again too. Raises Forbidden, Refused (no reason), Conflict (nothing
    to override, asked already).
    """
    require(actor, OVERRIDE)
    if not reason.strip():
        raise Refused("Say why; it stands on the release for ever.", "reason")
    names = [gate.name for gate in _holding(release)]
    known = Override.objects.filter(release=release).values_list("gates", flat=True).first() or []
    if known and set(names) <= set(known):
        raise Conflict("An override of this release was asked for already.")
    if not names:
        raise Conflict("Nothing that could be overridden holds this release.")
    now = timezone.now()
    with transaction.atomic():
        columns: dict[str, Any] = {"gates": list(dict.fromkeys([*known, *names])), "reason": reason.strip()[:500]}
        columns |= {"asked_at": now, "asked_by": actor, "consented_by": None, "consented_at": None}
        override, _ = Override.objects.update_or_create(release=release, defaults=columns)
        _tell("gates.override", override, actor)
    return override


def consent(*, actor: User, release: Release) -> Override:
    """Agree to an override, as a second person who may release there; from now on its gates hold nothing.

    Raises Forbidden, Conflict (none was asked for, the same person, consented already, the release has ended).
    """
    require(actor, DEPLOY, release.environment)
    override = Override.objects.select_related("asked_by").filter(release=release).first()
    if override is None:
        raise Conflict("Nobody asked for an override of this release.")
    if override.asked_by_id == actor.pk:
        raise Conflict("A second person must consent: you asked for this override yourself.")
    if not release.is_unfinished:
        raise Conflict("The release has ended.")
    with transaction.atomic():
        now = timezone.now()
        free = Override.objects.filter(pk=override.pk, consented_by=None)
        if free.update(consented_by=actor, consented_at=now) != 1:
            raise Conflict("Somebody has consented already.")
        override.consented_by, override.consented_at = actor, now
        _tell("gates.consent", override, actor)
    wake(release)
    return override


def look_again(model: MLModel | None = None) -> None:
    """Wake the releases that wait: what is asked of them has changed."""
    waiting = Release.objects.filter(state=Release.State.WAITING)
    for release in waiting.filter(model=model) if model else waiting:
        wake(release)


def said(rule: Rule | None) -> dict[str, Any] | None:
    """Return a rule as plain values, None where there is none."""
    if rule is None:
        return None
    wants = [asdict(Asked(want.kind, want.where.name, want.most_days)) for want in rule.wants.select_related("where")]
    return {"least_hours": rule.least_hours, "wants": wants}


def _holding(release: Release) -> list[gates.Gate]:
    """What could be overridden: suites, age and a freeze, never the order and never the intake."""
    if release.is_unfinished and release.state != Release.State.WAITING and not release.is_rollback:
        return gates.frozen(release.environment)
    if release.state != Release.State.WAITING or release.package is None:
        raise Conflict("Only a release that waits for its gates can be overridden.")
    found = gates.unmet(release.package, release.environment, release)
    return [gate for gate in found if gate.can_be_overridden]


def _tell(action: str, override: Override, actor: User) -> None:
    release = override.release
    audit.record(
        action,
        release,
        actor=actor,
        reason=override.reason,
        model=release.model.name,
        environment=release.environment.name,
        details={"gates": override.gates},
    )


def _check(risk: str, model: MLModel | None, least_hours: float, wants: Sequence[Asked]) -> None:
    if (model is None) == (not risk):
        raise Refused("Name a risk, or a model, and not both.", "risk")
    if risk and risk not in Risk.values:
        raise Refused(f"Choose one of: {', '.join(Risk.values)}.", "risk")
    if not 0 <= least_hours <= MOST_HOURS:
        raise Refused(f"From 0 to {MOST_HOURS} hours.", "least_hours")
    if len({(want.kind, want.where) for want in wants}) < len(wants):
        raise Refused("Each kind may be named once for each environment.", "wants")


def _check_want(want: Asked, places: dict[str, Environment]) -> None:
    if want.kind not in KINDS:
        raise Refused(f"Unknown suite {want.kind!r}. Choose one of: {', '.join(KINDS)}.", "wants")
    if want.where not in places:
        raise Refused(f"There is no environment {want.where!r}.", "wants")
    if want.kind in NEVER_IN_PRODUCTION and want.where == PRODUCTION:
        raise Refused(f"{KINDS[want.kind]} would hurt the clients of {PRODUCTION}. Ask for it in another one.", "wants")
    if want.most_days is not None and not 1 <= want.most_days <= MOST_DAYS:
        raise Refused(f"From 1 to {MOST_DAYS} days.", "wants")
