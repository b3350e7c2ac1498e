"""breast-cancer: a classifier with probabilities, on scikit-learn's real data (569 biopsies, 30 measurements)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.demo import skops_file
from dashboard.demo.upload import Example, lay_out

if TYPE_CHECKING:
    import pandas as pd

SEED = 0


def data() -> tuple[pd.DataFrame, pd.Series]:
    """Return 569 rows of 30 double columns, and `malignant` or `benign` for each."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    labels = bunch.target.map(dict(enumerate(map(str, bunch.target_names))))
    return bunch.data.rename(columns=lambda name: name.replace(" ", "_")), labels.astype(object)


def rows() -> list[dict[str, float]]:
    """Return every biopsy as what a client sends."""
    records: list[dict[str, float]] = data()[0].to_dict("records")  # type: ignore[assignment]
    return records


def write(folder: Path) -> Path:
    """Train on 426 rows, write the upload folder with the accuracy on the other 143, and return it."""
    from sklearn.model_selection import train_test_split

    inputs, labels = data()
    seen, unseen, seen_labels, unseen_labels = train_test_split(inputs, labels, random_state=SEED, stratify=labels)
    model = _model().fit(seen, seen_labels)
    example = Example(list(inputs.columns), seen.iloc[:6].to_numpy().tolist())
    training = {
        "recipe": "standardised measurements, logistic regression",
        "trained_on": f"{len(seen)} of scikit-learn's breast-cancer rows (Wisconsin, diagnostic)",
        "figures": {"accuracy_on_143_unseen": round(float(model.score(unseen, unseen_labels)), 3)},
    }
    lay_out("breast-cancer", folder, example, ["numpy", "pandas", "scikit-learn", "skops"], training)
    skops_file.write(model, folder / "model.skops")
    return folder


def _model() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=SEED))
