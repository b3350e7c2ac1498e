"""The serving mode over REST, with what was measured of each package."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from releases.models import Count, Environment, Package
from releases.tests.scenes import put_live
from serving.metrics.histogram import bucket


@pytest.mark.django_db
def test_packages_stand_side_by_side_with_what_was_measured(
    packages: list[Package], environments: dict[str, Environment], redis: object, caller: Any
) -> None:
    put_live(packages[1], environments["production"])
    Package.objects.filter(pk=packages[1].pk).update(provenance={"recipe": "a forest", "mean error": 4.5})
    for package, seconds in ((packages[0], 0.0003), (packages[1], 0.05)):
        Count.objects.create(
            seconds=Count.HOUR,
            at=timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=30),
            environment="production",
            model="flight-eta",
            package=package.digest,
            arm="stable",
            mode="rest",
            protocol="v1",
            starts=100,
            completions=100,
            latency={str(bucket(seconds)): 100},
        )
    api: APIClient = caller("viewer")
    address = "/api/models/flight-eta/serving-mode/"
    found = api.get(f"{address}?acceptable_latency=millisecond").json()
    assert (found["mode"], found["live"]) == ("edge", 2)
    assert [(each["package"], each["fits"], each["calls"]) for each in found["packages"]] == [
        (1, True, 100),
        (2, False, 100),
        (3, None, 0),
    ]
    assert found["packages"][1]["quality"] == {"mean error": 4.5}
    assert found["packages"][0]["p99"] == pytest.approx(0.0003, rel=0.03)
    assert api.get(address).json().keys() == {"acceptable_latency"}
    assert api.get(f"{address}?acceptable_latency=week").status_code == 400
