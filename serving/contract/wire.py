"""The JSON of an Open Inference Protocol request as it comes, and the proof that it gives no name twice."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from serving.contract import explaining
from serving.contract.errors import named, whole

# What msgspec raises for a body that it cannot read; the Unicode error is none of its own.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
MOST_DIMENSIONS = 16
Shape = Annotated[list[Annotated[int, Meta(ge=0, le=2**31)]], Meta(max_length=MOST_DIMENSIONS)]
Parameters = dict[str, str | int | float | bool]
# The quotation marks of a tensor: "name", "shape", "datatype", "data" and the texts of name and datatype.
TENSOR_QUOTES, INPUTS_QUOTES = 12, 2


class Input(msgspec.Struct):
    """One tensor; `data` is UNSET where its bytes follow the JSON."""

    name: str
    shape: Shape
    datatype: str
    data: list[Any] | UnsetType = UNSET
    parameters: Parameters | None = None


class Output(msgspec.Struct):
    """One output that is asked for."""

    name: str
    parameters: Parameters | None = None


class Rest(msgspec.Struct, kw_only=True):
    """What stands beside the inputs; what is not known here is ignored, as the protocol says."""

    id: str | None = None
    model_name: str | None = None
    parameters: Parameters | None = None
    outputs: list[Output] | None = None


class Wire(Rest, kw_only=True):
    """A whole request."""

    inputs: list[Input]


_decoder = msgspec.json.Decoder(Wire)


def read(body: bytes) -> Wire:
    """Return the request; raises ContractError, also for a name that is given twice."""
    try:
        found = _decoder.decode(body)
    except UNREADABLE as error:
        explaining.refuse_unreadable(body)
        raise whole(f"the body is not an inference request: {_reason(error)}") from error
    if b"\\" in body or body.count(b'"') != INPUTS_QUOTES + rest_quotes(found) + sum(map(_quotes, found.inputs)):
        explaining.refuse_doubled(body)
    return found


def rest_quotes(rest: Rest) -> int:
    """Return how many quotation marks the request's own members explain."""
    count = 0 if rest.id is None else 4
    count += 0 if rest.model_name is None else 4
    count += 0 if rest.parameters is None else 2 + _parameter_quotes(rest.parameters)
    if rest.outputs is not None:
        count += 2 + sum(4 + _parameters(item.parameters) for item in rest.outputs)
    return count


def _quotes(item: Input) -> int:
    if item.data is UNSET:
        return TENSOR_QUOTES - 2 + _parameters(item.parameters)
    texts = _texts(item.data) if item.datatype == "BYTES" else 0
    return TENSOR_QUOTES + 2 * texts + _parameters(item.parameters)


def _texts(data: Any) -> int:
    return sum(map(_texts, data)) if isinstance(data, list) else isinstance(data, str)


def _parameters(given: Parameters | None) -> int:
    return 0 if given is None else 2 + _parameter_quotes(given)


def _parameter_quotes(given: Parameters) -> int:
    return sum(4 if isinstance(value, str) else 2 for value in given.values())


def flag(given: Parameters | None, name: str, default: bool) -> bool:
    """Return a parameter that is true or false; raises ContractError."""
    value = default if given is None else given.get(name, default)
    if type(value) is not bool:
        raise named("parameters", f"{name} must be true or false")
    return value


def _reason(error: Exception) -> str:
    """msgspec says what it expected and where, never the value that it found."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
