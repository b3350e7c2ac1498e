"""Who did what, when and why; and whether the trail is whole."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.forms.activity import FilterForm
from releases.queries import activity as queries

MOST_ID = 2**63 - 1


@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    """`?before=` and `?after=` page by row; `?check=1` also checks the chain; htmx asks for the check alone."""
    context: dict[str, Any] = {"chain": queries.check() if request.GET.get("check") else None}
    if context["chain"] and request.headers.get("HX-Request"):
        return render(request, "activity/_chain.html", context)
    form = FilterForm(request.GET)
    before, after = _number(request, "before"), _number(request, "after")
    page = queries.page(form.wanted(), before=before, after=after)
    if after is not None and page.newer is None:
        page = queries.page(form.wanted())
    rows = [(row, queries.WORDS.get(row.action, row.action)) for row in page.rows]
    active = any(request.GET.get(name) for name in form.fields)
    context |= {"form": form, "page": page, "rows": rows, "active": active, "at_end": before is None and after is None}
    status = 200 if form.is_valid() else 400
    return render(request, "activity/page.html", context, status=status)


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and int(text) <= MOST_ID else None
