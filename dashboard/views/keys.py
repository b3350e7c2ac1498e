"""API keys of every environment: see, issue and rotate (the secret is shown once), change, revoke."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboard import endpoints
from dashboard.answers import explained
from dashboard.forms.keys import KeyChangeForm, KeyForm, RevokeForm, RotateForm
from dashboard.forms.refusals import attempt
from dashboard.people import person
from releases.actions import keys as actions
from releases.models import ApiKey, Environment
from releases.rights import KEYS, require


@explained
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """The list (`?environment=` narrows it) and the form; a new secret is in the answer and nowhere else."""
    require(request.user, KEYS)
    chosen = request.GET.get("environment", "")
    form = KeyForm(request.POST or None, initial={"environment": chosen} if chosen else None)
    issued, status = None, 200
    if request.method == "POST":
        issued, status = attempt(form, lambda: actions.issue(actor=person(request), **form.values))
    key, secret = issued or (None, "")
    context: dict[str, Any] = {"rows": _rows(chosen), "environments": Environment.objects.all(), "chosen": chosen}
    context |= {"form": KeyForm(initial={"environment": chosen}) if key else form} | _new(key, secret)
    return render(request, "keys/page.html", context, status=201 if key else status)


@explained
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def key(request: HttpRequest, pk: int) -> HttpResponse:
    """One key: its secrets, when they were used, and its settings."""
    found = _key(request, pk)
    form = KeyChangeForm(request.POST or None, initial=KeyChangeForm.of(found), key=found)
    status = 200
    if request.method == "POST":
        _, status = attempt(form, lambda: actions.change(actor=person(request), key=found, **form.values))
        if status == 200:
            messages.success(request, f"The {found} is changed: the gateways know it within a second.")
            return redirect(found)
    return render(request, "keys/key.html", _shown(found) | {"form": form}, status=status)


@explained
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def key_rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask until when the old secret is valid, then show the new one; it is in this answer and nowhere else."""
    found = _key(request, pk)
    form = RotateForm(request.POST or None, initial={"in_use": found.prefix})
    rotated, status = None, 200
    if request.method == "POST":
        rotated, status = attempt(form, lambda: actions.rotate(actor=person(request), key=found, **form.values))
    if rotated:
        changed = KeyChangeForm(initial=KeyChangeForm.of(rotated[0]), key=rotated[0])
        context = _shown(rotated[0]) | _new(*rotated) | {"form": changed}
        return render(request, "keys/key.html", context, status=201)
    return render(request, "keys/rotate.html", {"key": found, "form": form}, status=status)


@explained
@require_http_methods(["GET", "HEAD", "POST"])
def key_end_old(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then end the secret before the newest one."""
    found, form, status = _key(request, pk), Form(request.POST if request.method == "POST" else None), 200
    if request.method == "POST":
        _, status = attempt(form, lambda: actions.end_previous(actor=person(request), key=found))
        if status == 200:
            messages.success(request, f"The secret {found.previous_prefix}… is refused within a second.")
            return redirect(found)
    return render(request, "keys/end_old.html", {"key": found, "form": form}, status=status)


@explained
@require_http_methods(["GET", "HEAD", "POST"])
def key_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then revoke."""
    found, form, status = _key(request, pk), RevokeForm(request.POST or None), 200
    if request.method == "POST":
        _, status = attempt(
            form, lambda: actions.revoke(actor=person(request), key=found, reason=form.cleaned_data["reason"])
        )
        if status == 200:
            messages.success(request, f"The {found} is revoked: calls with it are refused within a second.")
            return redirect("keys")
    return render(request, "keys/revoke.html", {"key": found, "form": form}, status=status)


def _key(request: HttpRequest, pk: int) -> ApiKey:
    """The key of a client, for who may see it."""
    require(request.user, KEYS)
    return get_object_or_404(ApiKey.objects.select_related("environment", "created_by"), pk=pk, internal=False)


def _shown(key: ApiKey) -> dict[str, Any]:
    now = timezone.now()
    return {"key": key, "state": key.state(now), "overlaps": key.overlaps(now)}


def _new(key: ApiKey | None, secret: str) -> dict[str, Any]:
    """What the card with a new secret shows."""
    if key is None:
        return {}
    return {"key": key, "secret": secret, "address": endpoints.public(key.environment.name)}


def _rows(environment: str) -> list[tuple[ApiKey, str, bool]]:
    rows: QuerySet[ApiKey] = ApiKey.objects.filter(internal=False).select_related("environment", "created_by")
    if environment:
        rows = rows.filter(environment__name=environment)
    now = timezone.now()
    return sorted(((key, key.state(now), key.overlaps(now)) for key in rows), key=lambda row: row[1] != "active")
