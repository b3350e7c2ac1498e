"""Routes: which package is live for each model in each environment, and which one a rollback returns to."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery
from rest_framework import serializers

from releases.api.endpoint import Listing, narrowed
from releases.api.parsing import Query, Text
from releases.api.shapes import Name, Number
from releases.models import Release, Route

HEAVY = [
    f"{role}__{name}"
    for role in ("stable", "previous")
    for name in ("signature", "manifest", "example", "provenance", "versions", "differences")
]


class RouteShape(serializers.ModelSerializer):
    model = Name()
    environment = Name()
    live = Number(source="stable", allow_null=True, help_text="the package that answers")
    digest = serializers.CharField(source="stable.digest", read_only=True, allow_null=True, default=None)
    previous = Number(allow_null=True, help_text="where a rollback goes")
    release = serializers.IntegerField(read_only=True, allow_null=True, help_text="the release that is under way")

    class Meta:
        model = Route
        fields = ["model", "environment", "live", "digest", "previous", "release", "changed_at"]
        read_only_fields = fields


class RouteQuery(Query):
    model = Text(max_length=63, required=False)
    environment = Text(max_length=63, required=False)


class Routes(Listing):
    """Which package is live for each model in each environment."""

    serializer_class = RouteShape
    query = RouteQuery

    def rows(self) -> QuerySet:
        running = Release.traffic.filter(
            model=OuterRef("model"), environment=OuterRef("environment"), state__in=Release.UNFINISHED
        )
        rows = Route.objects.select_related("model", "environment", "stable", "previous").defer(*HEAVY)
        rows = rows.annotate(release=Subquery(running.values("pk")[:1]))
        return narrowed(rows, self.given, {"model": "model__name", "environment": "environment__name"})
