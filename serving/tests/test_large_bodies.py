"""Large requests: as many rows as fit, refused in words above that, and read without holding up anybody."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from serving.contract import Batch, ContractError, Decoder, Signature, explaining
from serving.contract.batch import MOST_ROWS
from serving.gateway.pool import INLINE_BODY
from serving.tests.builders import flight, matrix, table
from serving.tests.forms import ROW, package
from serving.tests.inside import Inside

FLIGHT = Decoder(flight())
LIMIT = r"a request can hold 10,000 rows at most; send more rows in several requests"
PREDICT = "/dev/v1/models/eta:predict"


def v1(rows: list[Any]) -> bytes:
    return json.dumps({"instances": rows}).encode()


def tensors(rows: int) -> bytes:
    kinds = {"distance": "INT64", "hour": "FP64", "origin": "BYTES"}
    inputs = [{"name": n, "shape": [rows], "datatype": k, "data": [ROW[n]] * rows} for n, k in kinds.items()]
    return json.dumps({"inputs": inputs}).encode()


def test_the_limit_of_rows_itself_is_accepted() -> None:
    assert FLIGHT.decode_v1(v1([ROW] * MOST_ROWS)).rows == MOST_ROWS
    assert FLIGHT.decode_v2(tensors(MOST_ROWS)).batch.rows == MOST_ROWS


@pytest.mark.parametrize("row", [ROW, list(ROW.values()), {**ROW, "distance": "far"}])
def test_more_rows_are_refused_with_the_limit_in_v1(row: Any) -> None:
    with pytest.raises(ContractError, match=LIMIT):
        FLIGHT.decode_v1(v1([row] * (MOST_ROWS + 1)))


def test_more_rows_are_refused_with_the_limit_in_a_v1_tensor_and_in_v2() -> None:
    with pytest.raises(ContractError, match=LIMIT):
        Decoder(matrix()).decode_v1(v1([[1.0, 2.0, 3.0]] * (MOST_ROWS + 1)))
    with pytest.raises(ContractError, match=LIMIT):
        FLIGHT.decode_v2(tensors(MOST_ROWS + 1))


def test_rows_that_do_not_come_from_a_request_have_no_limit() -> None:
    assert FLIGHT.batch([ROW] * (MOST_ROWS + 1)).rows == MOST_ROWS + 1


OPTIONAL = Decoder(
    Signature.from_json(
        {
            "inputs": [
                {"name": "a", "type": "double", "required": False},
                {"name": "b", "type": "double", "required": True},
                {"name": "c", "type": "string", "required": False},
            ]
        }
    )
)


@pytest.mark.parametrize("row", [{"a": None, "b": 1.0, "c": None}, {"b": 1.0}, {"b": 1.0, "c": "x"}, [None, 1.0]])
def test_nulls_and_fields_left_out_are_read_without_the_slow_second_look(
    row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "refuse_v1", lambda *_: pytest.fail("the body was read a second time"))
    batch = OPTIONAL.decode_v1(v1([row]))
    wanted = row.get("c") if isinstance(row, dict) else None
    assert (str(batch.columns["a"].tolist()), batch.columns["c"].tolist()) == ("[nan]", [wanted])


@pytest.mark.parametrize("doubled", ['"a":1,"a":null', '"a":null,"a":1', '"a":null,"a":null'])
def test_a_name_given_twice_is_found_beside_nulls(doubled: str) -> None:
    with pytest.raises(ContractError, match="given twice"):
        OPTIONAL.decode_v1(f'{{"instances":[{{"b":1,{doubled}}}]}}'.encode())


async def held(inside: Inside, decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, list[int]]:
    """Send a large body whose reading waits until others were answered; return whether they were, and the statuses."""
    reading, answered, seen = threading.Event(), threading.Event(), []
    decode = decoder.decode_v1

    def wait(body: bytes) -> Batch:
        if len(body) > INLINE_BODY:
            reading.set()
            seen.append(answered.wait(10))
        return decode(body)

    monkeypatch.setattr(decoder, "decode_v1", wait)
    large = asyncio.create_task(inside.ask(PREDICT, {"instances": [ROW] * 2000}))
    await asyncio.to_thread(reading.wait, 10)
    small = [await inside.ask("/v2/health/ready"), await inside.ask(PREDICT, {"instances": [ROW]})]
    answered.set()
    return all(seen) and not large.done(), [reply.status for reply in [*small, await large]]


@pytest.mark.parametrize("cost", [0.0, 0.1], ids=["cheap", "costly"])
@pytest.mark.parametrize("sticky", [None, "origin"])
def test_others_are_answered_while_a_large_body_is_read(
    sticky: str | None, cost: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "artefacts").mkdir()
    target = package(tmp_path / "artefacts", 1)
    inside = Inside(tmp_path, table(target, route={"sticky": sticky}))
    # A costly model works in a thread, which reading must not take from it.
    inside.pool.get(target).cost = cost
    assert asyncio.run(held(inside, inside.pool.get(target).decoder, monkeypatch)) == (True, [200, 200, 200])
