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
from releases.queries import traffic

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
    p50 = serializers.FloatField(read_only=True, allow_null=True, help_text="seconds")
    p90 = serializers.FloatField(read_only=True, allow_null=True, help_text="seconds")
    p99 = serializers.FloatField(read_only=True, allow_null=True, help_text="seconds")


class TrafficShape(serializers.Serializer):
    known = serializers.BooleanField(read_only=True, help_text="false while Redis is away")
    start = serializers.DateTimeField(read_only=True)
    end = serializers.DateTimeField(read_only=True)
    packages = TallyShape(many=True, read_only=True)


class Traffic(Endpoint):
    query = TrafficQuery

    @extend_schema(responses=TrafficShape)
    def get(self, request: Request) -> Response:
        """Ask what was called lately, by package."""
        end = datetime.now(UTC)
        start = end - timedelta(minutes=self.given["minutes"])
        found = traffic.series(self.given["environment"].name, self.given["model"].name, start, end)
        rows = [_row(package, found.total(package)) for package in found.packages]
        return Response(TrafficShape({"known": found.known, "start": start, "end": end, "packages": rows}).data)


def _row(package: int, tally: traffic.Tally) -> dict[str, Any]:
    counts = {"calls": tally.starts, "answered": tally.completions, "failed": tally.errors, "refused": tally.refused}
    return {"package": package} | counts | {name: tally.quantile(q) for name, q in QUANTILES.items()}
