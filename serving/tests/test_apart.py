"""Models in processes of their own: the same answers, and a death or a hang that costs only its own callers."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from serving import exchange, runtimes
from serving.artefacts import folder_of, verify
from serving.contract import Batch, Decoder
from serving.routing import Route, RouteTable
from serving.runtimes import Answer, ModelDied, ModelError, ModelFailed, apart, wire
from serving.runtimes.apart import Apart, Nursery
from serving.tests.builders import flight, matrix
from serving.tests.forms import ROW, package, pipeline
from serving.tests.processes import GatewayProcess, Valkey, alive, wait_for

FREE = flight().to_json() | {"metadata": {}}


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    gc.collect()  # a gateway that an earlier test forgot ends its models now
    found = Nursery()
    yield found
    found.close()


def flights(store: Path) -> Any:
    """A regression that raises for an origin which it never saw."""
    table = pd.DataFrame(flight().draw(np.random.default_rng(0), 300))
    encoder = make_column_transformer((OneHotEncoder(), ["origin"]), remainder="passthrough")
    return pipeline(
        store, 5, make_pipeline(encoder, LinearRegression()).fit(table, table["distance"]), FREE, example=[ROW]
    )


def iris(store: Path) -> Any:
    inputs = np.random.default_rng(0).random((200, 3))
    model = LogisticRegression().fit(inputs, np.where(inputs[:, 0] > 0.5, "late", "early"))
    return pipeline(store, 8, model, matrix().to_json(), classes=["early", "late"])


def born(nursery: Nursery, store: Path, target: Any, deaths: list[int] | None = None) -> Apart:
    noted = [] if deaths is None else deaths
    return Apart(nursery, folder_of(store, target.artefact), target.artefact, lambda: noted.append(1))


def rows(store: Path, target: Any, n: int = 50) -> Batch:
    signature = runtimes.read_signature(folder_of(store, target.artefact))
    return Decoder(signature).batch(signature.draw(np.random.default_rng(1), n, [ROW]))


def children(parent: int) -> list[int]:
    """The processes below a process, from /proc."""
    below = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if f"\nPPid:\t{parent}\n" in text and "\nState:\tZ" not in text:
            below.append(int(status.parent.name))
    return below


def models() -> list[int]:
    """The processes in which this test's models live."""
    return [model for child in children(os.getpid()) if _nursery(child) for model in children(child)]


def _nursery(pid: int) -> bool:
    return b"serving.runtimes.nursery" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("make", [flights, iris])
def test_it_answers_as_in_the_same_process(store: Path, nursery: Nursery, make: Any) -> None:
    target = make(store)
    folder, batch = folder_of(store, target.artefact), rows(store, target)
    here = runtimes.load(folder, verify(folder, target.artefact), runtimes.read_signature(folder))
    there = born(nursery, store, target)
    assert there.probable == here.probable
    mine, theirs = here.predict(batch), there.predict(batch)
    for name in ("values", "probabilities"):
        assert np.array_equal(getattr(mine, name), getattr(theirs, name))
    assert (mine.labels, mine.classes) == (theirs.labels, theirs.classes)
    there.close()


def test_what_the_model_raises_is_known_by_name_only(store: Path, nursery: Nursery) -> None:
    model = born(nursery, store, flights(store))
    batch = Decoder(flight()).batch([ROW])
    batch.columns["origin"][:] = "XXX"
    with pytest.raises(ModelFailed, match=r"^ValueError$"):
        model.predict(batch)
    assert model.predict(Decoder(flight()).batch([ROW])).values is not None
    model.close()


def test_a_model_that_cannot_be_loaded_is_refused_in_words(store: Path, nursery: Nursery) -> None:
    target = iris(store)
    (folder_of(store, target.artefact) / "model.skops").write_bytes(b"nothing of the kind")
    with pytest.raises(Exception, match=r"model\.skops"):
        born(nursery, store, target)


def test_the_call_after_a_death_gets_a_new_process(store: Path, nursery: Nursery) -> None:
    target, deaths = iris(store), list[int]()
    model = born(nursery, store, target, deaths)
    (pid,) = models()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ModelDied, match="ended"):
        model.predict(rows(store, target))
    assert deaths == [1]
    assert model.predict(rows(store, target, 3)).labels is not None
    assert models() != [pid]
    model.close()


