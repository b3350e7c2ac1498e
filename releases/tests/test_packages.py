"""Models and packages: names, deletion, and the files of an upload."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from releases.actions import packages as verbs
from releases.actions import releases
from releases.errors import Conflict, Forbidden, Refused
from releases.models import Environment, Evidence, Intake, MLModel, Package
from releases.tests.conftest import accepted

Environments = dict[str, Environment]


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "a/b", "..", "x" * 64, "a\n", "ä"])
def test_a_bad_name_is_refused_by_its_field(environments: Environments, manager: User, name: str) -> None:
    with pytest.raises(Refused) as refused:
        verbs.create_model(actor=manager, name=name)
    assert refused.value.field == "name"


def test_a_doubled_name_is_a_conflict(environments: Environments, manager: User) -> None:
    verbs.create_model(actor=manager, name="flight-eta")
    with pytest.raises(Conflict, match="already"):
        verbs.create_model(actor=manager, name="flight-eta")


@pytest.mark.parametrize("role", ["viewer", "QA"])
def test_only_who_registers_may_upload(person: Callable[[str], User], model: MLModel, role: str) -> None:
    with pytest.raises(Forbidden):
        verbs.register(actor=person(role), model=model, filename="a.zip", chunks=io.BytesIO(b"x"))


def test_the_bytes_wait_in_a_folder_of_their_own(model: MLModel, manager: User, settings: Any) -> None:
    intake = verbs.register(actor=manager, model=model, filename="../../etc/passwd", chunks=io.BytesIO(b"bytes"))
    kept = Path(intake.upload)
    assert kept.read_bytes() == b"bytes"
    assert kept.parent.parent == settings.UPLOADS
    assert kept.name == "passwd"


def test_an_empty_or_too_large_upload_leaves_nothing(model: MLModel, manager: User, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 3
    before = set(settings.UPLOADS.glob("*"))
    for data in (b"", b"four"):
        with pytest.raises(Refused) as refused:
            verbs.register(actor=manager, model=model, filename="a.zip", chunks=io.BytesIO(data))
        assert refused.value.field == "file"
    assert set(settings.UPLOADS.glob("*")) == before
    assert not Intake.objects.exists()


def test_an_accepted_upload_leaves_evidence(model: MLModel) -> None:
    package = verbs.accept(Intake.objects.create(model=model, filename="a.zip"), accepted("1"))
    evidence = Evidence.objects.get(kind="intake")
    assert (evidence.digest, evidence.verdict) == (package.digest, "pass")


def test_a_refused_upload_leaves_its_report_and_takes_no_number(model: MLModel) -> None:
    verbs.refuse(Intake.objects.create(model=model, filename="a.pkl"), "This is a pickle.")
    assert Intake.objects.get().reason == "This is a pickle."
    assert verbs.accept(Intake.objects.create(model=model, filename="a.zip"), accepted("1")).number == 1


def test_what_was_released_is_not_deleted(environments: Environments, packages: list[Package], manager: User) -> None:
    releases.promote(actor=manager, package=packages[0], environment=environments["dev"])
    with pytest.raises(Conflict, match="history"):
        verbs.delete(actor=manager, package=packages[0])
    verbs.delete(actor=manager, package=packages[1])
    assert list(Package.objects.order_by("number").values_list("number", flat=True)) == [1, 3]


def test_a_number_is_never_given_twice(packages: list[Package], manager: User, model: MLModel) -> None:
    verbs.delete(actor=manager, package=packages[2])
    assert verbs.accept(Intake.objects.create(model=model, filename="a.zip"), accepted("9")).number == 4
