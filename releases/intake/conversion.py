"""Make the ONNX form of a scikit-learn model, by column name, within a time limit."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving.contract.signature import Signature

OPSET = {"": 21, "ai.onnx.ml": 3}
SECONDS = 60
MATRIX = "columns"
WHOLE = ("integer", "long", "boolean")


class NotConverted(Exception):
    """The model has no ONNX form here; the text says why, without a full stop."""


def convert(model: Any, signature: Signature, kind: str, target: Path) -> int:
    """Write `target` and return its size in bytes; raises NotConverted."""
    try:
        with _at_most(SECONDS):
            data = _convert(model, signature, kind)
    except NotConverted:
        raise
    except MemoryError:
        raise NotConverted("the conversion needs more memory than the sandbox gives") from None
    except Exception as error:
        raise NotConverted(" ".join(str(error).split())[:200].rstrip(". ") or type(error).__name__) from None
    return target.write_bytes(data)


def _convert(model: Any, signature: Signature, kind: str) -> bytes:
    import skl2onnx

    _patch_boosting()
    options = {id(model): {"zipmap": False}} if kind == "classifier" else None
    refused: Exception | None = None
    for types in _initial_types(signature):
        try:
            made = skl2onnx.to_onnx(model, initial_types=types, target_opset=OPSET, options=options)
            return bytes(made.SerializeToString())
        except NotConverted:
            raise
        except Exception as error:
            # The last form is the one that the most models have; its reason is the one to tell.
            refused = error
    assert refused is not None  # noqa: S101 - there is always a form to try
    raise refused


def _initial_types(signature: Signature) -> Iterator[list[tuple[str, Any]]]:
    """Yield the forms of the graph's input to try, the fastest first.

    Columns of numbers are tried as one matrix: feeding 30 inputs costs more than most models, and a bare estimator
    takes one input only. A model that chooses its columns by name needs them one by one.
    """
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    def tensor(type_name: str) -> Any:
        return StringTensorType if type_name == "string" else Int64TensorType if type_name in WHOLE else FloatTensorType

    if (item := signature.tensor) is not None:
        yield [(item.name, tensor(item.type)([None, *(item.shape or ())]))]
        return
    kinds = {tensor(field.type) for field in signature.inputs}
    if len(signature.inputs) > 1 and StringTensorType not in kinds:
        kind = kinds.pop() if len(kinds) == 1 else FloatTensorType
        yield [(MATRIX, kind([None, len(signature.inputs)]))]
    yield [(field.name, tensor(field.type)([None, 1])) for field in signature.inputs]


def _patch_boosting() -> None:
    """skl2onnx 1.20 hands a boolean of histogram gradient boosting on where ONNX wants a whole number."""
    import skl2onnx.common.tree_ensemble as ensemble

    if getattr(ensemble.add_node, "patched", False):
        return
    original = ensemble.add_node

    def add_node(*arguments: Any, nodes_missing_value_tracks_true: Any = 0, **others: Any) -> Any:
        return original(*arguments, nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true), **others)

    add_node.patched = True  # type: ignore[attr-defined]
    ensemble.add_node = add_node


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise NotConverted(f"the conversion took longer than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
