"""Batch jobs and their schedules: start, watch, cancel, fetch what they made."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from releases.api.comparisons import ComparisonShape, shape
from releases.api.endpoint import Endpoint, Listing, created, narrowed, package_of
from releases.api.parsing import Body, Form, FormBody, Json, Named, Query, Switch, Text, Whole
from releases.api.shapes import Address, Name, Number, Person
from releases.models import BatchJob, BatchSchedule, Environment, MLModel
from releases.modes.batch import files, jobs, reading, schedules
from releases.queries import comparing
from releases.rights import BATCH, may

ROUTED = ("model", "environment", "package", "against", "schedule", "created_by")


class BatchRow(serializers.ModelSerializer):
    url = Address("api-batch", {"pk": "pk"})
    model = Name()
    environment = Name()
    package = Number(allow_null=True, help_text="the pinned one, or of a comparison the one that is compared with")
    against = Number(allow_null=True, help_text="of a comparison: the package that is compared")
    created_by = Person()
    progress = serializers.SerializerMethodField(help_text="{share, rate, left}: 0 to 1, rows a second, seconds")

    class Meta:
        model = BatchJob
        fields = [
            "id",
            "url",
            "model",
            "environment",
            "package",
            "against",
            "state",
            "words",
            "filename",
            "form",
            "packed",
            "size",
            "rows",
            "answered",
            "wrong",
            "most_wrong",
            "packages",
            "progress",
            "output_size",
            "digest",
            "schedule",
            "due_at",
            "created_at",
            "started_at",
            "ended_at",
            "dropped_at",
            "created_by",
        ]
        read_only_fields = fields

    def get_progress(self, job: BatchJob) -> dict[str, float | None]:
        found = reading.progress(job)
        return {"share": found.share, "rate": found.rate, "left": found.left}


class BatchShape(BatchRow):
    taken_back = serializers.SerializerMethodField(help_text="packages that answered rows and were taken back since")
    output_url = serializers.SerializerMethodField(help_text="address of the answers; it ends after ten minutes")
    errors_url = serializers.SerializerMethodField(help_text="address of the wrong rows: row, field, rule")

    class Meta(BatchRow.Meta):
        fields = [*BatchRow.Meta.fields, "taken_back", "output_url", "errors_url"]
        read_only_fields = fields

    def get_taken_back(self, job: BatchJob) -> list[int]:
        return reading.taken_back(job)

    def get_output_url(self, job: BatchJob) -> str | None:
        return self._link(job, "output")

    def get_errors_url(self, job: BatchJob) -> str | None:
        return self._link(job, "errors")

    def _link(self, job: BatchJob, kind: str) -> str | None:
        request = self.context["request"]
        if not may(request.user, BATCH) or job.is_active or files.path_of(job, kind) is None:
            return None
        return str(request.build_absolute_uri(files.link(job, kind)))


class BatchQuery(Query):
    model = Text(max_length=63, required=False)
    environment = Text(max_length=63, required=False)
    state = serializers.ChoiceField(BatchJob.State.choices, required=False)
    schedule = Whole(required=False, help_text="id of the schedule that started it")


def _common() -> dict[str, serializers.Field]:
    return {
        "model": Named(MLModel.objects.all()),
        "environment": Named(Environment.objects.all()),
        "package": Whole(required=False, help_text="pinned: one that is loaded there; without it the route decides"),
        "against": Whole(required=False, help_text="compare this package instead, with `package` or the live one"),
        "most_wrong": Whole(min_value=0, required=False, help_text="wrong rows that stop the job; 1,000 when left out"),
    }


class BatchUpload(FormBody):
    file = serializers.FileField(help_text=".csv, .jsonl (each also .gz) or .parquet", allow_empty_file=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**super().get_fields(), **_common()}


class BatchBody(Body):
    stored = Text(max_length=200, help_text="name of a file of the input folder of the server")

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**super().get_fields(), **_common()}


class Batches(Listing):
    """Every batch job, newest first."""

    serializer_class = BatchRow
    query = BatchQuery
    parser_classes = [Form, Json]

    def rows(self) -> QuerySet:
        columns = {"model": "model__name", "environment": "environment__name", "state": "state", "schedule": "schedule"}
        return narrowed(every_batch(), self.given, columns)

    @extend_schema(
        request={"multipart/form-data": BatchUpload, "application/json": BatchBody}, responses={202: BatchShape}
    )
    def post(self, request: Request) -> Response:
        """Start a job on a file: sent as a form, or named in JSON where it lies in the input folder of the server.

        Answers at once; look at the job until `state` has ended. For CI:
        `curl -fsS -H "Authorization: Token $TOKEN" -F model=NAME -F environment=production -F file=@rows.csv
        $SLIPWAY/api/batches/`
        """
        form = request.content_type.startswith("multipart/")
        given = self.body(BatchUpload if form else BatchBody)
        for name in ("package", "against"):
            if name in given:
                given[name] = _package(given["model"], name, given[name])
        if (file := given.pop("file", None)) is not None:
            given |= {"filename": file.name, "chunks": file.chunks()}
        return Response(shown(jobs.start(actor=self.person, **given).pk, request), 202)


class OneBatch(Endpoint):
    @extend_schema(responses=BatchShape)
    def get(self, request: Request, pk: str) -> Response:
        """Look at one job: how far it is, what is wrong, and where its files are."""
        return Response(shown(_job(pk).pk, request))


class BatchCancel(Endpoint):
    @extend_schema(request=None, responses=BatchShape)
    def post(self, request: Request, pk: str) -> Response:
        """Stop a job; what it has made is thrown away."""
        job = _job(pk)
        jobs.cancel(actor=self.person, job=job)
        return Response(shown(job.pk, request))


class BatchAgain(Endpoint):
    @extend_schema(request=None, responses={202: BatchShape})
    def post(self, request: Request, pk: str) -> Response:
        """Start a job on the same file, with the packages of now."""
        return Response(shown(jobs.again(actor=self.person, job=_job(pk)).pk, request), 202)


class BatchComparison(Endpoint):
    @extend_schema(responses=ComparisonShape)
    def get(self, request: Request, pk: str) -> Response:
        """Look at how two packages differ on every row of a file."""
        found = reading.comparison(_job(pk))
        if found is None:
            raise NotFound("This batch compares nothing, or has not ended yet.")
        return Response(shape(found, inputs=comparing.may_see_inputs(self.person)))


class ScheduleShape(serializers.ModelSerializer):
    url = Address("api-batch-schedule", {"pk": "pk"})
    model = Name()
    environment = Name()
    created_by = Person()
    coming = serializers.SerializerMethodField(help_text="the next five: {at, file}")

    class Meta:
        model = BatchSchedule
        fields = [
            "id",
            "url",
            "name",
            "model",
            "environment",
            "cron",
            "zone",
            "pattern",
            "most_wrong",
            "late_minutes",
            "on",
            "coming",
            "created_at",
            "created_by",
        ]
        read_only_fields = fields

    def get_coming(self, schedule: BatchSchedule) -> list[dict[str, Any]]:
        return [{"at": at, "file": schedules.file_at(schedule, at)} for at in schedules.coming(schedule)]


class ScheduleBody(Body):
    name = Text(max_length=100)
    model = Named(MLModel.objects.all())
    environment = Named(Environment.objects.all())
    cron = Text(max_length=100, help_text="minute hour day month weekday: 0 6 1 * * is the first of the month, 06:00")
    zone = Text(max_length=64, required=False, help_text="time zone of the cron form, such as Europe/Berlin")
    pattern = Text(max_length=200, help_text="file of the input folder, such as sales-{yyyy}-{mm}.csv")
    most_wrong = Whole(min_value=0, required=False, help_text="wrong rows that stop a job")
    late_minutes = Whole(required=False, help_text="after which a file that is not there is missed")


class SwitchBody(Body):
    on = Switch()


class Schedules(Listing):
    """Every schedule of batch jobs."""

    serializer_class = ScheduleShape
    query = Query

    def rows(self) -> QuerySet:
        return _schedules()

    @extend_schema(request=ScheduleBody, responses={201: ScheduleShape})
    def post(self, request: Request) -> Response:
        """Start a job whenever a cron form comes round."""
        made = schedules.create(actor=self.person, **self.body(ScheduleBody))
        return created(ScheduleShape(made, context={"request": request}).data)


class OneSchedule(Endpoint):
    @extend_schema(responses=ScheduleShape)
    def get(self, request: Request, pk: str) -> Response:
        """Look at one schedule and its next times."""
        return Response(ScheduleShape(_schedule(pk), context={"request": request}).data)

    @extend_schema(request=SwitchBody, responses=ScheduleShape)
    def patch(self, request: Request, pk: str) -> Response:
        """Switch it on or off; what was due meanwhile is not made up for."""
        found = _schedule(pk)
        schedules.switch(actor=self.person, schedule=found, on=self.body(SwitchBody)["on"])
        return Response(ScheduleShape(found, context={"request": request}).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: str) -> Response:
        """Take a schedule away; its jobs stay."""
        schedules.remove(actor=self.person, schedule=_schedule(pk))
        return Response(status=204)


def every_batch() -> QuerySet[BatchJob]:
    return BatchJob.objects.select_related(*ROUTED).defer("tally", "plan")


def shown(pk: int, request: Request) -> Any:
    return BatchShape(every_batch().get(pk=pk), context={"request": request}).data


def _job(pk: str) -> BatchJob:
    return get_object_or_404(BatchJob.objects.select_related(*ROUTED), pk=pk)


def _schedules() -> QuerySet[BatchSchedule]:
    return BatchSchedule.objects.select_related("model", "environment", "created_by").order_by("id")


def _schedule(pk: str) -> BatchSchedule:
    return get_object_or_404(_schedules(), pk=pk)


def _package(model: MLModel, name: str, number: int) -> Any:
    try:
        return package_of(model, number)
    except serializers.ValidationError as error:
        raise serializers.ValidationError({name: error.detail["package"]}) from error  # type: ignore[call-overload]
