"""Capture: its settings for each environment, the files, and the requests themselves as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import capture
from releases.api.declaring import Real
from releases.api.endpoint import Endpoint, Listing
from releases.api.parsing import Body, Named, Query, Switch, Text, Whole
from releases.models import CaptureFile, Environment, MLModel
from releases.queries.capture import Place, places
from serving import captured

MOST = 10_000
NDJSON = "application/x-ndjson"


class SettingShape(serializers.Serializer):
    environment = serializers.CharField(read_only=True, source="environment.name")
    on = serializers.BooleanField(read_only=True, source="setting.on")
    share = serializers.FloatField(read_only=True, source="setting.share", help_text="of the requests, up to 1")
    per_hour = serializers.IntegerField(read_only=True, source="setting.per_hour", help_text="over all gateways")
    keep_days = serializers.IntegerField(read_only=True, source="setting.keep_days")
    records = serializers.IntegerField(read_only=True, help_text="requests that are on disk")
    size = serializers.IntegerField(read_only=True, help_text="bytes on disk, compressed")
    first = serializers.DateTimeField(read_only=True, allow_null=True, help_text="start of the first hour on disk")


class CaptureShape(serializers.Serializer):
    environments = SettingShape(many=True, read_only=True)


class SettingBody(Body):
    environment = Named(Environment.objects.all())
    on = Switch(required=False, help_text="keep requests of this model there")
    share = Real(required=False, help_text="of the requests, above 0 and up to 1")
    per_hour = Whole(required=False, help_text="kept in an hour at most, up to 100,000")
    keep_days = Whole(required=False, help_text="until they are deleted, up to 365")


class Capture(Endpoint):
    @extend_schema(responses=CaptureShape)
    def get(self, request: Request, name: str) -> Response:
        """Look at what is kept of a model's requests, in each environment."""
        return Response(_shown(get_object_or_404(MLModel, name=name)))

    @extend_schema(request=SettingBody, responses=CaptureShape)
    def patch(self, request: Request, name: str) -> Response:
        """Switch it on or off in one environment, or change the settings there."""
        model = get_object_or_404(MLModel, name=name)
        capture.configure(actor=self.person, model=model, **self.body(SettingBody))
        return Response(_shown(model))


class FileShape(serializers.ModelSerializer):
    class Meta:
        model = CaptureFile
        fields = ["environment", "hour", "records", "over", "size", "updated_at"]
        read_only_fields = fields


class FileQuery(Query):
    environment = Text(max_length=63, required=False)


class Files(Listing):
    """The hours of which requests are on disk, newest first."""

    serializer_class = FileShape
    query = FileQuery

    def rows(self) -> QuerySet:
        model = get_object_or_404(MLModel, name=self.kwargs["name"])
        rows = CaptureFile.objects.filter(model=model.name).order_by("-hour", "-id")
        return rows.filter(environment=self.given["environment"]) if "environment" in self.given else rows


class RecordQuery(Query):
    environment = Named(Environment.objects.all())
    since = serializers.DateTimeField(required=False, help_text="came at or after this time")
    until = serializers.DateTimeField(required=False, help_text="came before this time")
    limit = Whole(max_value=MOST, required=False, default=1000, help_text="at most; 1,000 when left out")


class JsonLines(BaseRenderer):
    """So that a client may ask for the form in which the records come; errors come as JSON in it."""

    media_type, format, charset = NDJSON, "ndjson", "utf-8"

    def render(self, data: Any, *arguments: Any, **more: Any) -> bytes:
        return bytes(JSONRenderer().render(data))


class Records(Endpoint):
    query = RecordQuery
    renderer_classes = [JSONRenderer, JsonLines]

    @extend_schema(responses={(200, NDJSON): {"type": "string"}})
    def get(self, request: Request, name: str) -> Any:
        """Take captured requests out, oldest first, one JSON object a line; it stands in the audit trail."""
        model = get_object_or_404(MLModel, name=name)
        found = capture.take_out(actor=self.person, model=model, **self.given)
        answer = StreamingHttpResponse(_lines(found), content_type=NDJSON)
        file = f"{model.name}-{self.given['environment'].name}.jsonl"
        answer["Content-Disposition"] = f'attachment; filename="{file}"'
        return answer


def _lines(found: Iterator[captured.Record]) -> Iterator[bytes]:
    for record in found:
        yield captured.dumps(record) + b"\n"


def _shown(model: MLModel) -> Any:
    found: list[Place] = places(model)
    return CaptureShape({"environments": found}).data
