"""Drill: whatever the protocol and the runtime, the answers are scikit-learn's own, on real rows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from threadpoolctl import threadpool_limits

from dashboard.demo.flights import FEATURES, TARGET, TRAFFIC, TRAIN, frame
from dashboard.demo.recipes import breast_cancer, flight_eta
from dashboard.tests.drills.asking import ASK, MATRIX, Answers, Asked
from releases.intake import examine, source
from serving import exchange
from serving.artefacts import folder_of, write_serving_form
from serving.routing import Route, RouteTable, Target
from serving.runtimes.trusted import TRUSTED_TYPES
from serving.tests.builders import digest
from serving.tests.processes import GatewayProcess, Valkey, wait_for

pytestmark = pytest.mark.drill

ROWS = 1_000 if os.environ.get("SHORT") else 10_000
# scikit-learn is asked for the same rows at once as the gateway, in one thread too: of neighbours at equal distances
# it takes others where fewer rows share a call.
PART = ROWS // 10
ALONE = 200
LIMIT = 1e-5
PREDICT_FNS = ("predict", "predict_proba")


@dataclass
class Case:
    """A model of scikit-learn, real rows for it, and the folder that a trainer would upload."""

    name: str
    model: Any
    rows: pd.DataFrame
    folder: Path

    @property
    def classes(self) -> list[str] | None:
        return list(self.model.classes_) if hasattr(self.model, "classes_") else None

    def parts(self) -> list[pd.DataFrame]:
        return [self.rows[start : start + PART] for start in range(0, len(self.rows), PART)]

    def expected(self) -> Answers:
        """What scikit-learn answers."""
        with threadpool_limits(1):
            predicted = np.concatenate([self.model.predict(part) for part in self.parts()])
            if self.classes is None:
                return Answers(predicted.astype(float))
            found = np.concatenate([self.model.predict_proba(part) for part in self.parts()])
            return Answers(labels=list(predicted), probabilities=found)


def test_every_protocol_and_every_runtime_answers_as_scikit_learn_does(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    cases, models = list(cases_in(tmp_path)), {}
    (tmp_path / "artefacts").mkdir()
    for case in cases:
        models[case.name] = dict(forms(case, tmp_path / "artefacts"))
    table = {name: Route(name, (target,), deadline=120.0) for by in models.values() for name, target in by.items()}
    worst, lines = {}, [line(f"{'largest difference':<41}{'rows':>6}", {name: name for name in ASK})]
    with gateway(tmp_path, RouteTable("dev", 1, table, keyless=True)) as process:
        for case in cases:
            expected = case.expected()
            for name in models[case.name]:
                found = differences(process, case, name, expected)
                worst[name] = max(found.values())
                lines.append(line(f"{name:<41}{len(case.rows):>6,}", found))
    runtimes = {target.runtime for by in models.values() for target in by.values()}
    tell("\n".join(lines))
    tell(f"scikit-learn itself, {min(ALONE, PART)} rows one by one against {PART} at once: {alone(cases)}")
    tell(
        f"Equality: {len(worst)} forms of {len(cases)} models, {len(ASK)} protocols, largest difference "
        f"{max(worst.values()):.1e} (limit {LIMIT:.0e} of the standard deviation, or of a probability), classes equal"
    )
    assert runtimes == {"onnx", "sklearn"}
    assert max(worst.values()) <= LIMIT


# --- models and rows ----------------------------------------------------------------------------------------------


def cases_in(folder: Path) -> Iterator[Case]:
    """The demo's regressors on real flights, its classifier on all real biopsies, and two that are prone to differ."""
    flights = frame(TRAFFIC)
    known = flight_eta.without_rare_destinations(pd.concat([flights, frame(TRAIN)]))
    for number in flight_eta.TITLES:
        # Package 4 fails on destinations that it does not know, in scikit-learn too.
        rows = (known if number == 4 else flights)[list(FEATURES)].head(ROWS).reset_index(drop=True)
        upload = flight_eta.write(folder / f"flight-eta-{number}", number)
        yield Case(f"flight-eta-{number}", loaded(upload), rows, upload)
    numbers = flights[["distance", "month", "hour"]].head(ROWS).reset_index(drop=True)
    yield Case("flight-numbers", *forest_of_numbers(folder / "numbers", numbers))
    biopsies, labels = breast_cancer.data()
    upload = breast_cancer.write(folder / "breast-cancer")
    yield Case("breast-cancer", loaded(upload), biopsies, upload)
    yield Case("breast-cancer-forest", *forest_of_biopsies(folder / "forest", biopsies, labels))


def loaded(folder: Path) -> Any:
    return skops.io.load(folder / "model.skops", trusted=list(TRUSTED_TYPES))


def forest_of_numbers(folder: Path, rows: pd.DataFrame) -> tuple[Any, pd.DataFrame, Path]:
    """A regressor on numbers alone, so that its columns can come as one matrix."""
    from sklearn.ensemble import RandomForestRegressor

    train = frame(TRAIN)
    model = RandomForestRegressor(30, min_samples_leaf=5, random_state=0)
    return written(folder, model.fit(train[list(rows.columns)], train[TARGET]), rows)


def forest_of_biopsies(folder: Path, rows: pd.DataFrame, labels: pd.Series) -> tuple[Any, pd.DataFrame, Path]:
    """Thresholds between real measurements: scikit-learn compares them as float32, and so must everybody."""
    from sklearn.ensemble import RandomForestClassifier

    return written(folder, RandomForestClassifier(50, random_state=0).fit(rows, labels), rows)


