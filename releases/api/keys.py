"""API keys of environments: list, issue and rotate (the secret is shown once), change, revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import keys
from releases.actions.key_values import MOST
from releases.api.endpoint import Endpoint, Listing, created, narrowed
from releases.api.parsing import Body, Named, Query, Switch, Text, Whole
from releases.api.shapes import Address, Name, Person
from releases.models import ApiKey, Environment
from releases.rights import KEYS, require

CLIENTS = ApiKey.objects.filter(internal=False).select_related("environment", "created_by")


class KeyShape(serializers.ModelSerializer):
    environment = Name()
    url = Address("api-key", {"pk": "pk"})
    models = serializers.ListField(child=serializers.CharField(), read_only=True, help_text='names, or ["*"] for all')
    origins = serializers.ListField(child=serializers.CharField(), read_only=True, help_text="of pages that may call")
    created_by = Person()

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "url",
            "environment",
            "name",
            "prefix",
            "models",
            "pin",
            "requests_per_second",
            "concurrent_requests",
            "origins",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "rotated_at",
            "previous_prefix",
            "previous_until",
            "previous_used_at",
            "created_at",
            "created_by",
        ]
        read_only_fields = fields


class NewKeyShape(KeyShape):
    secret = serializers.SerializerMethodField(help_text="shown this once and kept nowhere")

    class Meta(KeyShape.Meta):
        fields = [*KeyShape.Meta.fields, "secret"]
        read_only_fields = fields

    def get_secret(self, key: ApiKey) -> str:
        return str(self.context["secret"])


LIMIT = {"required": False, "allow_null": True, "max_value": MOST}


class KeyValues(Body):
    name = Text(max_length=100, required=False, help_text="such as the name of the client")
    models = serializers.ListField(
        child=Text(max_length=63), required=False, max_length=1000, help_text='what it may call; ["*"] or none for all'
    )
    pin = Switch(required=False, help_text="may choose the package by header")
    requests_per_second = Whole(**LIMIT, help_text="over all gateways together; null for no limit")
    concurrent_requests = Whole(**LIMIT, help_text="in flight at once; null for no limit")
    origins = serializers.ListField(
        child=Text(max_length=300), required=False, max_length=100, help_text="pages whose scripts may call with it"
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class KeyBody(KeyValues):
    environment = Named(Environment.objects.all())
    name = Text(max_length=100, help_text="such as the name of the client")


class RotateBody(Body):
    overlap_hours = Whole(
        min_value=0, max_value=24 * 90, required=False, help_text="how long the old secret stays valid too; 24"
    )
    prefix = Text(max_length=12, required=False, help_text="only if the secret in use begins so; else 409")


class RevokeBody(Body):
    reason = Text(max_length=500, required=False, allow_blank=True)


class KeyQuery(Query):
    environment = Text(max_length=63, required=False)
    revoked = Switch(required=False, help_text="only revoked ones, or only others")


class Keys(Listing):
    """Every key for predictions; never its secret."""

    serializer_class = KeyShape
    query = KeyQuery

    def rows(self) -> QuerySet:
        require(self.person, KEYS)
        rows = CLIENTS.all()
        lookups = {"environment": "environment__name", "revoked": "revoked_at__isnull"}
        given = {**self.given, "revoked": not self.given["revoked"]} if "revoked" in self.given else self.given
        return narrowed(rows, given, lookups)

    @extend_schema(request=KeyBody, responses={201: NewKeyShape})
    def post(self, request: Request) -> Response:
        """Issue a key for predictions in one environment; its secret is in this answer and nowhere else."""
        key, secret = keys.issue(actor=self.person, **self.body(KeyBody))
        return created(NewKeyShape(key, context={"secret": secret, "request": request}).data)


class KeyEndpoint(Endpoint):
    """Of one key; Slipway's own do not exist here."""

    def key(self, pk: str) -> ApiKey:
        require(self.person, KEYS)  # else the answer to an unknown number would tell which ones exist
        return get_object_or_404(CLIENTS, pk=pk)

    def shown(self, pk: str, secret: str = "") -> dict[str, Any]:
        shape = NewKeyShape if secret else KeyShape
        return shape(CLIENTS.get(pk=pk), context={"secret": secret, "request": self.request}).data


class OneKey(KeyEndpoint):
    @extend_schema(responses=KeyShape)
    def get(self, request: Request, pk: str) -> Response:
        """Look at one key."""
        self.key(pk)
        return Response(self.shown(pk))

    @extend_schema(request=KeyValues, responses=KeyShape)
    def patch(self, request: Request, pk: str) -> Response:
        """Change a key's name, models, rights, limits, origins or end; what is not named stays."""
        keys.change(actor=self.person, key=self.key(pk), **self.body(KeyValues))
        return Response(self.shown(pk))


class Rotate(KeyEndpoint):
    @extend_schema(request=RotateBody, responses=NewKeyShape)
    def post(self, request: Request, pk: str) -> Response:
        """Give a key a new secret, in this answer and nowhere else; the old one stays valid for a while."""
        given = self.body(RotateBody)
        overlap, prefix = timedelta(hours=given.get("overlap_hours", 24)), given.get("prefix", "")
        key, secret = keys.rotate(actor=self.person, key=self.key(pk), overlap=overlap, prefix=prefix)
        return Response(self.shown(str(key.pk), secret))


class EndOld(KeyEndpoint):
    @extend_schema(request=Body, responses=KeyShape)
    def post(self, request: Request, pk: str) -> Response:
        """End the secret before the newest one now."""
        self.body(Body)
        keys.end_previous(actor=self.person, key=self.key(pk))
        return Response(self.shown(pk))


class Revoke(KeyEndpoint):
    @extend_schema(request=RevokeBody, responses=KeyShape)
    def post(self, request: Request, pk: str) -> Response:
        """Revoke a key; the gateways refuse it from the next table on."""
        keys.revoke(actor=self.person, key=self.key(pk), **self.body(RevokeBody))
        return Response(self.shown(pk))
