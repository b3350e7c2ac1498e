"""Load a model file inside the sandbox, and look at the live objects before the first prediction."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from releases.intake.report import Refused
from releases.intake.unpack import shown

OBJECTS_MOST = 2_000_000
TEXT_SOURCES = ("filename", "file")
FORESTS = ("RandomForest", "ExtraTrees", "GradientBoosting", "RandomTreesEmbedding", "IsolationForest")


def types(path: Path, trusted: list[str]) -> int:
    """How many types stood outside skops' own list and on the server's; raises Refused for any on neither."""
    from serving.runtimes import plain_pandas  # noqa: F401 - before skops brings pandas in: as the gateway runs a model

    import skops.io  # isort: skip

    try:
        found = skops.io.get_untrusted_types(file=path)
    except (zipfile.BadZipFile, KeyError):
        raise Refused("inspect", f"{shown(path.name)} is not a skops file.") from None
    except Exception as error:
        raise Refused("inspect", f"{shown(path.name)} cannot be read as a skops file: {_short(error)}.") from None
    foreign = sorted(set(found) - set(trusted))
    if foreign:
        names = ", ".join(shown(name) for name in foreign[:5])
        more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
        raise Refused(
            "inspect",
            f"The model holds types that are not on this server's list: {names}{more}. Nothing of it was loaded. "
            "Use estimators of scikit-learn only; a trust list inside the upload is not looked at.",
        )
    return len(found)


def load(path: Path, trusted: list[str]) -> Any:
    """The model, its trees checked again as live objects; raises Refused."""
    import skops.io

    try:
        model = skops.io.load(path, trusted=trusted)
    except MemoryError:
        raise
    except Exception as error:
        raise Refused("load", f"scikit-learn cannot load the model: {_short(error)}.") from None
    try:
        for item in objects(model):
            _check(item)
    except (AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
        raise Refused("load", f"The model is damaged: {_short(error)}. {ADVICE}") from None
    return model


def kind_of(model: Any) -> str:
    """ "regressor" or "classifier"; raises Refused for anything else."""
    from sklearn.base import is_classifier, is_regressor

    if is_classifier(model) and hasattr(model, "classes_") and np.asarray(model.classes_).ndim == 1:
        return "classifier"
    if is_regressor(model) and hasattr(model, "predict"):
        return "regressor"
    raise Refused(
        "load", f"A {type(model).__name__} cannot be served; a package holds one fitted regressor or classifier."
    )


def objects(model: Any) -> Iterator[Any]:
    """Every object that the model holds, each once, without recursion."""
    waiting, seen = [model], set[int]()
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, (str, bytes, int, float, bool, type(None))):
            continue
        seen.add(id(item))
        if len(seen) > OBJECTS_MOST:
            raise Refused("load", "The model holds more objects than can be checked.")
        yield item
        waiting.extend(_parts(item))


def _parts(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(item.values())
    if isinstance(item, (list, tuple, set)):
        return list(item)
    if isinstance(item, np.ndarray):
        return item.ravel().tolist() if item.dtype == object else []
    return list(getattr(item, "__dict__", {}).values())


def _check(item: Any) -> None:
    name = type(item).__name__
    if name in ("KDTree", "BallTree"):
        _neighbours(item)
    if name in ("csr_matrix", "csr_array"):
        item.check_format(full_check=True)  # ValueError for an index outside
    if hasattr(item, "tree_"):
        _tree(item.tree_, int(item.n_features_in_))
    if hasattr(item, "_predictors"):
        _boosted(item)
    if name.startswith(FORESTS) and hasattr(item, "estimators_"):
        _same_features(item)
    if getattr(item, "input", None) in TEXT_SOURCES and hasattr(item, "build_analyzer"):
        raise Refused("load", f"The {name} opens files that a request names; use input='content'.")


def _tree(tree: Any, features: int) -> None:
    """`node_count` first: the arrays are read through it."""
    count = int(tree.node_count)
    if not 0 < count <= int(tree.capacity) or int(tree.n_features) != features:
        raise Refused("load", f"A tree of the model says another number of nodes or features than it has. {ADVICE}")
    left, right = np.asarray(tree.children_left), np.asarray(tree.children_right)
    leaf = left == -1
    _bounds(left, right, leaf, np.asarray(tree.feature)[~leaf], features)


def _boosted(model: Any) -> None:
    features = int(model.n_features_in_)
    if getattr(model, "is_categorical_", None) is not None:
        raise Refused(
            "load", "Histogram gradient boosting with categorical_features cannot be served; encode them first."
        )
    for predictor in (item for row in model._predictors for item in row):
        nodes = np.asarray(predictor.nodes)
        leaf = nodes["is_leaf"] != 0
        if not len(nodes) or (nodes["is_categorical"][~leaf] != 0).any():
            raise Refused("load", f"A tree of the model is empty or splits by categories. {ADVICE}")
        _bounds(
            nodes["left"].astype(np.int64), nodes["right"].astype(np.int64), leaf, nodes["feature_idx"][~leaf], features
        )


def _bounds(left: np.ndarray, right: np.ndarray, leaf: np.ndarray, used: np.ndarray, features: int) -> None:
    own = np.arange(len(left))[~leaf]
    for child in (left[~leaf], right[~leaf]):
        if ((child <= own) | (child >= len(left))).any():
            raise Refused("load", f"A tree of the model has a child index that points outside. {ADVICE}")
    if ((used < 0) | (used >= features)).any():
        raise Refused("load", f"A tree of the model asks for a feature that it does not have. {ADVICE}")


def _neighbours(tree: Any) -> None:
    """Neighbour trees follow their indices unchecked too: a heap of nodes over a list of rows."""
    data, order, nodes, bounds = (np.asarray(part) for part in tree.__getstate__()[:4])
    rows, count = len(data), len(nodes)
    start, end, leaf = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"] != 0
    sound = [
        int(tree.__getstate__()[6]) == count > 0,
        len(order) == rows and bool(((order >= 0) & (order < rows)).all()),
        bool(((start >= 0) & (start <= end) & (end <= rows)).all()),
        bool((2 * np.flatnonzero(~leaf) + 2 < count).all()),
        bounds.ndim == 3 and bounds.shape[1:] == (count, data.shape[1]),
        bounds.shape[0] == (2 if type(tree).__name__ == "KDTree" else 1),
    ]
    if not all(sound):
        raise Refused("load", f"The {type(tree).__name__} of the model points outside its own data. {ADVICE}")


def _same_features(model: Any) -> None:
    """These hand their input to every tree unchecked."""
    for tree in np.asarray(model.estimators_, dtype=object).ravel():
        if not hasattr(tree, "tree_") or int(tree.n_features_in_) != int(model.n_features_in_):
            raise Refused("load", f"The trees of the {type(model).__name__} do not fit its inputs. {ADVICE}")


def _short(error: BaseException) -> str:
    return shown(" ".join(str(error).split()) or type(error).__name__)


ADVICE = "Following it would crash the server; save the model again from the one you trained."
