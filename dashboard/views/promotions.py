"""Promote, roll back, stop: first what would change, then the verb; every one works without a script."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from dashboard import conditions, diffs
from dashboard.answers import Stale, complain, explained
from dashboard.forms.promotions import PromoteForm, ReasonForm, RollBackForm
from dashboard.people import person
from releases import freezes, gates
from releases.actions import gates as gate_verbs
from releases.actions import releases as verbs
from releases.actions import rollbacks
from releases.errors import Conflict, Refused
from releases.models import Environment, MLModel, Package, Release
from releases.queries import planning, quiet
from releases.queries import releases as queries
from releases.rights import DEPLOY, OVERRIDE, require
from releases.strategies import canary
from testing.queries import opened

page = require_http_methods(["GET", "HEAD", "POST"])


@page
@explained
def promote(request: HttpRequest, name: str) -> HttpResponse:
    """What a promote would change, with its form; POST does it."""
    package, environment = named(request, name)
    require(request.user, DEPLOY, environment)
    switch = queries.switch(package, environment)
    window = quiet.proposed(package.model, environment)[1] if switch.stable else None
    form = PromoteForm(posted(request), options=switch.options, window=window, initial=_first(request, switch))
    if request.method == "POST" and (_short(request) or form.is_valid()):
        try:
            return redirect(_send(request, switch) if _short(request) else _promote(request, switch, form))
        except (Refused, Conflict) as error:
            switch = queries.switch(package, environment)
            complain(form, error)
    context = {"switch": switch, "form": form, "diff": diffs.promote(switch)} | _held(switch)
    context["window"] = window
    context["coming"] = freezes.coming([environment]).get(environment.pk, [])[:2]
    return render(request, "promote/page.html", context | diffs.words(switch), status=status(form))


@page
@explained
def roll_back(request: HttpRequest, name: str, environment: str) -> HttpResponse:
    """What a rollback would change, with its form; POST does it. Nothing ever holds a rollback but a missing reason."""
    model, place = get_object_or_404(MLModel, name=name), get_object_or_404(Environment, name=environment)
    require(request.user, DEPLOY, place)
    way = queries.way_out(model, place)
    form = RollBackForm(posted(request), way=way, initial={"seen": way.seen})
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(_roll_back(request, way, form))
        except (Refused, Conflict) as error:
            way = queries.way_out(model, place)
            complain(form, error)
    context = {"way": way, "form": form, "diff": diffs.roll_back(way), **diffs.back_words(way)}
    context["rehearsal"] = queries.rehearsal(way.leaving)
    return render(request, "roll_back/page.html", context, status=status(form))


@page
@explained
def abort(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a release before its switch has finished."""
    release = get_object_or_404(Release.objects.select_related("model", "environment", "package", "replaces"), pk=pk)
    require(request.user, DEPLOY, release.environment)
    form = ReasonForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            verbs.abort(actor=person(request), release=release, reason=form.cleaned_data["reason"])
            messages.success(request, f"Release {release.pk} was stopped.")
            return redirect(release)
        except (Refused, Conflict) as error:
            complain(form, error)
    context = {"release": release, "form": form, "text": diffs.abort(release)}
    return render(request, "release/abort.html", context, status=status(form))


