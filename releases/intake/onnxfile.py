"""An uploaded ONNX file: checked, only standard operators, and its inputs and outputs in the signature's words."""

from pathlib import Path
from typing import Any

from releases.intake.report import Refused
from releases.intake.unpack import shown

BYTES_MOST = 512 * 1024 * 1024
NODES_MOST = 200_000
DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
TYPES = {1: "float", 11: "double", 7: "long", 6: "integer", 9: "boolean", 8: "string"}  # TensorProto.DataType
DTYPES = {"float": "float32", "double": "float64", "long": "int64", "integer": "int32"}
ADVICE = "Export it with one input for each column (shape [None, 1]), or one tensor of shape [None, n]."


def check(path: Path) -> Any:
    """The parsed model; raises Refused when it is not plain ONNX."""
    import onnx

    if path.stat().st_size > BYTES_MOST:
        raise Refused("inspect", f"{shown(path.name)} is larger than {BYTES_MOST // 1024 // 1024} MiB.")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:
        raise Refused("inspect", f"{shown(path.name)} is not an ONNX file.") from None
    if not model.ir_version or not model.graph.output:
        raise Refused("inspect", f"{shown(path.name)} is not an ONNX file.")
    _domains(model)
    _no_external(model)
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        words = shown(" ".join(str(error).split()))
        raise Refused("inspect", f"{shown(path.name)} is not valid ONNX: {words}.") from None
    return model


def _domains(model: Any) -> None:
    asked = {item.domain for item in model.opset_import} | {node.domain for node in nodes(model)}
    if strange := sorted(asked - DOMAINS):
        names = ", ".join(map(shown, strange[:5]))
        raise Refused("inspect", f"The ONNX file needs operators of {names}; only ai.onnx and ai.onnx.ml are served.")
    if model.functions:
        raise Refused("inspect", "The ONNX file brings functions of its own; only standard operators are served.")


def _no_external(model: Any) -> None:
    for tensor in tensors(model):
        if tensor.data_location == 1 or tensor.external_data:
            raise Refused("inspect", "The ONNX file keeps data in other files; save it as one file (no external data).")


def nodes(model: Any) -> list[Any]:
    """Every node, those of subgraphs too; raises Refused when there are too many."""
    found, waiting = [], [model.graph, *model.functions]
    while waiting:
        for node in waiting.pop().node:
            found.append(node)
            for attribute in node.attribute:
                waiting += [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
        if len(found) > NODES_MOST:
            raise Refused("inspect", f"The ONNX file has more than {NODES_MOST:,} nodes.")
    return found


def tensors(model: Any) -> list[Any]:
    """Every stored tensor: initialisers and attributes, those of subgraphs too."""
    found, waiting = [], [model.graph]
    while waiting:
        graph = waiting.pop()
        found += [*graph.initializer, *(t for s in graph.sparse_initializer for t in (s.values, s.indices))]
        for node in graph.node:
            for attribute in node.attribute:
                found += [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
                found += [
                    t for s in (attribute.sparse_tensor, *attribute.sparse_tensors) for t in (s.values, s.indices)
                ]
                waiting += [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
    return found


def inputs(model: Any) -> list[dict[str, Any]]:
    """The graph's inputs in MLflow's grammar; raises Refused for shapes that no signature can say."""
    stored = {item.name for item in model.graph.initializer}
    given = [item for item in model.graph.input if item.name not in stored]
    return [_input(item, len(given)) for item in given]


def _input(item: Any, count: int) -> dict[str, Any]:
    kind = item.type.tensor_type
    name = TYPES.get(kind.elem_type) if item.type.HasField("tensor_type") else None
    sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in kind.shape.dim]
    if name is None or not sizes or sizes[0] > 1:
        raise Refused("load", f"The input {shown(item.name)} has a type or shape that cannot be served. {ADVICE}")
    if sizes[1:] in ([], [1]):
        return {"type": name, "name": item.name, "required": True}
    if count == 1 and name in DTYPES and all(size > 0 for size in sizes[1:]):
        return {"name": item.name, "type": "tensor", "tensor-spec": {"dtype": DTYPES[name], "shape": [-1, *sizes[1:]]}}
    raise Refused("load", f"The input {shown(item.name)} has a shape that cannot be served. {ADVICE}")


def kind_and_classes(model: Any) -> tuple[str, list[Any] | None]:
    """ "regressor" and None, or "classifier" and its classes (found in the file, else 0, 1, …)."""
    kinds = [item.type.tensor_type.elem_type if item.type.HasField("tensor_type") else 0 for item in model.graph.output]
    if 0 in kinds:
        raise Refused("load", "The ONNX file answers with maps; convert it with zipmap=False.")
    if kinds[0] in (7, 8, 6):
        return "classifier", _classes(model)
    if len(kinds) == 1 and kinds[0] in (1, 11) and _width(model.graph.output[0]) <= 1:
        return "regressor", None
    raise Refused("load", "The ONNX file must answer one number a row, or a class and its probabilities.")


def _width(output: Any) -> int:
    sizes = [size.dim_value for size in output.type.tensor_type.shape.dim]
    return int(sizes[1]) if len(sizes) > 1 else 1


def _classes(model: Any) -> list[Any]:
    for node in nodes(model):
        for attribute in node.attribute:
            if attribute.name in ("classlabels_strings", "keys_strings") and attribute.strings:
                return [label.decode("utf-8", "replace") for label in attribute.strings]
            if attribute.name in ("classlabels_ints", "classlabels_int64s") and attribute.ints:
                return list(attribute.ints)
    outputs = model.graph.output
    width = _width(outputs[1]) if len(outputs) > 1 else 0
    if width < 2:
        raise Refused(
            "load", "The ONNX file does not say how many classes it has; give its second output a fixed width."
        )
    return list(range(width))
