"""Which ONNX forms are proven equal, and which silent faults the proof finds."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from releases.intake import examine, loading
from releases.tests import models
from serving.contract import Batch
from serving.runtimes import Answer
from serving.runtimes.trusted import TRUSTED_TYPES

COLOURS = ["red", "green", "blue", "rare"]


def frame(rows: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(3)
    colour = rng.choice(COLOURS, rows, p=[0.4, 0.3, 0.29, 0.01])
    colour[0] = "rare"
    size = rng.integers(1, 100, rows)
    target = size * 2.0 + np.array([COLOURS.index(word) * 30 for word in colour]) + rng.random(rows)
    return pd.DataFrame({"colour": colour, "size": size}), target


def encoded(encoder: Any, model: Any) -> Any:
    front = ColumnTransformer([("words", encoder, ["colour"])], remainder="passthrough")
    return Pipeline([("front", front), ("model", model)]).fit(*frame())


def examined(
    model: Any, folder: Path, example: Any = None, predict_fn: str = "predict", **declared: Any
) -> dict[str, Any]:
    """Run the child's part here, and keep what it said."""
    path = folder / "model.skops"
    path.write_bytes(models.skops_bytes(model))
    rows = frame()[0].iloc[1:6].to_dict("records") if example is None else example
    job = {
        "package": str(folder), "model": path.name, "onnx": False, "files": 1, "trusted": list(TRUSTED_TYPES),
        "signature": None, "constraints": {}, "declared": declared, "example": rows, "predict_fn": predict_fn,
    }  # fmt: skip
    return examine.examine(job, folder / "model.onnx", lambda *_: None)


@pytest.mark.parametrize(
    "model",
    [LinearRegression(), RandomForestRegressor(10, random_state=0), HistGradientBoostingRegressor(max_iter=10)],
    ids=lambda model: type(model).__name__,
)
def test_usual_models_are_served_by_onnx(model: Any, tmp_path: Path) -> None:
    found = examined(encoded(OneHotEncoder(handle_unknown="ignore", sparse_output=False), model), tmp_path)
    assert (found["runtime"], found["proof"]["impossible"]) == ("onnx", {"colour": "both answer alike"})
    assert found["proof"]["largest"] < 1e-4


def test_a_model_without_what_its_mlmodel_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(examine.Refused, match="asks for predict_proba"):
        examined(LinearRegression().fit(*models.table()), tmp_path, predict_fn="predict_proba")


def test_a_bare_forest_takes_its_columns_as_one_matrix(tmp_path: Path) -> None:
    x, y = models.table()
    inputs = [{"type": kind, "name": name} for name, kind in (("a", "double"), ("b", "double"), ("c", "float"))]
    rows = [dict(zip("abc", row, strict=True)) for row in x[:5].tolist()]
    forest = RandomForestClassifier(5, random_state=0).fit(x, (y > y.mean()).astype(int))
    found = examined(forest, tmp_path, example=rows, inputs=inputs)
    assert found["runtime"] == "onnx", found["reason"]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert [item.shape[1] for item in session.get_inputs()] == [3]


def test_an_encoder_that_raises_on_both_sides_is_equal(tmp_path: Path) -> None:
    found = examined(encoded(OneHotEncoder(sparse_output=False), LinearRegression()), tmp_path)
    assert (found["runtime"], found["proof"]["impossible"]) == ("onnx", {"colour": "both raise"})


def test_an_encoder_whose_error_onnx_hides_is_served_by_scikit_learn(tmp_path: Path) -> None:
    found = examined(encoded(OrdinalEncoder(), LinearRegression()), tmp_path)
    assert found["runtime"] == "sklearn"
    assert "an unknown category in colour makes scikit-learn raise while the other answers" in found["reason"]


def test_rare_categories_in_one_bag_are_served_by_scikit_learn(tmp_path: Path) -> None:
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, sparse_output=False)
    found = examined(encoded(encoder, LinearRegression()), tmp_path)
    assert found["runtime"] == "sklearn"
    assert "Infrequent categories are not implemented" in found["reason"]


