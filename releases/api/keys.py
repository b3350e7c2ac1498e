"""API keys of environments: list, issue (the secret is shown once), revoke."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import keys
from releases.api.endpoint import Endpoint, Listing, created, narrowed
from releases.api.parsing import Body, Named, Query, Switch, Text
from releases.api.shapes import Name, Person
from releases.models import ApiKey, Environment
from releases.rights import KEYS, require


class KeyShape(serializers.ModelSerializer):
    environment = Name()
    models = serializers.ListField(child=serializers.CharField(), read_only=True, help_text='names, or ["*"] for all')
    created_by = Person()

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "environment",
            "name",
            "prefix",
            "models",
            "pin",
            "internal",
            "expires_at",
            "revoked_at",
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


class KeyBody(Body):
    environment = Named(Environment.objects.all())
    name = Text(max_length=100, help_text="such as the name of the client")
    models = serializers.ListField(
        child=Text(max_length=63), required=False, max_length=1000, help_text="what it may call; all when left out"
    )
    pin = Switch(required=False, help_text="may choose the package by header")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


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
        rows = ApiKey.objects.select_related("environment", "created_by")
        lookups = {"environment": "environment__name", "revoked": "revoked_at__isnull"}
        given = {**self.given, "revoked": not self.given["revoked"]} if "revoked" in self.given else self.given
        return narrowed(rows, given, lookups)

    @extend_schema(request=KeyBody, responses={201: NewKeyShape})
    def post(self, request: Request) -> Response:
        """Issue a key for predictions in one environment; its secret is in this answer and nowhere else."""
        key, secret = keys.issue(actor=self.person, **self.body(KeyBody))
        return created(NewKeyShape(key, context={"secret": secret}).data)


class Revoke(Endpoint):
    @extend_schema(request=RevokeBody, responses=KeyShape)
    def post(self, request: Request, pk: str) -> Response:
        """Revoke a key; the gateways refuse it from the next table on."""
        require(self.person, KEYS)  # else the answer to an unknown number would tell which ones exist
        key = get_object_or_404(ApiKey.objects.select_related("environment", "created_by"), pk=pk)
        keys.revoke(actor=self.person, key=key, **self.body(RevokeBody))
        key.refresh_from_db(fields=["revoked_at"])
        return Response(KeyShape(key).data)
