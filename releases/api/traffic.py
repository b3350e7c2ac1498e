"""What the gateways measured lately: calls, errors and latency by package."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.api.endpoint import Endpoint
from releases.api.parsing import Named, Query, Whole
from releases.models import Environment, MLModel
from releases.queries import refusals, traffic

QUANTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}


class TrafficQuery(Query):
    model = Named(MLModel.objects.all())
    environment = Named(Environment.objects.all())
    minutes = Whole(max_value=60 * 24 * 30, required=False, default=15, help_text="how far back; 15 when left out")


class TallyShape(serializers.Serializer):
    package = serializers.IntegerField(read_only=True)
    calls = serializers.IntegerField(read_only=True)
    answered = serializers.IntegerField(read_only=True)
    failed = serializers.IntegerField(read_only=True, help_text="errors of the package")
    refused = serializers.IntegerField(read_only=True, help_text="calls that broke the signature (4xx)")
    rows = serializers.IntegerField(read_only=True, help_text="rows predicted")
    queue_seconds = serializers.FloatField(read_only=True, allow_null=True, help_text="mean wait for the model")
    model_seconds = serializers.FloatField(read_only=True, allow_null=True, help_text="mean time the model took")
    p50 = serializers.FloatField(read_only=True, allow_null=True, help_text="seconds")
    p90 = serializers.FloatField(read_only=True, allow_null=True, help_text="seconds")
    p99 = serializers.FloatField(read_only=True, allow_null=True, help_text="seconds")


class RefusalShape(serializers.Serializer):
    status = serializers.IntegerField(read_only=True)
    kind = serializers.CharField(read_only=True, help_text="such as key, rate, form, off")
    calls = serializers.IntegerField(read_only=True)


class TrafficShape(serializers.Serializer):
    known = serializers.BooleanField(read_only=True, help_text="false while Redis is away")
    start = serializers.DateTimeField(read_only=True)
    end = serializers.DateTimeField(read_only=True)
    packages = TallyShape(many=True, read_only=True)
    turned_away = RefusalShape(many=True, read_only=True, help_text="calls refused before a package was picked")


class Traffic(Endpoint):
    query = TrafficQuery

    @extend_schema(responses=TrafficShape)
    def get(self, request: Request) -> Response:
        """Ask what was called lately, by package."""
        end = datetime.now(UTC)
        start = end - timedelta(minutes=self.given["minutes"])
        found = traffic.series(self.given["environment"].name, self.given["model"].name, start, end)
        rows = [_row(package, found.total(package)) for package in found.packages]
        away = refusals.turned_away(self.given["environment"].name, start, end, self.given["model"].name)
        counted = sorted((away or refusals.Refusals()).items())
        turned = [{"status": each.status, "kind": each.kind, "calls": number} for each, number in counted]
        shown = {"known": found.known, "start": start, "end": end, "packages": rows, "turned_away": turned}
        return Response(TrafficShape(shown).data)


def _row(package: int, tally: traffic.Tally) -> dict[str, Any]:
    counts = {"calls": tally.starts, "answered": tally.completions, "failed": tally.errors, "refused": tally.refused}
    means = {"queue_seconds": tally.mean(tally.queued), "model_seconds": tally.mean(tally.computed)}
    shown = {"package": package, "rows": tally.rows} | counts | means
    return shown | {name: tally.quantile(q) for name, q in QUANTILES.items()}
