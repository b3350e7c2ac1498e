"""KServe's Python client, unchanged: its REST client for V2 (JSON and binary) and for V1."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from httpx import HTTPStatusError
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from target import NotOffered, Target

Ask = Callable[[InferenceRESTClient], Awaitable[Any]]


def asked(protocol: str, ask: Ask) -> Any:
    async def once() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol=protocol, retries=0, timeout=10))
        try:
            return await ask(client)
        finally:
            await client.close()

    return asyncio.run(once())


def request(target: Target, *, binary: bool = False, outputs: list[Any] | None = None, **more: Any) -> InferRequest:
    item = InferInput(name=target.input, shape=target.shape, datatype="FP64")
    item.set_data_from_numpy(np.array(target.rows), binary_data=binary)
    return InferRequest(model_name=target.model, infer_inputs=[item], request_outputs=outputs, **more)


def infer(target: Target, sent: Any, protocol: str = "v2", model: str = "") -> Any:
    return asked(protocol, lambda client: client.infer(target.url, sent, model_name=model or target.model))


def check(target: Target, result: Any) -> None:
    (found,) = [item for item in result.outputs if item.name == target.label]
    labels = np.array(found.data).ravel().tolist()
    assert labels == target.labels, f"answered {labels}"


def refused(target: Target, status: int, sent: Any, protocol: str = "v2", model: str = "") -> None:
    found = problem(target, sent, protocol, model)
    assert found is not None, "accepted it"
    assert found.status_code == status, f"answered {found.status_code}"
    assert isinstance(found.json().get("error"), str), "there is no error text"


def problem(target: Target, sent: Any, protocol: str, model: str) -> Any:
    try:
        infer(target, sent, protocol, model)
    except HTTPStatusError as error:
        return error.response
    return None


def lives(target: Target) -> None:
    assert asked("v2", lambda client: client.is_server_live(target.url)) is True, "does not say that it is live"
    assert asked("v2", lambda client: client.is_server_ready(target.url)) is True, "does not say that it is ready"


def is_ready(target: Target) -> None:
    assert asked("v2", lambda client: client.is_model_ready(target.url, target.model)), "is not ready"
    assert not asked("v2", lambda client: client.is_model_ready(target.url, "none")), "an unknown model is ready"


def outputs(target: Target) -> None:
    names = [target.probabilities, target.label]
    result = infer(target, request(target, outputs=[RequestedOutput(name) for name in names]))
    assert [item.name for item in result.outputs] == names, "others, or in another order"


def binary_answer(target: Target) -> None:
    check(target, infer(target, request(target, binary=True, parameters={"binary_data_output": True})))


def keeps_id(target: Target) -> None:
    result = infer(target, request(target, request_id="a b/1"))
    assert result.id == "a b/1", f"the id is {result.id}"


def v1_lives(target: Target) -> None:
    assert asked("v1", lambda client: client.is_server_live(target.url)), "does not say that it is alive"


def v1_ready(target: Target) -> None:
    found = asked("v1", lambda client: client.is_model_ready(target.url, target.model))
    assert found is True, f"answered {found}"


def v1_predict(target: Target) -> None:
    found = infer(target, {"instances": target.rows}, "v1")["predictions"]
    labels = [item["label"] if isinstance(item, dict) else item for item in found]
    assert labels == target.labels, f"answered {labels}"


def wrong(target: Target, shape: list[int], data: list[Any]) -> InferRequest:
    return InferRequest(
        model_name=target.model, infer_inputs=[InferInput(name=target.input, shape=shape, datatype="FP64", data=data)]
    )


V2_CASES = {
    "the server says that it is live and ready": lives,
    "a model is ready, an unknown one is not": is_ready,
    "JSON in, JSON out": lambda target: check(target, infer(target, request(target))),
    "binary in, JSON out": lambda target: check(target, infer(target, request(target, binary=True))),
    "binary in, binary out": binary_answer,
    "the outputs asked for, in their order": outputs,
    "the id comes back": keeps_id,
    "an unknown model is an error that the client understands": lambda target: refused(
        target, 404, request(target), model="none"
    ),
    "a wrong width is an error that the client understands": lambda target: refused(
        target, 400, wrong(target, [1, 2], [1.0, 2.0])
    ),
    "text for a number is an error that the client understands": lambda target: refused(
        target, 400, wrong(target, [1, 4], ["a", 1.0, 1.0, 1.0])
    ),
}


def where_offered(case: Callable[[Target], None]) -> Callable[[Target], None]:
    def offered(target: Target) -> None:
        if not target.v1:
            raise NotOffered("no V1")
        case(target)

    return offered


V1 = {
    "the server says that it is alive": v1_lives,
    "a model is ready": v1_ready,
    "rows as lists are answered": v1_predict,
    "an unknown model is an error that the client understands": lambda target: refused(
        target, 404, {"instances": target.rows}, "v1", "none"
    ),
    "a wrong width is an error that the client understands": lambda target: refused(
        target, 400, {"instances": [[1.0, 2.0]]}, "v1"
    ),
    "text for a number is an error that the client understands": lambda target: refused(
        target, 400, {"instances": [["a", 1.0, 1.0, 1.0]]}, "v1"
    ),
    "no instances is an error that the client understands": lambda target: refused(target, 400, {"rows": []}, "v1"),
}
V1_CASES = {says: where_offered(case) for says, case in V1.items()}
