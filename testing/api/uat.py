"""User acceptance by REST: the plan of a model, what waits, sheets and their cases, the signature."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.api.endpoint import Endpoint, Listing, created, narrowed, package_of
from releases.api.parsing import Body, Form, Named, Query, Text, Whole
from releases.errors import Refused
from releases.models import Environment, MLModel
from testing.models import PlanCase, Sheet, SheetCase
from testing.models.uat import Expectation
from testing.uat import inbox, plans, sheets, signing


class CaseOfPlan(serializers.ModelSerializer):
    class Meta:
        model = PlanCase
        fields = ["id", *plans.FIELDS]
        read_only_fields = fields


class PlanBody(Body):
    title = Text(max_length=200, help_text="in business words")
    row = serializers.DictField(help_text="the input, as the signature names it")
    look_at = Text(max_length=1000, required=False, allow_blank=True)
    expectation = serializers.ChoiceField(Expectation.choices, default=Expectation.PERSON)
    wanted = Text(max_length=200, required=False, allow_blank=True, help_text="the answer, or the number to be near")
    tolerance = serializers.FloatField(required=False, allow_null=True, min_value=0)
    least = serializers.FloatField(required=False, allow_null=True)
    most = serializers.FloatField(required=False, allow_null=True)


class PlanChange(Body):
    title = Text(max_length=200, required=False)
    row = serializers.DictField(required=False)
    look_at = Text(max_length=1000, required=False, allow_blank=True)
    expectation = serializers.ChoiceField(Expectation.choices, required=False)
    wanted = Text(max_length=200, required=False, allow_blank=True)
    tolerance = serializers.FloatField(required=False, allow_null=True, min_value=0)
    least = serializers.FloatField(required=False, allow_null=True)
    most = serializers.FloatField(required=False, allow_null=True)


class SheetRow(serializers.Serializer):
    id = serializers.IntegerField(source="pk", read_only=True)
    state = serializers.CharField(read_only=True)
    model = serializers.CharField(source="package.model.name", read_only=True)
    package = serializers.IntegerField(source="package.number", read_only=True)
    environment = serializers.CharField(source="environment.name", read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    ended_at = serializers.DateTimeField(read_only=True, allow_null=True)
    reason = serializers.CharField(read_only=True)


class SheetQuery(Query):
    model = Text(max_length=63, required=False)
    state = serializers.ChoiceField(Sheet.State.choices, required=False)


class SheetBody(Body):
    model = Named(MLModel.objects.all())
    package = Whole(help_text="number of the package")
    environment = Named(Environment.objects.all())


class OwnBody(Body):
    title = Text(max_length=200, required=False, allow_blank=True, default="")
    row = serializers.DictField(help_text="the input, as the signature names it")


class MarkBody(Body):
    mark = serializers.ChoiceField(SheetCase.Mark.choices, allow_blank=True)
    note = Text(max_length=2000, required=False, allow_blank=True, default="")


class FileBody(Body):
    file = serializers.FileField()


class SignBody(Body):
    password = serializers.CharField(max_length=200, trim_whitespace=False, help_text="your own, again")
    statement = Text(max_length=500, help_text="what you declare, such as: I looked at every case and accept it")


class RejectBody(Body):
    reason = Text(max_length=500)


class WaitingShape(serializers.Serializer):
    release = serializers.IntegerField(source="release.pk", read_only=True)
    model = serializers.CharField(source="package.model.name", read_only=True)
    package = serializers.IntegerField(source="package.number", read_only=True)
    environment = serializers.CharField(source="environment.name", read_only=True, help_text="where it is looked at")
    sheet = serializers.IntegerField(source="sheet.pk", read_only=True, allow_null=True, default=None)
    ready = serializers.BooleanField(read_only=True, help_text="whether it answers there")


class SheetShape(serializers.Serializer):
    """A whole sheet, as it is exported."""

    sheet = serializers.IntegerField()
    state = serializers.CharField()
    model = serializers.CharField()
    package = serializers.IntegerField()
    digest = serializers.CharField()
    environment = serializers.CharField()
    plan_digest = serializers.CharField()
    opened_at = serializers.DateTimeField()
    opened_by = serializers.CharField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    ended_by = serializers.CharField(allow_null=True)
    statement = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    cases = serializers.ListField(child=serializers.DictField())


class Plan(Endpoint):
    @extend_schema(responses=CaseOfPlan(many=True))
    def get(self, request: Request, name: str) -> Response:
        """List the cases of a model's plan."""
        model = get_object_or_404(MLModel, name=name)
        return Response(CaseOfPlan(model.plan_cases.all(), many=True).data)

    @extend_schema(request=PlanBody, responses={201: CaseOfPlan})
    def post(self, request: Request, name: str) -> Response:
        """Add a case; signatures of before count no more."""
        model = get_object_or_404(MLModel, name=name)
        return created(CaseOfPlan(plans.add(actor=self.person, model=model, values=self.body(PlanBody))).data)


