"""Streams: how far behind they are, what was set aside, and sending it in again."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.api.endpoint import Endpoint, Listing, created, narrowed
from releases.api.parsing import Body, Named, Query, Text
from releases.models import Environment, MLModel, StreamHook
from releases.modes.stream import hooks, letters, reading


class StreamShape(serializers.Serializer):
    environment = serializers.CharField(read_only=True, source="environment.name")
    model = serializers.CharField(read_only=True, source="model.name")
    waiting = serializers.IntegerField(read_only=True, help_text="records without an outcome")
    lag = serializers.FloatField(read_only=True, help_text="seconds for which the oldest one has waited")
    limit = serializers.FloatField(read_only=True, help_text="seconds that are accepted")
    is_late = serializers.BooleanField(read_only=True)
    pace = serializers.FloatField(read_only=True, help_text="outcomes a second in the last full ten seconds")
    answered = serializers.IntegerField(read_only=True)
    dead = serializers.IntegerField(read_only=True, help_text="records that were ever set aside")
    doubled = serializers.IntegerField(read_only=True, help_text="records that came again with a known id")


class StreamsShape(serializers.Serializer):
    away = serializers.BooleanField(read_only=True, help_text="Redis cannot be asked")
    consumers = serializers.IntegerField(read_only=True, help_text="that are alive")
    streams = StreamShape(many=True, read_only=True)


class StreamQuery(Query):
    environment = Text(max_length=63, required=False)
    model = Text(max_length=63, required=False)


class Streams(Endpoint):
    query = StreamQuery

    @extend_schema(responses=StreamsShape)
    def get(self, request: Request) -> Response:
        """Look at every stream: what waits, for how long, how fast it goes."""
        return Response(StreamsShape(reading.every(**self.given)).data)


class LetterShape(serializers.Serializer):
    entry = serializers.CharField(read_only=True)
    id = serializers.CharField(read_only=True, help_text="of the record")
    at = serializers.DateTimeField(read_only=True, help_text="when it came")
    reason = serializers.CharField(read_only=True)
    tries = serializers.IntegerField(read_only=True)


class LetterQuery(Query):
    environment = Named(Environment.objects.all())
    model = Named(MLModel.objects.all())


class LettersShape(serializers.Serializer):
    letters = LetterShape(many=True, read_only=True, help_text="newest first, 100 at most")


class ReplayBody(Body):
    environment = Named(Environment.objects.all())
    model = Named(MLModel.objects.all())
    entry = Text(max_length=50, required=False, help_text="one of them; all, 100 at most, when left out")


class ReplayedShape(serializers.Serializer):
    records = serializers.IntegerField(read_only=True, help_text="sent in again")


class HookShape(serializers.ModelSerializer):
    environment = serializers.CharField(source="environment.name", read_only=True)
    model = serializers.CharField(source="model.name", read_only=True)

    class Meta:
        model = StreamHook
        fields = ["environment", "model", "url", "delivered", "failures", "words", "next_at", "last_at", "created_at"]
        read_only_fields = fields


class MadeHookShape(HookShape):
    secret = serializers.CharField(read_only=True, help_text="with which each body is signed")

    class Meta(HookShape.Meta):
        fields = [*HookShape.Meta.fields, "secret"]
        read_only_fields = fields


class HookPlace(Body):
    environment = Named(Environment.objects.all())
    model = Named(MLModel.objects.all())


class HookBody(HookPlace):
    url = Text(max_length=500, help_text="https://… or http://…; another one takes over from where this had come to")


class Hooks(Listing):
    """Where results of streams are sent."""

    serializer_class = HookShape
    query = StreamQuery

    def rows(self) -> QuerySet:
        rows = StreamHook.objects.select_related("environment", "model").order_by("id")
        return narrowed(rows, self.given, {"environment": "environment__name", "model": "model__name"})

    @extend_schema(request=HookBody, responses={201: MadeHookShape})
    def post(self, request: Request) -> Response:
        """Send the results of a stream to an address from now on."""
        hook, secret = hooks.put(actor=self.person, **self.body(HookBody))
        hook.secret = secret  # type: ignore[attr-defined]
        return created(MadeHookShape(hook).data)


class Unhook(Endpoint):
    @extend_schema(request=HookPlace, responses={204: None})
    def post(self, request: Request) -> Response:
        """Send nothing any more."""
        hooks.remove(actor=self.person, **self.body(HookPlace))
        return Response(status=204)


class Letters(Endpoint):
    query = LetterQuery

    @extend_schema(responses=LettersShape)
    def get(self, request: Request) -> Response:
        """Look at the dead letters of a stream: why they were set aside; their rows are shown to nobody."""
        found: list[Any] = reading.letters(**self.given)
        return Response(LettersShape({"letters": found}).data)


class StreamReplay(Endpoint):
    @extend_schema(request=ReplayBody, responses=ReplayedShape)
    def post(self, request: Request) -> Response:
        """Send dead letters in again, under their ids."""
        return Response({"records": letters.replay(actor=self.person, **self.body(ReplayBody))})
