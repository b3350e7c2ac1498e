"""Addresses under which the gallery and the names that the frame links to are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import engines
from django.urls import path
from django.utils import timezone

from dashboard.tests.gallery import sample

HERE = Path(__file__).parent


class SignIn(forms.Form):
    """The shape of Django's sign-in form."""

    username = forms.CharField()
    password = forms.CharField(widget=forms.PasswordInput)


def _frame() -> dict[str, Any]:
    person = User(username="rokafor", first_name="R.", last_name="Okafor")
    return {"user": person, "rights": {"manage keys"}, "role": "release manager", "section": "models"}


def _page(request: HttpRequest, name: str, values: dict[str, Any]) -> HttpResponse:
    template = engines["django"].from_string((HERE / f"{name}.html").read_text())
    return HttpResponse(template.render(_frame() | values, request))


def gallery(request: HttpRequest) -> HttpResponse:
    page = Paginator(range(95), 20).page(2)
    names = {"page": page, "environments": ["dev", "test", "staging", "production"]}
    return _page(request, "page", sample.context() | names)


def question(request: HttpRequest) -> HttpResponse:
    return _page(request, "question", sample.context())


def fragment(request: HttpRequest) -> HttpResponse:
    more = '<details><summary>More</summary><a href="#" id="inside">A link</a></details>'
    return HttpResponse(f"<p>Refreshed at {timezone.now():%H:%M:%S}</p>{more}")


def chart(request: HttpRequest) -> HttpResponse:
    seen = sample.context()
    values = {"id": "latency", "figure": seen["latency"], "columns": seen["columns"], "rows": seen["rows"]}
    return render(request, "components/chart.html", values | {"summary": "latency in the last hour"})


def sign_in(request: HttpRequest) -> HttpResponse:
    return render(request, "sign_in/page.html", {"form": SignIn()})


def error(request: HttpRequest, status: int) -> HttpResponse:
    return render(request, f"errors/{status}.html", {"moves": ["abort", "roll back"]}, status=status)


NAMES = ["models", "releases", "playground", "environments", "activity", "keys", "sign_out", "api-docs", "account"]
urlpatterns = [
    path("", gallery, name="board"),
    path("confirm/", question, name="rollback"),
    path("fragment/", fragment, name="fragment"),
    path("fragment/chart/", chart, name="chart"),
    path("sign-in/", sign_in, name="sign_in"),
    path("error/<int:status>/", error, name="error"),
    *[path(f"{name}/", gallery, name=name) for name in NAMES],
]