def written(folder: Path, model: Any, rows: pd.DataFrame) -> tuple[Any, pd.DataFrame, Path]:
    folder.mkdir()
    skops.io.dump(model, folder / "model.skops")
    kinds = {name: "long" if rows[name].dtype.kind == "i" else "double" for name in rows.columns}
    inputs = [{"name": name, "type": kind, "required": True} for name, kind in kinds.items()]
    example = {"columns": list(rows.columns), "data": rows.head(5).astype(object).to_numpy().tolist()}
    for name, value in (("signature", {"inputs": inputs}), ("input_example", example)):
        (folder / f"{name}.json").write_text(json.dumps(value))
    return model, rows, folder


# --- forms: scikit-learn's always, ONNX where intake proved it equal ----------------------------------------------


def forms(case: Case, artefacts: Path) -> Iterator[tuple[str, Target]]:
    """A target for each runtime that may serve the model, and of a classifier for each of its answers."""
    onnx = case.folder / "made.onnx"
    result = examined(case.folder, onnx)
    files = {"sklearn": case.folder / "model.skops"} | ({"onnx": onnx} if result["runtime"] == "onnx" else {})
    for runtime, model in files.items():
        for predict_fn in PREDICT_FNS if case.classes else PREDICT_FNS[:1]:
            name = f"{case.name}.{runtime}" + (f".{predict_fn}" if case.classes else "")
            form = write_serving_form(
                artefacts,
                package=digest(name),
                runtime=runtime,
                kind=result["kind"],
                model=model,
                signature=result["signature"],
                classes=result["classes"],
                predict_fn=predict_fn,
                example=result["example"],
            )
            url = folder_of(artefacts, form).as_uri()
            yield name, Target(1, digest(name), form, url, runtime, "stable", 100.0)  # type: ignore[arg-type]


def examined(folder: Path, onnx: Path) -> dict[str, Any]:
    """What an intake finds out: the signature, and whether the ONNX form is proven equal."""
    files = source.describe(folder, "folder")
    job = {
        "package": str(folder),
        "model": files.model,
        "onnx": False,
        "files": 1,
        "trusted": list(TRUSTED_TYPES),
        "signature": files.signature,
        "constraints": files.constraints,
        "declared": {},
        "example": files.example,
        "predict_fn": files.predict_fn,
    }
    return examine.examine(job, onnx, lambda *_: None)


# --- asking -------------------------------------------------------------------------------------------------------


@contextmanager
def gateway(folder: Path, table: RouteTable) -> Iterator[GatewayProcess]:
    """A real gateway process that serves the table, and its end."""
    valkey = Valkey()
    exchange.put_environments(valkey.redis, ["dev"])
    exchange.put_table(valkey.redis, table)
    process = GatewayProcess(valkey.url, folder / "data", "dev").start()
    process.client.timeout = 120
    try:
        wait_for(process.ready, 120)
        wait_for(lambda: process.generation(valkey.redis) == 1, 120)
        yield process
    finally:
        process.kill()
        valkey.close()


def differences(process: GatewayProcess, case: Case, name: str, expected: Answers) -> dict[str, float]:
    """Return the largest difference by protocol: of values in standard deviations, of probabilities as they are."""
    found = {}
    url = f"http://127.0.0.1:{process.port}/dev"
    for protocol, ask in ASK.items():
        whole = Asked(process.client, url, name, case.rows, case.classes)
        if protocol in MATRIX and not whole.matrix:
            continue
        answers = [ask(Asked(process.client, url, name, part, case.classes)) for part in case.parts()]
        found[protocol] = largest(answers, expected)
    return found


def alone(cases: list[Case]) -> str:
    """How far scikit-learn's own answers depend on which rows share a call: what no server can be better than."""
    found = {}
    for case in cases:
        rows, expected = case.rows.head(min(ALONE, PART)), case.expected()
        ask = case.model.predict if case.classes is None else case.model.predict_proba
        together = expected.values if expected.values is not None else expected.probabilities
        with threadpool_limits(1):
            one_by_one = np.concatenate([ask(rows[i : i + 1]) for i in range(len(rows))])
        scale = together.std() if case.classes is None else 1.0
        found[case.name] = float(np.abs(one_by_one - together[: len(rows)]).max() / scale)
    return ", ".join(f"{name} {difference:.0e}" for name, difference in found.items())


def line(start: str, found: dict[str, Any]) -> str:
    """One line of the table; a protocol that the model does not take is a dash."""
    cells = (found.get(name, "-") for name in ASK)
    return start + "".join(f"{cell if isinstance(cell, str) else f'{cell:.0e}':>18}" for cell in cells)


def largest(parts: list[Answers], expected: Answers) -> float:
    """The largest difference of all rows; fails where a class is another, or a row has no answer."""
    if expected.values is not None:
        values = np.concatenate([part.values for part in parts if part.values is not None])
        assert len(values) == len(expected.values)
        return float(np.abs(values - expected.values).max() / expected.values.std())
    labels = [label for part in parts for label in part.labels or ()]
    rows = [part.probabilities for part in parts if part.probabilities is not None]
    assert labels or rows
    assert labels in ([], expected.labels)
    return float(np.abs(np.concatenate(rows) - expected.probabilities).max()) if rows else 0.0