@page
@explained
def override(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that the gates a release waits for shall not hold it."""
    require(request.user, OVERRIDE)
    release = get_object_or_404(Release.objects.select_related("model", "environment", "package"), pk=pk)
    form = ReasonForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            gate_verbs.ask_override(actor=person(request), release=release, reason=form.cleaned_data["reason"])
            messages.success(request, "The override is asked for. Now a second person must consent.")
            return redirect(release)
        except (Refused, Conflict) as error:
            complain(form, error)
    moving = release.is_unfinished and release.state != Release.State.WAITING
    unmet = gates.unmet(release.package, release.environment, release) if release.package and not moving else []
    held = gates.frozen(release.environment) if moving else [gate for gate in unmet if gate.can_be_overridden]
    shown = conditions.rows(held)
    context = {"release": release, "form": form, "gates": shown}
    return render(request, "release/override.html", context, status=status(form))


@require_POST
@explained
def consent(request: HttpRequest, pk: int) -> HttpResponse:
    """Agree to an override as the second person."""
    release = get_object_or_404(Release.objects.select_related("model", "environment", "package"), pk=pk)
    gate_verbs.consent(actor=person(request), release=release)
    messages.success(request, f"You consented: the overridden gates hold release {release.pk} no longer.")
    return redirect(release)


def named(request: HttpRequest, model: str) -> tuple[Package, Environment]:
    """Return the package and the environment that the address, or the form, names; 404 for others."""
    given = request.POST if request.method == "POST" else request.GET
    packages = Package.objects.select_related("model")
    package = get_object_or_404(packages, model__name=model, number=number(given, "package"))
    return package, get_object_or_404(Environment, name=given.get("environment", ""))


def posted(request: HttpRequest) -> QueryDict | None:
    """Return what was posted; an empty form that was posted is still a posted form."""
    return request.POST if request.method == "POST" else None


def number(given: Any, name: str) -> int:
    """Return a number from the address or the form; 0, which no package has, for anything else."""
    text = given.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def status(form: Form) -> int:
    """400 for wrong input, 409 for a state that forbids it, 200 otherwise."""
    return getattr(form, "conflict", 0) or (400 if form.is_bound and form.errors else 200)


def _first(request: HttpRequest, switch: queries.Switch) -> dict[str, Any]:
    """What the form begins with; the address may name a strategy and a reason."""
    possible = [option.name for option in switch.options if not option.reason]
    wanted = request.GET.get("strategy", switch.environment.default_strategy)
    strategy = wanted if wanted in possible else next(iter(possible), "")
    return {"seen": switch.seen, "strategy": strategy, "steps": planning.written(canary.STEPS)} | {
        "reason": request.GET.get("reason", "")[:500]
    }


def _promote(request: HttpRequest, switch: queries.Switch, form: PromoteForm) -> Release:
    given = form.cleaned_data
    if given["seen"] and given["seen"] != switch.seen:
        raise Stale(diffs.meanwhile(switch.stable, switch.running, switch.environment.name))
    return verbs.promote(
        actor=person(request),
        package=switch.package,
        environment=switch.environment,
        strategy=given["strategy"],
        reason=given["reason"],
        start_at=given["start_at"],
        steps=_steps(given),
        hotfix=given["hotfix"],
        quiet=given["quiet"] and given["strategy"] == "recreate",
    )


def _steps(given: dict[str, Any]) -> tuple[tuple[float, float], ...] | None:
    """The steps that were written, where a canary was chosen."""
    return planning.parsed(given["steps"]) if given["strategy"] == "canary" and given["steps"].strip() else None


def _held(switch: queries.Switch) -> dict[str, Any]:
    """What stands in the way or is waited for; where only the order does, it can be sent all the way."""
    by_order = {gate.name for gate in switch.failed} == {"order"}
    way_open = by_order and not switch.running and not switch.is_live
    only_shown = bool(switch.failed) and all(gate.can_be_overridden for gate in switch.failed)
    can_ask = only_shown and not switch.running and not switch.is_live
    return {
        "conditions": conditions.rows(switch.gates, opened(switch.package)),
        "way_open": way_open,
        "can_ask": can_ask,
    }


def _short(request: HttpRequest) -> bool:
    """The forms of a promote that cannot be made as it stands: all the way, and over what failed."""
    return "through" in request.POST or "override" in request.POST


def _send(request: HttpRequest, switch: queries.Switch) -> Release:
    """All the way: a release into each environment on the way to this one; or one that waits for a second person."""
    where: dict[str, Any] = {"actor": person(request), "package": switch.package, "environment": switch.environment}
    if "through" in request.POST:
        return verbs.send(**where)
    reason = request.POST["override"].strip()[:500]
    if not reason:
        raise Refused("Say why; it stands on the release for ever.", "override")
    return verbs.promote(**where, override=reason, reason=reason)


def _roll_back(request: HttpRequest, way: queries.Return, form: RollBackForm) -> Release:
    """A stale page is told so here too: what it showed as the way back may be another package by now."""
    given = form.cleaned_data
    if given["seen"] and given["seen"] != way.seen:
        raise Stale(diffs.meanwhile(way.stable, way.running, way.environment.name))
    chosen = given.get("package")
    package = get_object_or_404(Package, model=way.model, number=chosen) if chosen else None
    return rollbacks.roll_back(
        actor=person(request),
        model=way.model,
        environment=way.environment,
        package=package,
        leaving=way.leaving,
        off=bool(given.get("confirm")),
        reason=given["reason"],
    )
