"""Gates: what a package must meet before it may enter an environment, each with its verdict in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Q
from django.utils import timezone

from releases import agreement, freezes
from releases.models import Environment, Evidence, MLModel, Override, Package, Release, Rule, SuiteSetting, Want
from releases.wants import KINDS, settings_digest

FROZEN = "freeze"
MET = frozenset({"pass", "overridden"})
# What a person begins, and no worker.
PAGES = {"uat": "uat", "shadow": "shadow", "replay": "shadow", "comparison": "batches"}
# How people say that it was not done yet, and that it was done in other circumstances.
DONE = {
    "uat": ("been signed", "was signed in {} for another plan"),
    "shadow": ("ended", "was compared in {} by another rule"),
    "replay": ("ended", "was compared in {} by another rule"),
    "comparison": ("ended", "was compared in {} by another rule"),
}
COMPARED = ("shadow", "replay", "comparison")
MOST = 1000  # results of one package that are looked at; one environment gets a few a day


@dataclass(frozen=True)
class Gate:
    """One condition: its verdict, a sentence, and the page with the evidence or that mends it.

    `pass`; `hold`: it may yet be met, and a release waits for it; `fail`: it is not; `overridden`: nobody waits for it.
    With the `kind` of a suite and `where` it must run; `missing` where no result counts, so that it is to be started.
    """

    name: str
    verdict: str
    words: str
    url: str = ""
    kind: str = ""
    where: str = ""
    missing: bool = False

    @property
    def met(self) -> bool:
        return self.verdict in MET

    @property
    def can_be_overridden(self) -> bool:
        """Suites, signatures, age and a freeze; never the order, and never what no intake has examined."""
        return bool(self.kind) or self.name in ("age", FROZEN)


def check(package: Package, environment: Environment, release: Release | None = None) -> list[Gate]:
    """Return every gate of the environment for this package, met or not; a release brings its own override."""
    rule = rule_for(package.model, environment)
    shown = [*_age(package, environment, rule), *_wants(package, rule)] if rule else []
    shown += frozen(environment)
    if release is not None:
        shown = _overridden(release, shown)
    return [*_order(package, environment), intake(package), *shown]


def frozen(environment: Environment) -> list[Gate]:
    """Return the gate that a freeze is while it lasts; nothing at any other time."""
    window = freezes.holding(environment)
    return [Gate(FROZEN, "hold", window.words, f"{environment.get_absolute_url()}freezes/")] if window else []


def held_by_a_freeze(release: Release) -> str:
    """Return why a release that is under way may not move now, empty where it may; two people can override it.

    Nothing freezes a rollback, nor a shadow, which changes nothing for anybody.
    """
    if release.is_rollback or release.is_aside:
        return ""
    found = frozen(release.environment)
    return " ".join(gate.words for gate in _overridden(release, found) if not gate.met) if found else ""


def unmet(package: Package, environment: Environment, release: Release | None = None) -> list[Gate]:
    return [gate for gate in check(package, environment, release) if not gate.met]


def before(environment: Environment) -> Environment | None:
    """Return the environment that comes before this one in the order."""
    return Environment.objects.filter(position__lt=environment.position).order_by("-position").first()


def rule_for(model: MLModel, environment: Environment) -> Rule | None:
    """Return what the environment asks of this model: a rule of its own goes before that of its risk."""
    rules = Rule.objects.filter(Q(model=model) | Q(model=None, risk=model.risk), environment=environment)
    return min(rules.prefetch_related("wants__where"), key=lambda rule: rule.model_id is None, default=None)


def settings_of(model: MLModel) -> dict[str, str]:
    """Return the digest of the settings with which each kind runs today."""
    changed = dict(SuiteSetting.objects.filter(model=model).values_list("kind", "digest"))
    compared = dict.fromkeys(COMPARED, settings_digest(agreement.rule_of(model.agreement).to_json()))
    return dict.fromkeys(KINDS, settings_digest({})) | changed | compared


def _order(package: Package, environment: Environment) -> list[Gate]:
    earlier = before(environment) if environment.needs_previous else None
    if earlier is None:
        return []
    releases = Release.traffic.filter(package=package, environment=earlier)
    if releases.filter(state=Release.State.LIVE).exists():
        return [Gate("order", "pass", f"Package {package.number} has been live in {earlier.name}.")]
    coming = releases.filter(state__in=Release.UNFINISHED).first()
    if coming:
        words = f"Package {package.number} is on its way into {earlier.name}."
        return [Gate("order", "hold", words, coming.get_absolute_url())]
    words = f"Package {package.number} has not been live in {earlier.name} yet. Release it there first."
    mends = f"/models/{package.model.name}/promote/?package={package.number}&environment={earlier.name}"
    return [Gate("order", "fail", words, mends)]


def intake(package: Package) -> Gate:
    """By the evidence about exactly these bytes: what no intake has passed comes in nowhere."""
    last = Evidence.objects.filter(digest=package.digest, kind="intake").first()
    if last and last.verdict == "pass":
        return Gate("intake", "pass", "Every step of the intake passed.", package.get_absolute_url())
    words = f"No intake has passed the bytes of package {package.number}. Register them again."
    return Gate("intake", "fail", words, f"/models/{package.model.name}/register/")


def _age(package: Package, environment: Environment, rule: Rule) -> list[Gate]:
    earlier = before(environment)
    if not rule.least_hours or earlier is None:
        return []
    now = timezone.now()
    lives = Release.traffic.filter(package=package, environment=earlier, state=Release.State.LIVE)
    spans = [(live.retired_at or now) - live.ended_at for live in lives if live.ended_at]
    hours = max(spans, default=timedelta()).total_seconds() / 3600
    words = f"Live in {earlier.name} for {hours:.1f} h; {rule.least_hours:g} h are asked."
    return [Gate("age", "pass" if hours >= rule.least_hours else "hold", words, earlier.get_absolute_url())]


def _wants(package: Package, rule: Rule) -> list[Gate]:
    wants = list(rule.wants.all())
    if not wants:
        return []
    digests, now = settings_of(package.model), timezone.now()
    shown: dict[tuple[str, int | None], Evidence] = {}
    for row in Evidence.objects.filter(digest=package.digest, kind__in={want.kind for want in wants})[:MOST]:
        shown.setdefault((row.kind, row.environment_id), row)
    return [_want(package, want, shown.get((want.kind, want.where_id)), digests[want.kind], now) for want in wants]


def _want(package: Package, want: Want, last: Evidence | None, digest: str, now: datetime) -> Gate:
    """The newest result decides: a later failure takes an earlier success back."""
    label, where = KINDS[want.kind], want.where.name
    done, again = DONE.get(want.kind, ("run", "ran in {} with other settings"))
    asked = {"package": package.number, "kind": want.kind, "environment": where}
    start = f"/models/{package.model.name}/{PAGES.get(want.kind, 'suites')}/start/?{urlencode(asked)}"
    gate = Gate(f"{want.kind} in {where}", "hold", "", start, want.kind, where, missing=True)
    if last is None:
        return replace(gate, words=f"{label} has not {done} in {where} yet.")
    if last.settings_digest != digest:
        return replace(gate, words=f"{label} {again.format(where)} than today's, so that counts no more.")
    shown = replace(gate, url=last.get_absolute_url() or start, missing=False)
    if last.verdict == "fail":
        return replace(shown, verdict="fail", words=f"{label} failed in {where}. {last.words}".strip())
    if last.verdict != "pass":
        return replace(shown, words=f"{label} in {where} came to no verdict. {last.words}".strip())
    days = (now - last.at).total_seconds() / 86_400
    if want.most_days and days > want.most_days:
        words = f"{label} passed in {where} {days:.0f} days ago; not older than {want.most_days} days is asked."
        return replace(gate, words=words)
    return replace(shown, verdict="pass", words=f"{label} passed in {where}. {last.words}".strip())


def _overridden(release: Release, found: list[Gate]) -> list[Gate]:
    override = Override.objects.select_related("asked_by", "consented_by").filter(release=release).first()
    if override is None or override.consented_by is None or override.asked_by is None:
        return found
    by = f"Overridden by {override.asked_by.get_username()} with the consent of {override.consented_by.get_username()}"
    return [
        replace(gate, verdict="overridden", missing=False, words=f"{by}: {override.reason} ({gate.words})")
        if gate.name in override.gates and not gate.met
        else gate
        for gate in found
    ]
