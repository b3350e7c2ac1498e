"""A model whose packages 1 and 2 answer their own numbers, in production, and the folders of batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from releases import routes
from releases.models import BatchJob, EdgeChannel, Environment, MLModel, Package, Release
from releases.modes.batch import carrying, files
from releases.modes.batch.process import Process
from releases.modes.edge import bundles, channels, releasing
from releases.tests.conftest import FakeGateway, make_package
from releases.tests.modes.edges import follow_offer, to_the_end
from releases.tests.scenes import put_live
from serving.edge.trying import test_here
from serving.tests import forms
from serving.tests.builders import flight

GOOD = b"id,distance,hour,origin\n" + b"".join(b"%d,%d,6.5,JFK\n" % (i, i + 1) for i in range(10))


@pytest.fixture
def production(environments: dict[str, Environment]) -> Environment:
    return environments["production"]


@pytest.fixture
def numbered(model: MLModel, settings: Any, tmp_path: Path) -> list[Package]:
    """Packages that answer their own numbers, in the artefact store; none is live yet."""
    settings.BATCHES, settings.BATCH_INPUTS = tmp_path / "batches", tmp_path / "inputs"
    settings.ARTEFACTS, settings.VAR = tmp_path / "artefacts", tmp_path
    settings.BATCH_INPUTS.mkdir()
    settings.ARTEFACTS.mkdir()
    made = []
    for number in (1, 2):
        target = forms.package(settings.ARTEFACTS, number)
        columns = {"digest": target.digest, "artefact": target.artefact, "signature": flight().to_json()}
        columns["example"] = [forms.ROW]
        made.append(make_package(model, number, **columns))
    return made


@pytest.fixture
def live(numbered: list[Package], production: Environment) -> Package:
    """Package 1, live in production."""
    put_live(numbered[0], production)
    routes.publish(production, "a test")
    return numbered[0]


class Worker:
    """One worker, in this process, that does as much as it is told."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def until(self, job: BatchJob, state: str) -> BatchJob:
        """Take steps until the job is in that state."""
        for _ in range(200):
            job.refresh_from_db()
            if job.state == state:
                return job
            carrying._step(job, self.process)
        raise AssertionError(f"{job} is {job.state}: {job.words}")

    def end(self, job: BatchJob) -> BatchJob:
        """Take part until nothing is left."""
        carrying.take_part(self.process)
        job.refresh_from_db()
        return job


@pytest.fixture(scope="session")
def process() -> Iterator[Process]:
    """One process answers the rows of all tests: starting it takes longer than most of them."""
    made = Process()
    yield made
    made.close()


@pytest.fixture
def worker(redis: object, process: Process) -> Worker:
    return Worker(process)


def output(job: BatchJob) -> bytes:
    path = files.path_of(job, "output")
    assert path is not None
    return path.read_bytes()


def errors(job: BatchJob) -> list[str]:
    path = files.path_of(job, "errors")
    assert path is not None
    return path.read_text().splitlines()[1:]


@pytest.fixture
def edge_folder(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles have a folder of the test's own, and are tried in this process."""
    settings.EDGE = tmp_path / "edge"
    monkeypatch.setattr(bundles, "test_apart", test_here)


@pytest.fixture
def stable(edge_folder: None, live: Package, model: MLModel, manager: User) -> EdgeChannel:
    """An open channel whose devices run package 1."""
    channel = channels.switch(actor=manager, model=model, name="stable", on=True)
    to_the_end(releasing.start(actor=manager, channel=channel))
    channel.refresh_from_db()
    return channel


@pytest.fixture
def moving(stable: EdgeChannel, numbered: list[Package], production: Environment, gateway: FakeGateway) -> Release:
    """Package 2 on its way to forty devices that run package 1, half of which are in the first share."""
    follow_offer(stable)
    put_live(numbered[1], production)
    routes.publish(production, "a test")
    release = releasing.start(actor=None, channel=stable, steps=[(50.0, 60.0), (90.0, 60.0)])
    return to_the_end(release)
