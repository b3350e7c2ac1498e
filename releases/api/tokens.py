"""A person's own access tokens, and who the person is."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import keys
from releases.api.endpoint import Endpoint, Listing, created
from releases.api.parsing import Body, Text
from releases.models import AccessToken, Environment
from releases.rights import DEPLOY, ROLES, may, roles


class TokenShape(serializers.ModelSerializer):
    class Meta:
        model = AccessToken
        fields = ["id", "name", "prefix", "created_at", "expires_at", "last_used_at"]
        read_only_fields = fields


class NewTokenShape(TokenShape):
    secret = serializers.SerializerMethodField(help_text="shown this once and kept nowhere")

    class Meta(TokenShape.Meta):
        fields = [*TokenShape.Meta.fields, "secret"]
        read_only_fields = fields

    def get_secret(self, token: AccessToken) -> str:
        return str(self.context["secret"])


class TokenBody(Body):
    name = Text(max_length=100, help_text="such as the machine that uses it")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class Tokens(Listing):
    """Your own access tokens; never their secrets."""

    serializer_class = TokenShape

    def rows(self) -> QuerySet:
        return AccessToken.objects.filter(user=self.person)

    @extend_schema(request=TokenBody, responses={201: NewTokenShape})
    def post(self, request: Request) -> Response:
        """Issue a token for your own calls; its secret is in this answer and nowhere else."""
        token, secret = keys.issue_token(user=self.person, **self.body(TokenBody))
        return created(NewTokenShape(token, context={"secret": secret}).data)


class OneToken(Endpoint):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: str) -> Response:
        """Revoke one of your own tokens."""
        token = get_object_or_404(AccessToken, pk=pk, user=self.person)
        keys.revoke_token(actor=self.person, token=token)
        return Response(status=204)


class MeShape(serializers.Serializer):
    username = serializers.CharField(read_only=True)
    roles = serializers.ListField(child=serializers.CharField(), read_only=True)
    rights = serializers.ListField(child=serializers.CharField(), read_only=True)
    deploys_to = serializers.ListField(child=serializers.CharField(), read_only=True, help_text="names of environments")


class Me(Endpoint):
    @extend_schema(responses=MeShape)
    def get(self, request: Request) -> Response:
        """Ask who you are, and what you may do."""
        return Response(_me(self.person))


def _me(person: User) -> dict[str, Any]:
    held = roles(person)
    return {
        "username": person.get_username(),
        "roles": sorted(held),
        "rights": sorted({right for role in held for right in ROLES[role]}),
        "deploys_to": [place.name for place in Environment.objects.all() if may(person, DEPLOY, place)],
    }
