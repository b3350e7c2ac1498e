"""The line: look whether releases may move, stop them all, let them go on."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import line
from releases.api.endpoint import Endpoint
from releases.api.releases import ReasonBody
from releases.api.shapes import Person
from releases.models import LineStop


class LineShape(serializers.ModelSerializer):
    stopped = serializers.SerializerMethodField(help_text="whether releases stand still")
    stopped_by, ended_by = Person(), Person()

    class Meta:
        model = LineStop
        fields = ["stopped", "reason", "stopped_at", "stopped_by", "ended_at", "ended_by", "ended_reason"]
        read_only_fields = fields

    def get_stopped(self, found: LineStop) -> bool:
        return bool(found.is_open)


class NowShape(serializers.Serializer):
    stopped = serializers.BooleanField(read_only=True, help_text="whether releases stand still")
    stop = LineShape(read_only=True, allow_null=True, help_text="who stopped them and why; null while they move")


class Line(Endpoint):
    @extend_schema(responses=NowShape)
    def get(self, request: Request) -> Response:
        """Look whether releases may move."""
        found = line.stopped()
        shown: dict[str, Any] | None = LineShape(found).data if found else None
        return Response({"stopped": found is not None, "stop": shown})


class Stop(Endpoint):
    @extend_schema(request=ReasonBody, responses=LineShape)
    def post(self, request: Request) -> Response:
        """Stop every release where it is, and refuse new ones; rollbacks go all the same."""
        return Response(LineShape(line.stop(actor=self.person, **self.body(ReasonBody))).data)


class GoOn(Endpoint):
    @extend_schema(request=ReasonBody, responses=LineShape)
    def post(self, request: Request) -> Response:
        """Let releases move again."""
        return Response(LineShape(line.go_on(actor=self.person, **self.body(ReasonBody))).data)
