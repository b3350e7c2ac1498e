"""Whether the web process can work: JSON for the supervisor and for load balancers, and the banner of every page."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboard.context import state
from releases.queries import health as queries


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 while the database answers, else 503; `away` names the other parts that do not."""
    database = _database_answers()
    parts = [part.what for part in queries.away(timezone.now())]
    status = "ok" if database else "the database is out of reach"
    return JsonResponse({"status": status, "version": settings.VERSION, "away": parts}, status=200 if database else 503)


@never_cache
@require_safe
def troubles(request: HttpRequest) -> HttpResponse:
    """The banner as a fragment; the frame asks for it every few seconds."""
    return render(request, "components/health_banner.html", state())


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM releases_environment LIMIT 1")
    except DatabaseError:
        return False
    return True
