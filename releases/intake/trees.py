"""Check a skops file's trees as plain arrays before it is loaded: scikit-learn follows their indices unchecked."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from releases.intake.report import Refused

MEMBER_MOST = 1024 * 1024 * 1024
TREE, PREDICTOR = "sklearn.tree._tree.Tree", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
Node = dict[str, Any]


class Archive:
    """A skops file as data: its schema, and its arrays by member name."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        self.schema: Any = json.loads(self._read("schema.json"))
        self.by_id: dict[int, Node] = {node["__id__"]: node for node in nodes(self.schema) if _has_state(node)}

    def array(self, node: Any) -> np.ndarray:
        """The array of one schema node; ValueError when it is none."""
        node = self.resolve(node)
        if node.get("type") != "numpy" or not isinstance(node.get("file"), str):
            raise ValueError("an array of a tree is missing")
        return np.asarray(np.load(io.BytesIO(self._read(node["file"])), allow_pickle=False))

    def number(self, node: Any) -> int:
        return int(json.loads(self.resolve(node)["content"]))

    def resolve(self, node: Any) -> Node:
        """A node that only cites an object which stands elsewhere in the file."""
        if not isinstance(node, dict):
            raise ValueError("a part of a tree is missing")
        if node.get("__loader__") == "CachedNode":
            return self.by_id[node["__id__"]]
        return node

    def _read(self, name: str) -> bytes:
        with self._zip.open(name) as file:
            data = file.read(MEMBER_MOST + 1)
        if len(data) > MEMBER_MOST:
            raise ValueError(f"{name} is larger than 1 GiB")
        return data


def nodes(schema: Any) -> Iterator[Node]:
    """Every object of the schema, without recursion: a file may be nested deeper than Python's stack."""
    waiting = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "__class__" in item:
                yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def type_name(node: Node) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def check(path: Path) -> int:
    """The number of trees in the file, all sound; raises Refused naming the first broken one."""
    try:
        archive = Archive(path)
        found = [node for node in nodes(archive.schema) if type_name(node) in _CHECKS and _has_state(node)]
        for number, node in enumerate(found, 1):
            _CHECKS[type_name(node)](archive, node, f"Tree {number} of {len(found)}")
    except Refused:
        raise
    except zipfile.BadZipFile:
        raise Refused("inspect", "The model file is not a skops file.") from None
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError, EOFError) as error:
        raise Refused("inspect", f"The model file is damaged: it cannot be read ({type(error).__name__}).") from None
    return len(found)


def _has_state(node: Node) -> bool:
    return "file" in node or ("content" in node and node.get("__loader__") not in ("CachedNode", "TypeNode"))


def _tree(archive: Archive, node: Node, where: str) -> None:
    """sklearn.tree: children -1 at a leaf, else below and after their parent; as many nodes as it says."""
    state = archive.resolve(node["content"])["content"]
    arrays, values = archive.array(state["nodes"]), archive.array(state["values"])
    arguments = archive.resolve(node["__reduce__"]["args"])["content"]
    features = archive.number(arguments[0])
    if archive.number(state["node_count"]) != len(arrays) or len(values) != len(arrays) or not len(arrays):
        raise Refused("inspect", f"{where} says another number of nodes than it has. {_ADVICE}")
    left, right = arrays["left_child"], arrays["right_child"]
    leaf = left == -1
    _children(where, left, right, leaf)
    _features(where, arrays["feature"][~leaf], features)


def _predictor(archive: Archive, node: Node, where: str) -> None:
    """Histogram gradient boosting: the same rules, in its own record; no categorical splits (they need bitsets)."""
    arrays = archive.array(archive.resolve(node["content"])["content"]["nodes"])
    if not len(arrays):
        raise Refused("inspect", f"{where} has no nodes. {_ADVICE}")
    leaf = arrays["is_leaf"] != 0
    _children(where, arrays["left"].astype(np.int64), arrays["right"].astype(np.int64), leaf)
    _features(where, arrays["feature_idx"][~leaf], None)
    bitsets = archive.array(archive.resolve(node["content"])["content"]["raw_left_cat_bitsets"])
    categorical = arrays[~leaf & (arrays["is_categorical"] != 0)]
    if (categorical["bitset_idx"] >= len(bitsets)).any():
        raise Refused("inspect", f"{where} points outside its table of categories. {_ADVICE}")


def _children(where: str, left: np.ndarray, right: np.ndarray, leaf: np.ndarray) -> None:
    own = np.arange(len(left))
    for child in (left[~leaf], right[~leaf]):
        if ((child <= own[~leaf]) | (child >= len(left))).any():
            raise Refused("inspect", f"{where} has a child index that points outside the tree. {_ADVICE}")


def _features(where: str, used: np.ndarray, features: int | None) -> None:
    if (used < 0).any() or (features is not None and (used >= features).any()):
        raise Refused("inspect", f"{where} asks for a feature that the model does not have. {_ADVICE}")


_ADVICE = "Following it would crash the server; save the model again from the one you trained."
_CHECKS = {TREE: _tree, PREDICTOR: _predictor}
