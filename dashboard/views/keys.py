"""API keys of every environment: see, issue (the secret is shown once), revoke."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboard import endpoints
from dashboard.answers import explained
from dashboard.forms.keys import KeyForm, RevokeForm
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
    context: dict[str, Any] = {
        "rows": _rows(chosen),
        "environments": Environment.objects.all(),
        "chosen": chosen,
        "key": key,
    }
    context |= {"secret": secret, "form": KeyForm(initial={"environment": chosen}) if key else form}
    context |= {"address": endpoints.public(key.environment.name) if key else None}
    return render(request, "keys/page.html", context, status=201 if key else status)


@explained
@require_http_methods(["GET", "HEAD", "POST"])
def key_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then revoke."""
    require(request.user, KEYS)
    key = get_object_or_404(ApiKey.objects.select_related("environment"), pk=pk, internal=False)
    form = RevokeForm(request.POST or None)
    status = 200
    if request.method == "POST":
        _, status = attempt(
            form, lambda: actions.revoke(actor=person(request), key=key, reason=form.cleaned_data["reason"])
        )
        if status == 200:
            messages.success(request, f"The key {key} is revoked: calls with it are refused within a second.")
            return redirect("keys")
    return render(request, "keys/revoke.html", {"key": key, "form": form}, status=status)


def _rows(environment: str) -> list[tuple[ApiKey, str]]:
    rows: QuerySet[ApiKey] = ApiKey.objects.filter(internal=False).select_related("environment", "created_by")
    if environment:
        rows = rows.filter(environment__name=environment)
    return sorted(((key, _state(key)) for key in rows), key=lambda row: row[1] != "active")


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= timezone.now() else "active"
