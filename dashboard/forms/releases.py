"""What the list of releases is filtered by."""

from __future__ import annotations

from django import forms

from releases.models import Environment, MLModel
from releases.strategies import EVERY

STATES = [
    ("", "All states"),
    ("moving", "Under way"),
    ("live", "Live"),
    ("retired", "Retired"),
    ("failed", "Failed"),
    ("aborted", "Aborted"),
    ("compared", "Compared"),
    ("waiting", "Waiting"),
    ("preparing", "Preparing"),
    ("shifting", "Shifting"),
    ("watching", "Watching"),
]


class ReleaseFilter(forms.Form):
    """Every field may be left empty."""

    model = forms.ChoiceField(required=False)
    environment = forms.ChoiceField(required=False)
    state = forms.ChoiceField(required=False, choices=STATES)
    strategy = forms.ChoiceField(required=False)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        names = MLModel.objects.values_list("name", flat=True)
        places = Environment.objects.values_list("name", flat=True)
        labels = [(name, strategy.label) for name, strategy in EVERY.items()]
        self.fields["model"].choices = [("", "All models"), *((name, name) for name in names)]  # type: ignore[attr-defined]
        self.fields["environment"].choices = [("", "All environments"), *((name, name) for name in places)]  # type: ignore[attr-defined]
        self.fields["strategy"].choices = [("", "All strategies"), *labels]  # type: ignore[attr-defined]
