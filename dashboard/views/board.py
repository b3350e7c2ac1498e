"""The board: models down, environments across; what is live, what is moving, what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard import badges
from dashboard.cells import cell, drawn
from releases import freezes
from releases.freezes import Window
from releases.models import Environment
from releases.queries import board as queries
from releases.queries import glance
from releases.rights import REGISTER, may

if TYPE_CHECKING:
    from releases.rights import Person


@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """The whole page, or with `?part=rows` the table alone, which the page asks for every two seconds."""
    environments = list(Environment.objects.all())
    rows = queries.rows(environments)
    context: dict[str, Any] = {
        "environments": environments,
        "freezes": first_freezes(environments),
        "rows": matrix(rows, request.user),
        **counts(rows),
    }
    context |= {"may_register": may(request.user, REGISTER), "first_calls": [] if rows else first_calls(request)}
    template = "board/_rows.html" if request.GET.get("part") == "rows" else "board/page.html"
    return render(request, template, context)


def first_freezes(environments: list[Environment]) -> list[tuple[Window, bool]]:
    """Return of each environment the freeze that holds, or the next one; and whether it holds now."""
    now = timezone.now()
    first = [windows[0] for windows in freezes.coming(environments, now).values()]
    return [(window, window.begins <= now) for window in sorted(first, key=lambda window: window.begins)]


def first_calls(request: HttpRequest) -> list[dict[str, str]]:
    """The two lines that make a model and register its first package."""
    address = request.build_absolute_uri(reverse("api-models"))
    who = '-H "Authorization: Token $SLIPWAY_TOKEN"'
    make = f"""curl -fsS {who} -H "Content-Type: application/json" -d '{{"name": "my-model"}}' {address}"""
    return [{"label": "curl", "code": f"{make}\ncurl -fsS {who} -F file=@model.skops {address}my-model/packages/"}]


def matrix(rows: list[queries.Row], person: Person) -> list[dict[str, Any]]:
    """Return the rows with their cells in words."""
    shown = badges.of(row.newest for row in rows if row.newest)
    figures = glance.board({place.environment.name for row in rows for place in row.places})
    return [
        {
            "model": row.model,
            "newest": row.newest,
            "uploads": row.uploads,
            "badges": shown[row.newest.pk] if row.newest else [],
            "cells": [(place.environment, drawn(cell(place, figures, person))) for place in row.places],
        }
        for row in rows
    ]


def counts(rows: list[queries.Row]) -> dict[str, int]:
    """Return how many places are live, moving and held."""
    places = [place for row in rows for place in row.places]
    running = [place.running for place in places if place.running]
    held = [release for release in running if release.state == "waiting" or release.paused_at]
    return {"live": sum(1 for p in places if p.stable), "moving": len(running) - len(held), "held": len(held)}
