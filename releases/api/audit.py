"""The audit trail: who did what, when and why; and whether its chain is whole."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import audit
from releases.api.endpoint import Endpoint, Listing, narrowed
from releases.api.parsing import Query, Text
from releases.models import AuditRow


class AuditShape(serializers.ModelSerializer):
    actor = serializers.CharField(source="actor_name", read_only=True, help_text="`slipway` for Slipway itself")

    class Meta:
        model = AuditRow
        fields = [
            "id",
            "at",
            "actor",
            "action",
            "subject",
            "subject_url",
            "model",
            "environment",
            "reason",
            "details",
            "previous_hash",
            "hash",
        ]
        read_only_fields = fields


class AuditQuery(Query):
    model = Text(max_length=63, required=False)
    environment = Text(max_length=63, required=False)
    actor = Text(max_length=150, required=False)
    action = Text(max_length=64, required=False, help_text="such as release.create")
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class Audit(Listing):
    """Who did what, newest first."""

    serializer_class = AuditShape
    query = AuditQuery

    def rows(self) -> QuerySet:
        lookups = {
            "model": "model",
            "environment": "environment",
            "actor": "actor_name",
            "action": "action",
            "since": "at__gte",
            "until": "at__lte",
        }
        return narrowed(AuditRow.objects.all(), self.given, lookups)


class CheckShape(serializers.Serializer):
    whole = serializers.BooleanField(read_only=True, help_text="no row was changed, added between or taken away")
    rows = serializers.IntegerField(read_only=True)
    first_break = serializers.IntegerField(read_only=True, allow_null=True, help_text="the first row that is wrong")
    last_hash = serializers.CharField(read_only=True, help_text="keep it elsewhere: a later chain must contain it")


class Check(Endpoint):
    @extend_schema(responses=CheckShape)
    def get(self, request: Request) -> Response:
        """Read the whole chain and check every hash."""
        wrong = audit.first_break()
        last = AuditRow.objects.order_by("-id").values_list("hash", flat=True).first()
        shown = {"whole": wrong is None, "rows": AuditRow.objects.count(), "first_break": wrong and wrong.pk}
        return Response(shown | {"last_hash": last or audit.GENESIS})
