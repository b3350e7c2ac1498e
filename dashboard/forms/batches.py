"""Forms about batches: filter their list, start one, make a schedule."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from releases.models import BatchJob, Environment, MLModel, Package
from releases.modes.batch.jobs import MOST_ALLOWED, MOST_WRONG

ROUTE, LIVE = "What the route says", "Nothing: answer the rows"
Choices = list[tuple[str, str]]


class BatchFilter(forms.Form):
    """Every field may be left empty."""

    model = forms.ChoiceField(required=False)
    environment = forms.ChoiceField(required=False)
    state = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        states = [(value, str(label).capitalize()) for value, label in BatchJob.State.choices]
        _offer(self, "model", [("", "All models"), *_names(MLModel)])
        _offer(self, "environment", [("", "All environments"), *_names(Environment)])
        _offer(self, "state", [("", "All states"), *states])


class BatchForm(forms.Form):
    """One file, where its rows are answered, and by which package."""

    file = forms.FileField(required=False, label="File", allow_empty_file=True)
    stored = forms.CharField(
        required=False, max_length=200, label="Or a file of the input folder", help_text="of the server, by its name"
    )
    environment = forms.ChoiceField()
    package = forms.ChoiceField(
        required=False, help_text="The route, as it is when the job begins; or one that is loaded there."
    )
    against = forms.ChoiceField(
        required=False, label="Compare", help_text="With a package here no row is answered: both answers are compared."
    )
    most_wrong = forms.IntegerField(
        min_value=0, max_value=MOST_ALLOWED, initial=MOST_WRONG, label="Stop after", help_text="wrong rows"
    )

    def __init__(self, *args: Any, packages: list[Package], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.packages = {str(package.number): package for package in packages}
        numbers = [(number, f"Package {number}") for number in self.packages]
        _offer(self, "environment", _names(Environment))
        _offer(self, "package", [("", ROUTE), *numbers])
        _offer(self, "against", [("", LIVE), *numbers])

    @property
    def wanted(self) -> dict[str, Any]:
        """Return what the verb takes."""
        given = self.cleaned_data
        found: dict[str, Any] = {name: self.packages.get(given[name]) for name in ("package", "against")}
        found |= {"environment": Environment.objects.get(name=given["environment"]), "most_wrong": given["most_wrong"]}
        if (file := given["file"]) is not None:
            found |= {"filename": file.name, "chunks": file.chunks()}
        return found | {"stored": given["stored"]}


class ScheduleForm(forms.Form):
    """When a batch starts by itself, and on which file."""

    name = forms.CharField(max_length=100, label="What for", help_text="such as Sales forecast")
    model = forms.ModelChoiceField(MLModel.objects.all(), to_field_name="name", empty_label=None)
    environment = forms.ModelChoiceField(Environment.objects.all(), to_field_name="name", empty_label=None)
    cron = forms.CharField(
        max_length=100,
        label="Whenever",
        help_text="minute hour day month weekday: 0 6 1 * * is the first of the month, 06:00.",
    )
    zone = forms.CharField(required=False, max_length=64, label="Time zone")
    pattern = forms.CharField(
        max_length=200,
        label="File of the input folder",
        help_text="such as sales-{yyyy}-{mm}.csv; also {dd}, {hh}, {yesterday}, {last_month}",
    )
    late_minutes = forms.IntegerField(
        initial=60,
        label="Missed after",
        help_text="minutes without the file: then an alert, and the next one is awaited",
    )
    most_wrong = forms.IntegerField(initial=MOST_WRONG, label="Stop after", help_text="wrong rows")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        zone = timezone.get_current_timezone_name()
        super().__init__(*args, **{"initial": {"zone": zone, "environment": "production"}, **kwargs})

    @property
    def wanted(self) -> dict[str, Any]:
        """Return what the verb takes."""
        return {**self.cleaned_data, "zone": self.cleaned_data["zone"].strip() or "UTC"}


def _offer(form: forms.Form, name: str, choices: Choices) -> None:
    form.fields[name].choices = choices  # type: ignore[attr-defined]


def _names(rows: Any) -> Choices:
    return [(name, name) for name in rows.objects.values_list("name", flat=True)]