class OneCaseOfPlan(Endpoint):
    @extend_schema(request=PlanChange, responses=CaseOfPlan)
    def patch(self, request: Request, name: str, pk: str) -> Response:
        """Change a case, what is not named stays; signatures of before count no more."""
        case = get_object_or_404(PlanCase.objects.select_related("model"), pk=pk, model__name=name)
        return Response(CaseOfPlan(plans.change(actor=self.person, case=case, values=self.body(PlanChange))).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, pk: str) -> Response:
        """Take a case out of the plan; sheets that have it keep their copy."""
        plans.remove(actor=self.person, case=get_object_or_404(PlanCase, pk=pk, model__name=name))
        return Response(status=204)


class Waiting(Endpoint):
    @extend_schema(responses=WaitingShape(many=True))
    def get(self, request: Request) -> Response:
        """List what waits for a sign-off, longest first."""
        return Response(WaitingShape(inbox.waiting(), many=True).data)


class Sheets(Listing):
    """Every sheet, newest first."""

    serializer_class = SheetRow
    query = SheetQuery

    def rows(self) -> QuerySet:
        return narrowed(inbox.sheets(), self.given, {"model": "package__model__name", "state": "state"})

    @extend_schema(request=SheetBody, responses={201: SheetShape})
    def post(self, request: Request) -> Response:
        """Open the sheet of a package, or go on with the open one."""
        given = self.body(SheetBody)
        package = package_of(given.pop("model"), given.pop("package"))
        return created(inbox.told(sheets.start(actor=self.person, package=package, **given)))


class OneSheet(Endpoint):
    @extend_schema(responses=SheetShape)
    def get(self, request: Request, pk: str) -> Response:
        """Take a whole sheet away: every case with both answers, marks, and who signed."""
        return Response(inbox.told(_sheet(pk)))


class Ask(Endpoint):
    @extend_schema(request=None, responses=SheetShape)
    def post(self, request: Request, pk: str) -> Response:
        """Ask every case that was not asked yet, of the candidate and of what is in production, for 15 s at most."""
        sheet = _sheet(pk)
        sheets.ask_all(actor=self.person, sheet=sheet)
        return Response(inbox.told(sheet))


class Own(Endpoint):
    @extend_schema(request=OwnBody, responses={201: SheetShape})
    def post(self, request: Request, pk: str) -> Response:
        """Ask an input of your own; it stays on the sheet as a case."""
        sheet = _sheet(pk)
        sheets.try_own(actor=self.person, sheet=sheet, **self.body(OwnBody))
        return created(inbox.told(sheet))


class OneCase(Endpoint):
    @extend_schema(request=MarkBody, responses=SheetShape)
    def patch(self, request: Request, pk: str, case: str) -> Response:
        """Say what you made of the answer."""
        found = get_object_or_404(SheetCase.objects.select_related("sheet"), pk=case, sheet=pk)
        sheets.mark(actor=self.person, case=found, **self.body(MarkBody))
        return Response(inbox.told(_sheet(pk)))


class Files(Endpoint):
    parser_classes = [Form]

    @extend_schema(request=FileBody, responses={201: SheetShape})
    def post(self, request: Request, pk: str, case: str) -> Response:
        """Attach a file to a case, such as a picture of what was seen: form field `file`."""
        found = get_object_or_404(SheetCase.objects.select_related("sheet"), pk=case, sheet=pk)
        file = self.body(FileBody)["file"]
        if file.size > sheets.ATTACHMENT_BYTES:
            raise Refused(sheets.TOO_LARGE, "file")
        sheets.attach(actor=self.person, case=found, name=file.name, content=file.read())
        return created(inbox.told(_sheet(pk)))


class Sign(Endpoint):
    @extend_schema(request=SignBody, responses=SheetShape)
    def post(self, request: Request, pk: str) -> Response:
        """Sign it: the gate that waits for it opens."""
        return Response(inbox.told(signing.sign(actor=self.person, sheet=_sheet(pk), **self.body(SignBody))))


class Reject(Endpoint):
    @extend_schema(request=RejectBody, responses=SheetShape)
    def post(self, request: Request, pk: str) -> Response:
        """Reject it: the releases that wait for it stop, with the reason."""
        return Response(inbox.told(signing.reject(actor=self.person, sheet=_sheet(pk), **self.body(RejectBody))))


def _sheet(pk: Any) -> Sheet:
    return get_object_or_404(Sheet.objects.select_related("package__model", "environment"), pk=pk)
