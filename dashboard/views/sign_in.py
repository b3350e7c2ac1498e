"""Sign in and out; too many wrong passwords lock the name for a while, and the page says for how long."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import views
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.forms.sign_in import SignInForm

sign_in = views.LoginView.as_view(
    template_name="sign_in/page.html", authentication_form=SignInForm, redirect_authenticated_user=True
)
sign_out = views.LogoutView.as_view()


def locked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """What axes answers while a name is locked (settings.AXES_LOCKOUT_CALLABLE)."""
    minutes = round(settings.AXES_COOLOFF_TIME * 60)
    form = SignInForm(request, initial={"username": request.POST.get("username", "")[:150]})
    context = {"form": form, "next": "", "locked": f"Too many wrong passwords. Try again in {minutes} minutes."}
    return render(request, "sign_in/page.html", context, status=429)
