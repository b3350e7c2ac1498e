"""Freezes of an environment: look at them and at what they hold in the next days, make one, take one away."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases import freezes
from releases.actions import freezes as verbs
from releases.api.endpoint import Endpoint, created
from releases.api.parsing import Body, Text, Whole
from releases.api.shapes import Person
from releases.models import Environment, Freeze


class FreezeShape(serializers.ModelSerializer):
    created_by = Person()

    class Meta:
        model = Freeze
        fields = ["id", "name", "begins", "ends", "cron", "minutes", "zone", "created_at", "created_by"]
        read_only_fields = fields


class FrozenShape(serializers.Serializer):
    freeze = serializers.IntegerField(read_only=True, help_text="id of the freeze")
    name = serializers.CharField(read_only=True)
    begins = serializers.DateTimeField(read_only=True)
    ends = serializers.DateTimeField(read_only=True)


class FreezesShape(serializers.Serializer):
    frozen = serializers.BooleanField(read_only=True, help_text="whether releases stand still here now")
    windows = FrozenShape(many=True, read_only=True, help_text="now and in the next 14 days, five at most")
    freezes = FreezeShape(many=True, read_only=True)


class FreezeBody(Body):
    name = Text(max_length=100, help_text="why, in a few words")
    begins = serializers.DateTimeField(required=False, allow_null=True)
    ends = serializers.DateTimeField(required=False, allow_null=True)
    cron = Text(max_length=100, required=False, allow_blank=True, help_text="minute hour day month weekday")
    minutes = Whole(required=False, allow_null=True, help_text="how long a recurring one lasts")
    zone = Text(max_length=64, required=False, help_text="time zone of the cron form, such as Europe/Berlin")


class Freezes(Endpoint):
    @extend_schema(responses=FreezesShape)
    def get(self, request: Request, name: str) -> Response:
        """Look when releases stand still here."""
        return Response(_shown(get_object_or_404(Environment, name=name)))

    @extend_schema(request=FreezeBody, responses={201: FreezesShape})
    def post(self, request: Request, name: str) -> Response:
        """Freeze the environment for a time, once or again and again."""
        environment = get_object_or_404(Environment, name=name)
        given = {field: value for field, value in self.body(FreezeBody).items() if field != "name"}
        verbs.freeze(actor=self.person, environment=environment, name=self.body(FreezeBody)["name"], **given)
        return created(_shown(environment))


class OneFreeze(Endpoint):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, pk: str) -> Response:
        """Take a freeze away; releases that waited for its end go on."""
        found = get_object_or_404(Freeze.objects.select_related("environment"), environment__name=name, pk=pk)
        verbs.thaw(actor=self.person, freeze=found)
        return Response(status=204)


def _shown(environment: Environment) -> dict[str, Any]:
    windows = freezes.coming([environment]).get(environment.pk, [])
    return {
        "frozen": freezes.holding(environment) is not None,
        "windows": [
            {"freeze": each.freeze.pk, "name": each.freeze.name, "begins": each.begins, "ends": each.ends}
            for each in windows
        ],
        "freezes": FreezeShape(environment.freezes.select_related("created_by"), many=True).data,
    }
