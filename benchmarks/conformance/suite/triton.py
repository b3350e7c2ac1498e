"""NVIDIA's tritonclient for HTTP, unchanged: JSON and binary tensors, as its users write it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from target import NotOffered, Target
from tritonclient.utils import InferenceServerException


@contextmanager
def client(target: Target) -> Iterator[http.InferenceServerClient]:
    found = http.InferenceServerClient(target.address, connection_timeout=10, network_timeout=10)
    try:
        yield found
    finally:
        found.close()


def tensor(target: Target, datatype: str = "FP64", *, binary: bool, values: Any = None, kind: Any = http) -> Any:
    found = np.array(target.rows if values is None else values)
    item = kind.InferInput(target.input, list(found.shape), datatype)
    dtypes = {"FP64": np.float64, "FP32": np.float32, "FP16": np.float16, "INT64": np.int64}
    return item.set_data_from_numpy(found.astype(dtypes[datatype]), binary_data=binary)


def wanted(target: Target, *, binary: bool, kind: Any = http) -> list[Any]:
    return [kind.InferRequestedOutput(target.label, binary_data=binary)]


def check(target: Target, result: Any) -> None:
    found = result.as_numpy(target.label).ravel().tolist()
    assert found == target.labels, f"answered {found}"


def refused(target: Target, status: str, **more: Any) -> None:
    """The client must get an error of this status, in a form that it can read."""
    error = problem({"model_name": target.model, "inputs": [tensor(target, binary=False)], **more}, target)
    assert error is not None, "accepted it"
    words = str(error.message())
    assert "exception occurred in the client" not in words, f"{error.status()}, not the protocol's form"
    assert error.status() == status, f"answered {error.status()}: {words}"


def problem(arguments: dict[str, Any], target: Target) -> InferenceServerException | None:
    with client(target) as asked:
        try:
            asked.infer(**arguments)
        except InferenceServerException as error:
            return error
    return None


def lives(target: Target) -> None:
    with client(target) as asked:
        assert asked.is_server_live(), "is not live"
        assert asked.is_server_ready(), "is not ready"


def is_ready(target: Target) -> None:
    with client(target) as asked:
        assert asked.is_model_ready(target.model), "is not ready"
        assert not asked.is_model_ready("no-such-model"), "an unknown model is ready"


def version_is_ready(target: Target) -> None:
    with client(target) as asked:
        assert asked.is_model_ready(target.model, target.version), "the version is not ready"
        assert not asked.is_model_ready(target.model, "99"), "an unknown version is ready"


def extensions(target: Target) -> None:
    with client(target) as asked:
        found = asked.get_server_metadata()
    assert "binary_tensor_data" in found["extensions"], f"extensions are {found['extensions']}"


def metadata(target: Target) -> None:
    with client(target) as asked:
        found = asked.get_model_metadata(target.model)
    assert found["name"] == target.model, f"the name is {found['name']}"
    inputs = [(item["name"], item["datatype"], item["shape"]) for item in found["inputs"]]
    assert inputs == [(target.input, "FP64", [-1, 4])], f"inputs are {inputs}"
    assert target.label in [item["name"] for item in found["outputs"]], f"outputs are {found['outputs']}"


def version_metadata(target: Target) -> None:
    with client(target) as asked:
        assert asked.get_model_metadata(target.model, target.version)["name"] == target.model, "another name"


def infer(target: Target, *, sent: bool, answered: bool, datatype: str = "FP64", **more: Any) -> Any:
    with client(target) as asked:
        inputs, outputs = [tensor(target, datatype, binary=sent)], wanted(target, binary=answered)
        result = asked.infer(target.model, inputs, outputs=outputs, **more)
    if datatype == "FP64":
        check(target, result)
    return result


def by_default(target: Target) -> None:
    with client(target) as asked:
        result = asked.infer(target.model, [tensor(target, binary=True)])
    check(target, result)
    parameters = result.get_output(target.label).get("parameters") or {}
    assert "binary_data_size" in parameters, "answered as JSON, which was not asked for"


def shapes(target: Target) -> None:
    with client(target) as asked:
        declared = {item["name"]: item["shape"] for item in asked.get_model_metadata(target.model)["outputs"]}
        found = asked.infer(target.model, [tensor(target, binary=False)]).get_response()["outputs"]
    assert declared, "the metadata declares no outputs"
    for item in found:
        assert item["shape"] == [len(target.rows), *declared[item["name"]][1:]], f"{item['name']} is {item['shape']}"


def both_outputs(target: Target) -> None:
    names = [target.probabilities, target.label]
    with client(target) as asked:
        outputs = [http.InferRequestedOutput(name, binary_data=place == 0) for place, name in enumerate(names)]
        result = asked.infer(target.model, [tensor(target, binary=True)], outputs=outputs)
    assert [item["name"] for item in result.get_response()["outputs"]] == names, "another order"
    assert np.allclose(result.as_numpy(target.probabilities), target.chances, atol=1e-5), "other probabilities"
    check(target, result)


def keeps_id(target: Target) -> None:
    found = infer(target, sent=False, answered=False, request_id="a b/1").get_response()
    assert found.get("id") == "a b/1", f"the id is {found.get('id')}"


def uses_version(target: Target) -> None:
    found = infer(target, sent=False, answered=False, model_version=target.version).get_response()
    assert found.get("model_version") == target.version, f"the version is {found.get('model_version')}"


def together(target: Target) -> None:
    with client(target) as asked:
        waiting = [asked.async_infer(target.model, [tensor(target, binary=True)]) for _ in range(8)]
        for each in waiting:
            check(target, each.get_result())


def asyncio_client(target: Target) -> None:
    async def ask() -> Any:
        async with aio.InferenceServerClient(target.address) as asked:
            return await asked.infer(target.model, [tensor(target, binary=True, kind=aio)])

    check(target, asyncio.run(ask()))


def columns(target: Target, *, binary: bool) -> None:
    """Columns of three types, texts among them."""
    if target.columns is None:
        raise NotOffered("no model with columns of several types")
    inputs = []
    for item in target.columns["inputs"]:
        dtype = {"BYTES": np.object_, "INT64": np.int64, "FP64": np.float64}[item["datatype"]]
        sent = http.InferInput(item["name"], [len(item["data"])], item["datatype"])
        inputs.append(sent.set_data_from_numpy(np.array(item["data"], dtype), binary_data=binary))
    with client(target) as asked:
        result = asked.infer(target.columns["model"], inputs)
    found = result.as_numpy(target.columns["output"]).ravel().tolist()
    assert found == target.columns["values"], f"answered {found}"


def loses_nothing(target: Target) -> None:
    """2^53 + 1 is no FP64, so it must be refused, not rounded."""
    large = [[2**53 + 1, 1, 1, 1]]
    refused(target, "400", inputs=[tensor(target, "INT64", binary=False, values=large)])
    refused(target, "400", inputs=[tensor(target, "INT64", binary=True, values=large)])


def refuses_nan(target: Target) -> None:
    refused(target, "400", inputs=[tensor(target, binary=True, values=[[np.nan, 1, 1, 1]])])


CASES = {
    "the server is live and ready": lives,
    "a model is ready, an unknown one is not": is_ready,
    "a version is ready, an unknown one is not": version_is_ready,
    "the metadata has name, inputs and outputs": metadata,
    "a version has metadata": version_metadata,
    "binary tensors are advertised": extensions,
    "JSON in, JSON out": lambda target: infer(target, sent=False, answered=False),
    "JSON in, binary out": lambda target: infer(target, sent=False, answered=True),
    "binary in, JSON out": lambda target: infer(target, sent=True, answered=False),
    "binary in, binary out": lambda target: infer(target, sent=True, answered=True),
    "binary both ways without a word": by_default,
    "FP32 as JSON": lambda target: infer(target, sent=False, answered=False, datatype="FP32"),
    "FP32 and FP16 as binary": lambda target: [
        infer(target, sent=True, answered=True, datatype=kind) for kind in ("FP32", "FP16")
    ],
    "INT64 as JSON and as binary": lambda target: [
        infer(target, sent=sent, answered=sent, datatype="INT64") for sent in (False, True)
    ],
    "shapes are those of the metadata": shapes,
    "label and probabilities in the order asked for": both_outputs,
    "the id comes back": keeps_id,
    "the version that was asked for answers": uses_version,
    "parameters of the caller's own are ignored": lambda target: infer(
        target, sent=False, answered=False, parameters={"mine": 1, "other": "x"}
    ),
    "gzip": lambda target: infer(target, sent=True, answered=True, request_compression_algorithm="gzip"),
    "deflate": lambda target: infer(target, sent=True, answered=True, request_compression_algorithm="deflate"),
    "asks for a compressed answer": lambda target: infer(
        target, sent=True, answered=True, response_compression_algorithm="gzip"
    ),
    "eight requests together": together,
    "the asyncio client": asyncio_client,
    "columns of three types as JSON": lambda target: columns(target, binary=False),
    "columns of three types as binary": lambda target: columns(target, binary=True),
    "an unknown model is an error that the client understands": lambda target: refused(
        target, "404", model_name="none"
    ),
    "an unknown version is an error that the client understands": lambda target: refused(
        target, "404", model_version="99"
    ),
    "a wrong width is an error that the client understands": lambda target: refused(
        target, "400", inputs=[tensor(target, binary=False, values=[[1.0, 2.0]])]
    ),
    "a wrong width in binary is an error that the client understands": lambda target: refused(
        target, "400", inputs=[tensor(target, binary=True, values=[[1.0, 2.0]])]
    ),
    "an unknown output is an error that the client understands": lambda target: refused(
        target, "400", outputs=[http.InferRequestedOutput("none")]
    ),
    "a whole number that FP64 cannot hold is refused": loses_nothing,
    "NaN in binary is refused": refuses_nan,
}