def test_what_has_no_onnx_form_is_served_by_scikit_learn_with_the_reason(tmp_path: Path) -> None:
    model = make_pipeline(TfidfVectorizer(analyzer="char_wb"), Ridge()).fit(["a text", "another one"], [1.0, 2.0])
    found = examined(model, tmp_path, example=[{"text": "one more text"}])
    assert found["runtime"] == "sklearn"
    assert "has no ONNX form here" in found["reason"]


def test_a_model_that_names_no_inputs_is_refused_with_what_to_add(tmp_path: Path) -> None:
    model = make_pipeline(TfidfVectorizer(), Ridge()).fit(["a text", "another one"], [1.0, 2.0])
    with pytest.raises(examine.Refused, match=r"does not say what its inputs are\. Add a signature\.json"):
        examined(model, tmp_path, example=[["one more text"]])


def test_neighbours_that_answer_differently_are_served_by_scikit_learn(tmp_path: Path) -> None:
    model = encoded(OneHotEncoder(handle_unknown="ignore", sparse_output=False), KNeighborsRegressor(25))
    found = examined(model, tmp_path)
    assert found["runtime"] == "sklearn"
    assert "answers differently" in found["reason"]


def test_boosting_with_its_own_categories_is_refused(tmp_path: Path) -> None:
    model = HistGradientBoostingRegressor(max_iter=3, categorical_features=[0])
    fitted = encoded(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), model)
    with pytest.raises(examine.Refused, match=r"not on this server's list|categorical_features"):
        examined(fitted, tmp_path)


def test_a_classifier_of_several_classes_is_equal_in_labels_and_probabilities(tmp_path: Path) -> None:
    x, y = frame()
    model = make_pipeline(
        ColumnTransformer([("words", OneHotEncoder(), ["colour"])], remainder="passthrough"),
        LogisticRegression(max_iter=2000),
    )
    found = examined(model.fit(x, np.digitize(y, [80, 160])), tmp_path)
    assert (found["kind"], found["classes"], found["runtime"]) == ("classifier", [0, 1, 2], "onnx")
    assert found["proof"]["unit"] == "probability"


def test_a_tensor_model_needs_no_names(tmp_path: Path) -> None:
    found = examined(models.forest(), tmp_path, example=[[0.1, 0.2, 0.3]])
    assert found["signature"]["inputs"] == [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}]
    assert found["runtime"] == "onnx"


def test_an_example_that_breaks_the_declared_limits_is_refused(tmp_path: Path) -> None:
    model = encoded(OneHotEncoder(), LinearRegression())
    with pytest.raises(examine.Refused, match=r"The example breaks the signature: .*size: must be"):
        examined(model, tmp_path, constraints={"size": {"gt": 1000}})


def test_an_example_that_the_model_cannot_answer_is_refused(tmp_path: Path) -> None:
    model = encoded(OneHotEncoder(), LinearRegression())
    with pytest.raises(examine.Refused, match="cannot answer its own example: Found unknown categories"):
        examined(model, tmp_path, example=[{"colour": "mauve", "size": 3}])


def test_what_is_no_regressor_or_classifier_is_refused() -> None:
    from sklearn.cluster import KMeans

    with pytest.raises(loading.Refused, match="A KMeans cannot be served"):
        loading.kind_of(KMeans())


class Step:
    """Answers 0 below its threshold and 1 from it on."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def predict(self, batch: Batch) -> Answer:
        return Answer(values=(batch.columns["x"] >= self.threshold).astype(float))

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("theirs", "equal"), [(float(np.nextafter(np.float32(0.5), 1)), True), (0.5 + 1e-5, False)])
def test_a_difference_within_one_float32_step_of_a_threshold_is_reported_apart(theirs: float, equal: bool) -> None:
    from releases.intake import proof
    from serving.contract import Decoder, Signature

    limits = {"x": {"ge": 0, "le": 1}}
    signature = Signature.from_json({"inputs": [{"name": "x", "type": "double"}], "metadata": {"constraints": limits}})
    rows = [{"x": value} for value in itertools.chain([0.5 + 2e-8, 0.5 + 5e-6], np.linspace(0, 1, 20).tolist())]
    shown = proof.prove(Step(0.5), Step(theirs), Decoder(signature), rows, {})
    assert shown.equal is equal
    assert shown.at_a_step == 1
