"""Models: the list, one with everything about it, a new one, and the search of the top bar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import tellings
from dashboard.answers import complain, explained
from dashboard.charts.lines import Roles
from dashboard.diffs import RUNTIMES
from dashboard.forms.models import ModelForm
from dashboard.measured import charts, spent
from dashboard.people import person
from dashboard.views.board import matrix
from dashboard.views.promotions import posted, status
from releases.actions import packages as verbs
from releases.errors import Conflict, Refused
from releases.models import Environment, MLModel, Package
from releases.queries import board, capture, packages, refusals, traffic
from releases.queries import releases as releases_queries
from releases.rights import REGISTER, may, require

PER_PAGE = 20
SPANS = {"15m": timedelta(minutes=15), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
SPAN_WORDS = [("15m", "15 minutes"), ("24h", "24 hours"), ("7d", "7 days")]


@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """Every model, or those that the search finds; a package's number or digest finds its package."""
    search = request.GET.get("q", "").strip()[:100]
    page = Paginator(packages.models(search), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "q": search, "found": packages.search(search) if search else []}
    return render(request, "models/page.html", context | {"may_register": may(request.user, REGISTER)})


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """The fragment under the search field."""
    text = request.GET.get("q", "").strip()[:100]
    found = {"models": packages.models(text)[:6], "found": packages.search(text)} if text else {}
    return render(request, "models/_search.html", {"q": text, **found})


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def model_new(request: HttpRequest) -> HttpResponse:
    """A new model; then its first package."""
    require(request.user, REGISTER)
    form = ModelForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            model = verbs.create_model(actor=person(request), **form.cleaned_data)
            messages.success(request, f"{model.name} was made. Now register its first package.")
            return redirect("register", name=model.name)
        except (Refused, Conflict) as error:
            complain(form, error)
    return render(request, "models/new.html", {"form": form}, status=status(form))


@require_safe
def model(request: HttpRequest, name: str) -> HttpResponse:
    """One model: where it is live, its traffic, packages and releases; `?part=` answers a fragment."""
    found = get_object_or_404(MLModel, name=name)
    part = request.GET.get("part", "")
    if part == "charts":
        return render(request, "model/_charts.html", {"model": found, **_charts(request, found)})
    if part == "places":
        return render(request, "model/_places.html", {"model": found, **_places(request, found)})
    context = {"model": found, **_places(request, found), **_charts(request, found), **_lists(request, found)}
    return render(request, "model/page.html", context)


def _places(request: HttpRequest, found: MLModel) -> dict[str, Any]:
    environments = list(Environment.objects.all())
    rows = board.rows(environments, found)
    return {"environments": environments, "rows": matrix(rows, request.user)}


def _lists(request: HttpRequest, found: MLModel) -> dict[str, Any]:
    page = Paginator(packages.listed(found), PER_PAGE).get_page(request.GET.get("page"))
    places = packages.places(found)
    return {
        "page": page,
        "packages": [
            {"package": each, "places": places.get(each.pk, []), "runtime": RUNTIMES.get(each.runtime, each.runtime)}
            for each in page
        ],
        "uploads": packages.uploads(found),
        "releases": [tellings.row(each) for each in releases_queries.filtered(model=found.name)[:8]],
        "may_register": may(request.user, REGISTER),
        "captures": capture.places(found),
        "calls": upload_calls(request, found.name),
    }


def _charts(request: HttpRequest, found: MLModel) -> dict[str, Any]:
    """Traffic and latency of the chosen environment: by default the last one in which something is live."""
    names = list(Environment.objects.values_list("name", flat=True))
    live = [route.environment.name for route in found.routes.select_related("environment") if route.stable_id]
    wanted = request.GET.get("environment", "")
    environment = wanted if wanted in names else (live[-1] if live else "")
    span = request.GET.get("span", "15m") if request.GET.get("span") in SPANS else "15m"
    address = f"{reverse('model', args=[found.name])}?part=charts&environment={environment}&span={span}"
    base = {
        "chart_address": address,
        "chart_environment": environment,
        "chart_environments": names,
        "span": span,
        "spans": SPAN_WORDS,
    }
    if not environment:
        return base
    end = datetime.now(UTC)
    series = traffic.series(environment, found.name, end - SPANS[span], end)
    roles = releases_queries.arms(found, environment)
    away = refusals.turned_away(environment, end - SPANS[span], end, found.name)
    return base | {"charts": charts(series, roles), "spent": spent(series, _in(found, roles), away)}


def _in(found: MLModel, roles: Roles) -> list[Package]:
    """The packages with a role, the live one first."""
    return sorted(found.packages.filter(number__in=roles), key=lambda each: roles[each.number] != "stable")


def upload_calls(request: HttpRequest, name: str) -> list[dict[str, str]]:
    """The one line that registers a package from CI."""
    address = request.build_absolute_uri(reverse("api-model-packages", args=[name]))
    code = f'curl -fsS -H "Authorization: Token $SLIPWAY_TOKEN" -F file=@model.skops {address}'
    return [{"label": "curl", "code": code}]
