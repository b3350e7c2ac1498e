"""Runtimes: each answers as the model itself does, and refuses what it must not load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from serving import runtimes
from serving.artefacts import folder_of, verify
from serving.contract import Decoder, Signature
from serving.runtimes import Answer, ModelError
from serving.runtimes.base import choices, numbers
from serving.tests.builders import flight, matrix
from serving.tests.forms import ROW, package, pipeline


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "artefacts"
    folder.mkdir()
    return folder


def answer(store: Path, target: Any, rows: list[dict[str, Any]]) -> Answer:
    folder = folder_of(store, target.artefact)
    signature = runtimes.read_signature(folder)
    runtime = runtimes.load(folder, verify(folder, target.artefact), signature)
    try:
        return runtime.predict(Decoder(signature).batch(rows))
    finally:
        runtime.close()


def flights(n: int = 400) -> pd.DataFrame:
    return pd.DataFrame(flight().draw(np.random.default_rng(0), n))


def test_an_onnx_graph_with_one_feed_per_column_answers_every_row(store: Path) -> None:
    found = answer(store, package(store, 7), [ROW] * 3)
    assert found.values is not None
    assert found.values.tolist() == [7.0, 7.0, 7.0]


def test_nearest_neighbours_answer_as_the_model_itself(store: Path) -> None:
    table = flights()
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["origin"]), (StandardScaler(), ["distance", "hour"])),
        KNeighborsRegressor(5),
    ).fit(table, table["distance"] / 7)
    rows = table.head(20).to_dict("records")
    found = answer(store, pipeline(store, 1, model, flight().to_json()), rows)
    assert found.values is not None
    assert found.values.tolist() == model.predict(table.head(20)).tolist()


def test_a_matrix_classifier_answers_labels_and_probabilities(store: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.random((200, 3))
    model = LogisticRegression().fit(inputs, np.where(inputs[:, 0] > 0.5, "late", "early"))
    target = pipeline(store, 1, model, matrix().to_json(), classes=["early", "late"])
    found = answer(store, target, [{"input": row} for row in inputs[:9].tolist()])
    assert found.labels == model.predict(inputs[:9]).tolist()
    assert found.probabilities == pytest.approx(model.predict_proba(inputs[:9]))
    assert found.classes == ["early", "late"]


def test_a_text_model_gets_its_texts(store: Path) -> None:
    texts = ["good film", "bad film", "good food", "bad food"] * 5
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0] * 5)
    signature = {"inputs": [{"name": "text", "type": "string", "required": True}], "outputs": []}
    found = answer(store, pipeline(store, 1, model, signature), [{"text": "good"}, {"text": "bad day"}])
    assert found.labels == [1, 0]


def test_an_onnx_classifier_answers_as_the_model_it_was_made_from(store: Path) -> None:
    from skl2onnx import to_onnx

    from serving.artefacts import write_serving_form
    from serving.routing import Target
    from serving.tests.builders import digest

    rng = np.random.default_rng(0)
    inputs = rng.random((200, 3)).astype(np.float32)
    model = LogisticRegression().fit(inputs, np.where(inputs[:, 0] > 0.5, "late", "early"))
    path = store.parent / "m.onnx"
    graph = to_onnx(model, inputs[:1], options={"zipmap": False}, target_opset={"": 21, "ai.onnx.ml": 3})
    path.write_bytes(graph.SerializeToString())
    form = write_serving_form(
        store,
        package=digest("p"),
        runtime="onnx",
        kind="classifier",
        model=path,
        signature=matrix(3, "float32").to_json(),
        classes=["early", "late"],
    )
    target = Target(1, digest("p"), form, folder_of(store, form).as_uri(), "onnx", "stable", 100)
    found = answer(store, target, [{"input": row} for row in inputs[:9].tolist()])
    assert found.labels == model.predict(inputs[:9]).tolist()
    assert found.probabilities == pytest.approx(model.predict_proba(inputs[:9]), abs=1e-5)


def test_a_model_file_with_a_type_that_nobody_trusts_is_not_loaded(store: Path) -> None:
    model = make_pipeline(FunctionTransformer(np.sqrt), KNeighborsRegressor(1)).fit([[1.0]] * 3, [1.0] * 3)
    model.steps.append(("x", LogisticRegression))
    with pytest.raises(ModelError, match="not trusted here"):
        answer(store, pipeline(store, 1, model, matrix(1).to_json()), [{"input": [1.0]}])


@pytest.mark.parametrize("runtime", ["onnx", "sklearn"])
def test_a_file_that_is_no_model_is_refused_in_words(tmp_path: Path, runtime: str) -> None:
    from serving.artefacts import MODEL_FILES, Manifest

    (tmp_path / MODEL_FILES[runtime]).write_bytes(b"nonsense")
    manifest = Manifest(package="p", runtime=runtime, kind="regressor", model_file=MODEL_FILES[runtime], files=[])
    with pytest.raises(ModelError, match="cannot be loaded"):
        runtimes.load(tmp_path, manifest, matrix())


def test_only_trusted_types_are_listed_that_skops_asks_about() -> None:
    from serving.runtimes.trusted import TRUSTED_TYPES

    assert list(TRUSTED_TYPES) == sorted(set(TRUSTED_TYPES))
    assert all(name.startswith(("sklearn.", "scipy.sparse.")) for name in TRUSTED_TYPES)
    model = KNeighborsRegressor(1).fit([[1.0]] * 3, [1.0] * 3)
    assert set(skops.io.get_untrusted_types(data=skops.io.dumps(model))) <= set(TRUSTED_TYPES)


@pytest.mark.parametrize("values", [[1.0], [1.0, float("nan")], [[[1.0]], [[2.0]]]])
def test_an_answer_of_a_wrong_form_is_the_models_error(values: Any) -> None:
    with pytest.raises(ModelError):
        numbers(values, 2)


def test_probabilities_without_labels_choose_the_likeliest() -> None:
    assert choices(None, [[0.2, 0.8]], ["a", "b"], 1).labels == ["b"]
    with pytest.raises(ModelError):
        choices(None, [[0.2, 0.8]], ["a", "b", "c"], 1)


@pytest.mark.parametrize("label", [float("nan"), float("inf")])
def test_a_label_that_is_no_number_is_the_models_error(label: float) -> None:
    with pytest.raises(ModelError, match="label that is not a finite number"):
        choices([1.0, label], None, [1.0, 2.0], 2)


def test_optional_numbers_that_are_left_out_become_nan() -> None:
    signature = Signature.from_json({"inputs": [{"name": "x", "type": "double", "required": False}]})
    assert np.isnan(Decoder(signature).batch([{}, {"x": None}]).columns["x"]).all()
