"""The protocol's own case table, by plain HTTP: one request each, one status, one form of error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from target import Target

JSON = "application/json"
Case = Callable[[Target], None]
Body = Callable[[Target], Any]


def ask(target: Target, verb: str, path: str, body: Any = None, form: str | None = JSON) -> httpx.Response:
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"content-type": form} if form and sent is not None else {}
    with httpx.Client(timeout=10, trust_env=False, follow_redirects=True) as client:
        return client.request(
            verb, f"{target.url}{path.format(m=target.model, v=target.version)}", content=sent, headers=headers
        )


def good(target: Target, **change: Any) -> dict[str, Any]:
    """The good request; a change of a member of its tensor, None leaves it out."""
    sent = {"name": target.input, "shape": target.shape, "datatype": "FP64", "data": target.flat} | change
    return {"inputs": [{name: value for name, value in sent.items() if value is not None}]}


def labels(target: Target, reply: httpx.Response) -> list[Any]:
    found = next(item for item in reply.json()["outputs"] if item["name"] == target.label)
    flat = found["data"]
    while flat and isinstance(flat[0], list):
        flat = [value for row in flat for value in row]
    return list(flat)


def told(reply: httpx.Response) -> str:
    if reply.status_code == 200:
        return "answered 200"
    form = reply.headers.get("content-type", "without a type")
    return f"{reply.status_code} {reply.text[:60] if form == JSON else form}"


def succeeds(verb: str, path: str, **part: Any) -> Case:
    def case(target: Target) -> None:
        reply = ask(target, verb, path)
        assert reply.status_code == 200, told(reply)
        assert reply.content, "200 without a body"
        wanted = {
            name: value.format(m=target.model) if isinstance(value, str) else value for name, value in part.items()
        }
        found = {name: reply.json().get(name) for name in wanted}
        assert found == wanted, f"200 {json.dumps(found)}"

    return case


def fails(status: int, verb: str, path: str, body: Body = lambda target: None, form: str | None = JSON) -> Case:
    def case(target: Target) -> None:
        reply = ask(target, verb, path, body(target), form)
        assert reply.status_code == status, told(reply)
        assert isinstance(reply.json(), dict), told(reply)
        assert list(reply.json()) == ["error"], told(reply)
        assert isinstance(reply.json()["error"], str), told(reply)
        assert status != 405 or reply.headers.get("allow"), "405 without Allow"

    return case


INFER = "/v2/models/{m}/infer"


def refuses(body: Body) -> Case:
    return fails(400, "POST", INFER, body)


def answers(body: Body, form: str | None = JSON) -> Case:
    def case(target: Target) -> None:
        reply = ask(target, "POST", INFER, body(target), form)
        assert reply.status_code == 200, told(reply)
        assert labels(target, reply) == target.labels, told(reply)

    return case


def equal(target: Target) -> None:
    flat, nested = (ask(target, "POST", INFER, good(target, data=data)) for data in (target.flat, target.rows))
    assert (flat.status_code, nested.status_code) == (200, 200), told(nested)
    assert flat.json()["outputs"] == nested.json()["outputs"], "other answers"


def omits_nulls(target: Target) -> None:
    reply = ask(target, "POST", INFER, good(target))
    found = [name for name, value in reply.json().items() if value is None]
    assert not found, f"{', '.join(found)} null"


def versioned(target: Target) -> None:
    reply = ask(target, "POST", "/v2/models/{m}/versions/{v}/infer", good(target))
    assert reply.status_code == 200, told(reply)
    assert reply.json()["model_version"] == target.version, "another version"


def both(target: Target) -> None:
    names = [target.probabilities, target.label]
    reply = ask(target, "POST", INFER, {**good(target), "outputs": [{"name": name} for name in names]})
    assert reply.status_code == 200, told(reply)
    assert [item["name"] for item in reply.json()["outputs"]] == names, "others, or in another order"


def same_id(target: Target) -> None:
    reply = ask(target, "POST", INFER, {**good(target), "id": "a b/ü"})
    assert reply.json().get("id") == "a b/ü", f"the id is {reply.json().get('id')}"


def platform(target: Target) -> None:
    found = ask(target, "GET", "/v2/models/{m}").json()
    assert found.get("platform"), f"platform is {json.dumps(found.get('platform'))}"
    assert found.get("inputs"), f"inputs are {json.dumps(found.get('inputs'))}"
    assert found.get("outputs"), f"outputs are {json.dumps(found.get('outputs'))}"


def listed(target: Target) -> None:
    found = ask(target, "GET", "/v2/models").json().get("models", [])
    assert target.model in found, f"models are {found}"


def whole(target: Target) -> dict[str, Any]:
    return good(target, datatype="INT64", data=[int(value) for value in target.flat])


def doubled(target: Target) -> bytes:
    return json.dumps(good(target)).replace('{"name"', '{"shape": [1], "name"').encode()


def too_large(target: Target) -> dict[str, Any]:
    return good(target, datatype="INT64", shape=[1, 4], data=[2**53 + 1, 1, 1, 1])


def whole_numbers(target: Target) -> None:
    reply = ask(target, "POST", INFER, whole(target))
    assert reply.status_code == 200, told(reply)


def without(name: str) -> Body:
    return lambda target: good(target, **{name: None})


CASES: dict[str, Case] = {
    "GET v2": succeeds("GET", "/v2"),
    "GET v2/": succeeds("GET", "/v2/"),
    "live has a body": succeeds("GET", "/v2/health/live", live=True),
    "ready has a body": succeeds("GET", "/v2/health/ready", ready=True),
    "model ready has a body": succeeds("GET", "/v2/models/{m}/ready", name="{m}", ready=True),
    "models are listed": listed,
    "metadata is filled": platform,
    "unknown version: metadata": fails(404, "GET", "/v2/models/{m}/versions/99"),
    "unknown model: metadata": fails(404, "GET", "/v2/models/none"),
    "unknown model: ready": fails(404, "GET", "/v2/models/none/ready"),
    "unknown model: infer": fails(404, "POST", "/v2/models/none/infer", good),
    "known version: infer": versioned,
    "flat data": answers(good),
    "nested data": answers(lambda target: good(target, data=target.rows)),
    "flat and nested have one answer": equal,
    "nulls are left out": omits_nulls,
    "the id comes back unchanged": same_id,
    "both outputs, in their order": both,
    "no content type": answers(good, None),
    "unknown output name": refuses(lambda target: {**good(target), "outputs": [{"name": "none"}]}),
    "shape product differs from the data": refuses(lambda target: good(target, shape=[len(target.rows) + 1, 4])),
    "unknown datatype": refuses(lambda target: good(target, datatype="FLOAT")),
    "text in FP64": refuses(lambda target: good(target, data=["a", *target.flat[1:]])),
    "number as text in FP64": refuses(lambda target: good(target, data=["5.1", *target.flat[1:]])),
    "true in FP64": refuses(lambda target: good(target, data=[True, *target.flat[1:]])),
    "negative dimension": refuses(lambda target: good(target, shape=[-1, 4])),
    "wrong width": refuses(lambda target: good(target, shape=[2 * len(target.rows), 2])),
    "no datatype": refuses(without("datatype")),
    "no data": refuses(without("data")),
    "no shape": refuses(without("shape")),
    "another name": refuses(lambda target: good(target, name="another")),
    "inputs are empty": refuses(lambda target: {"inputs": []}),
    "no inputs": refuses(lambda target: {}),
    "the same tensor twice": refuses(lambda target: {"inputs": good(target)["inputs"] * 2}),
    "a name given twice": refuses(doubled),
    "invalid JSON": refuses(lambda target: b'{"inputs": ['),
    "NaN": refuses(lambda target: json.dumps(good(target, data=[float("nan"), *target.flat[1:]])).encode()),
    "not UTF-8": refuses(lambda target: json.dumps(good(target)).encode("utf-16")),
    "the id is a number": refuses(lambda target: {**good(target), "id": 5}),
    "GET on infer": fails(405, "GET", INFER),
    "another content type": fails(415, "POST", INFER, good, "text/plain"),
    "INT64 for a float model": whole_numbers,
    "INT64 that FP64 cannot hold": refuses(too_large),
    "unknown parameters": answers(lambda target: {**good(target), "parameters": {"mine": 1}}),
}  # fmt: skip
