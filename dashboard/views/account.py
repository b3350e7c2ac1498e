"""One's own account: what the role allows, access tokens for the REST API, the password."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.answers import explained
from dashboard.context import rights_of
from dashboard.forms.account import PasswordForm
from dashboard.forms.keys import ExpiryForm
from dashboard.forms.refusals import attempt
from dashboard.people import person
from releases.actions import keys as actions
from releases.models import AccessToken


@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    return _page(request)


@never_cache
@require_POST
def token_issue(request: HttpRequest) -> HttpResponse:
    """Make a token; the secret is in the answer and nowhere else."""
    form = ExpiryForm(request.POST)
    issued, status = attempt(
        form,
        lambda: actions.issue_token(user=person(request), name=form.cleaned_data["name"], expires_at=form.expires_at),
    )
    if issued:
        return _page(request, token=issued[0], secret=issued[1], status=201)
    return _page(request, token_form=form, status=status)


@explained
@require_http_methods(["GET", "HEAD", "POST"])
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then delete one of the person's own tokens; those of others do not exist here."""
    token = get_object_or_404(AccessToken, pk=pk, user=person(request))
    if request.method == "POST":
        actions.revoke_token(actor=person(request), token=token)
        messages.success(request, f"The token {token.name} is revoked.")
        return redirect("account")
    return render(request, "account/revoke.html", {"token": token})


@sensitive_post_parameters()
@never_cache
@require_POST
def password(request: HttpRequest) -> HttpResponse:
    """Change the password; this session goes on, all others end."""
    form = PasswordForm(person(request), request.POST)
    if not form.is_valid():
        return _page(request, password_form=form, status=400)
    update_session_auth_hash(request, form.save())
    messages.success(request, "Your password is changed. You were signed out everywhere else.")
    return redirect("account")


def _page(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "tokens": person(request).tokens.all(),
        "allowed": sorted(rights_of(request)),
        "now": timezone.now(),
        "token_form": ExpiryForm(),
        "password_form": PasswordForm(person(request)),
    }
    return render(request, "account/page.html", context | more, status=status)