def test_a_model_that_hangs_is_ended(store: Path, nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    target, deaths = iris(store), list[int]()
    model = born(nursery, store, target, deaths)
    monkeypatch.setattr(apart, "PATIENCE_SECONDS", 0.2)
    (pid,) = models()
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ModelDied, match="did not answer"):
        model.predict(rows(store, target))
    monkeypatch.undo()
    assert deaths == [1]
    assert model.predict(rows(store, target, 3)).labels is not None
    os.kill(pid, signal.SIGKILL)
    model.close()


def test_a_dead_nursery_is_replaced(store: Path) -> None:
    target, nursery = iris(store), Nursery()
    model = born(nursery, store, target)
    (pid,) = [child for child in children(os.getpid()) if _nursery(child) and children(child) == models()[-1:]]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid not in children(os.getpid()))
    with pytest.raises(ModelDied):
        model.predict(rows(store, target))
    assert model.predict(rows(store, target, 3)).labels is not None
    nursery.close()


def test_a_closed_model_leaves_no_process(store: Path, nursery: Nursery) -> None:
    model = born(nursery, store, iris(store))
    assert models()
    model.close()
    wait_for(lambda: not models())


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.array([True, False]), np.array(["a", None, "é"], object), np.zeros((0, 4))],
)
def test_arrays_travel_unchanged(array: np.ndarray) -> None:
    packed = wire.pack(array)
    found = wire.unpack(packed)
    assert found is not None
    assert found.dtype == array.dtype
    assert found.tolist() == array.tolist()
    assert found.shape == array.shape


def test_an_answer_travels_unchanged() -> None:
    answer = Answer(labels=["a", 1, True], probabilities=np.eye(3), classes=["a", 1, True])
    found = wire.answer_of(wire.read_reply(wire.reply(answer)))
    assert (found.values, found.labels, found.classes) == (None, answer.labels, answer.classes)
    assert np.array_equal(found.probabilities, np.eye(3))


@pytest.fixture
def deadly(valkey: Valkey, store: Path, gateway: GatewayProcess) -> GatewayProcess:
    """A gateway with a scikit-learn candidate beside a stable ONNX package."""
    candidate = dataclasses.replace(flights(store), arm="candidate", weight=50.0)
    targets = (package(store, 1, weight=50.0), candidate)
    exchange.put_table(valkey.redis, RouteTable("dev", 1, {"eta": Route("eta", targets)}, keyless=True))
    wait_for(gateway.start().ready)
    return gateway


def _model_of(gateway: GatewayProcess) -> list[int]:
    return [model for nursery in children(gateway.process.pid) for model in children(nursery)]


def _kill_while_it_answers(gateway: GatewayProcess) -> None:
    """A death is noticed by the call that meets it."""
    for pid in _model_of(gateway):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gateway.predict(ROW).status_code == 500)


def test_a_package_whose_process_ends_twice_is_left_out_while_the_gateway_goes_on(
    valkey: Valkey, deadly: GatewayProcess
) -> None:
    pid = deadly.process.pid
    _kill_while_it_answers(deadly)
    wait_for(lambda: _model_of(deadly) or deadly.predict(ROW).status_code != 200)
    _kill_while_it_answers(deadly)
    wait_for(lambda: "quarantined" in str(deadly.beat(valkey.redis).get("environments")))
    answers = {deadly.predict(ROW).headers["x-package"] for _ in range(40)}
    assert answers == {"1"}
    assert deadly.process.pid == pid
    assert deadly.process.poll() is None


def test_a_killed_gateway_leaves_no_model_behind(deadly: GatewayProcess) -> None:
    nurseries, below = children(deadly.process.pid), _model_of(deadly)
    assert below
    deadly.kill()
    wait_for(lambda: not any(alive(pid) for pid in [*nurseries, *below]), 10)


def test_a_refusal_of_the_models_form_keeps_its_words(store: Path, nursery: Nursery) -> None:
    """What `choices` and `numbers` say is meant for callers, and crosses the line as it stands."""
    target = iris(store)
    model = born(nursery, store, target)
    with pytest.raises((ModelError, ModelFailed)):
        model.predict(Batch(1, {"input": np.array([[np.nan, 0.0, 0.0]])}))
    model.close()
