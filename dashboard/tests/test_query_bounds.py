"""The number of queries of a page has a bound, and does not grow with what the installation holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from releases.models import BatchJob, BatchSchedule, Environment, MLModel, Package
from releases.tests.conftest import make_package
from releases.tests.scenes import put_live

MOST = 39
PAGES = [
    "/models/", "/models/flight-eta/", "/models/flight-eta/?part=places", "/models/flight-eta/packages/2/",
    "/models/flight-eta/register/", "/releases/", "/releases/1/", "/releases/1/?part=standing",
    "/models/flight-eta/promote/?package=3&environment=dev", "/models/flight-eta/dev/roll-back/",
    "/models/flight-eta/dev/capture/", "/environments/",
    "/environments/dev/", "/environments/staging/parity/", "/activity/", "/keys/", "/account/",
    "/playground/?model=flight-eta&environment=dev", "/search/?q=m", "/health/troubles/",
    "/suites/", "/uat/", "/models/flight-eta/tests/", "/models/flight-eta/uat/", "/environments/production/gates/",
    "/batches/", "/batches/schedules/", "/models/flight-eta/batches/start/", "/streams/", "/models/flight-eta/edge/",
    "/models/flight-eta/serving-mode/",
]  # fmt: skip


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200, path
    return len(seen)


def _answer(package: Package, environment: Environment, number: int) -> None:
    """Leave a batch that a schedule has started."""
    place = {"model": package.model, "environment": environment}
    schedule = BatchSchedule.objects.create(**place, name="Sales", cron="0 6 1 * *", pattern="{mm}.csv")
    BatchJob.objects.create(**place, folder=str(number), filename="a.csv", form="csv", state="done", schedule=schedule)


def fill(packages: list[Package], environments: dict[str, Environment]) -> None:
    for package in packages:
        for environment in environments.values():
            put_live(package, environment)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_asks_no_more_of_a_full_installation_than_of_an_empty_one(
    signed_in: Callable[[str], Client], packages: list[Package], environments: dict[str, Environment], path: str
) -> None:
    client = signed_in("admin")
    fill(packages[:2], environments)
    _answer(packages[0], environments["dev"], 1)
    path = path.replace("/releases/1/", packages[1].releases.latest("pk").get_absolute_url())
    queries(client, path)
    few = queries(client, path)
    for number in range(6):
        model = MLModel.objects.create(name=f"model-{number}")
        fill([make_package(model, each) for each in range(1, 4)], environments)
    for number in range(4, 10):
        make_package(packages[0].model, number)
        _answer(packages[0], environments["dev"], number)
    assert queries(client, path) <= few
    assert few <= MOST
