"""Which serving mode is the simplest that serves."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.api.endpoint import Endpoint
from releases.api.parsing import Query, Switch, Whole
from releases.models import MLModel
from releases.modes import choosing, measured
from releases.modes.choosing import Need


class ModeQuery(Query):
    acceptable_latency = serializers.ChoiceField(list(choosing.LATENCIES), help_text="what the client can wait for")
    arrival = serializers.ChoiceField(list(choosing.ARRIVALS), required=False, help_text="how inputs come; calls")
    rows = Whole(required=False, help_text="of a file, where inputs come as one")
    online = Switch(required=False, help_text="whether the client always is; true")


class MeasuredShape(serializers.Serializer):
    package = serializers.IntegerField(read_only=True)
    calls = serializers.IntegerField(read_only=True, help_text="answered in the last seven days, on this machine")
    p50 = serializers.FloatField(read_only=True, allow_null=True, help_text="seconds")
    p99 = serializers.FloatField(read_only=True, allow_null=True, help_text="seconds")
    rows_a_second = serializers.FloatField(read_only=True, allow_null=True, help_text="of its newest batch")
    quality = serializers.DictField(read_only=True, help_text="figures that its maker told")
    fits = serializers.BooleanField(read_only=True, allow_null=True, help_text="whether its p99 is within the latency")


class ModeShape(serializers.Serializer):
    mode = serializers.ChoiceField(list(choosing.NAMES), read_only=True)
    reasons = serializers.ListField(child=serializers.CharField(), read_only=True)
    warnings = serializers.ListField(child=serializers.CharField(), read_only=True)
    live = serializers.IntegerField(read_only=True, allow_null=True, help_text="the package that was asked about")
    packages = MeasuredShape(many=True, read_only=True, help_text="side by side, quickest first")


class ServingMode(Endpoint):
    query = ModeQuery

    @extend_schema(responses=ModeShape)
    def get(self, request: Request, name: str) -> Response:
        """Ask for the simplest serving mode, with reasons and what was measured of each package on this machine."""
        given = self.given
        need = Need(
            given["acceptable_latency"],
            given.get("arrival", choosing.CALLS),
            given.get("rows"),
            given.get("online", True),
        )
        return Response(_shown(measured.choose(get_object_or_404(MLModel, name=name), need)))


def _shown(found: measured.Choice) -> dict[str, Any]:
    advice = found.advice
    return {
        "mode": advice.mode,
        "reasons": advice.reasons,
        "warnings": advice.warnings,
        "live": found.live and found.live.number,
        "packages": [{**vars(each), "package": each.package.number} for each in found.packages],
    }
