"""Parquet bodies: read by a child process that costs nothing until it is needed, and whose death harms nobody."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.contract import ContractError
from serving.gateway.parquet import ParquetReader
from serving.gateway.parquet_child import MEMORY, MOST_CELLS


@pytest.fixture(scope="module")
def reader() -> Iterator[ParquetReader]:
    made = ParquetReader()
    yield made
    made.close()


def written(columns: dict[str, Any], **more: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, **more)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array([1.5, None, float("nan")]), [1.5, None, None]),
        (pa.array([1.5], pa.float32()), [1.5]),
        (pa.array([1.5], pa.float16()), [1.5]),
        (pa.array([2**62, None]), [2**62, None]),
        (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1]),
        (pa.array([True, None]), [True, None]),
        (pa.array(["é", None]), ["é", None]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([None, None]), [None, None]),
    ],
)
def test_a_column_becomes_values(reader: ParquetReader, column: Any, values: list[Any]) -> None:
    assert reader.read(written({"x": column}), ["x"]) == ({"x": values}, True)


def test_only_the_columns_that_are_asked_for_are_read(reader: ParquetReader) -> None:
    body = written({"z": pa.array([b"x"]), "b": [1.5], "a.b": [2], "when": pa.array([0], pa.timestamp("us"))})
    assert reader.read(body, ["a.b", "b", "missing"]) == ({"a.b": [2], "b": [1.5]}, True)


def test_infinity_is_not_clean(reader: ParquetReader) -> None:
    assert reader.read(written({"x": [float("inf")]}), ["x"])[1] is False


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"x"]),
        pa.array([0], pa.timestamp("us")),
        pa.array([0], pa.date32()),
        pa.array([1]).cast(pa.decimal128(30, 2)),
        pa.array([[1.0]]),
        pa.array([{"a": 1}]),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    ],
)
def test_a_type_that_no_field_has_is_refused(reader: ParquetReader, column: Any) -> None:
    with pytest.raises(ContractError, match="only columns of numbers, texts, and true or false"):
        reader.read(written({"x": column}), ["x"])


def test_lists_are_read_where_a_tensor_is_wanted(reader: ParquetReader) -> None:
    assert reader.read(written({"x": [[1.0, 2.0]]}), ["x"], lists=True) == ({"x": [[1.0, 2.0]]}, False)


def test_the_same_name_twice_is_refused(reader: ParquetReader) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"]), buffer)
    with pytest.raises(ContractError, match="given twice"):
        reader.read(buffer.getvalue(), ["x"])


def patched(body: bytes, old: int, new: int) -> bytes:
    """The file with a number in its footer changed: Thrift writes it as a zigzag varint of the same length."""

    def varint(value: int) -> bytes:
        value, out = value << 1, b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])

    assert len(varint(old)) == len(varint(new))
    return body.replace(varint(old), varint(new))


BOMBS = {
    "more rows than a request holds": written({"x": pa.array([1.0] * 10_001)}),
    "a billion rows of nothing": written({"x": pa.nulls(50_000_000)}, row_group_size=50_000_000),
    "a dictionary of one long text": written({"x": pa.array(["y" * 200_000] * 10_000)}, compression="zstd"),
    "two million values": written({f"c{i}": [1.0] * 3000 for i in range(MOST_CELLS // 3000 + 1)}),
    "a page that unpacks to a gigabyte": written(
        {"x": pa.array(["z" * 100_000_000])}, compression="zstd", use_dictionary=False
    ),
    "a column of depth": written({"x": pa.array([[[[[[[[1.0]]]]]]]])}),
    "nothing": b"",
    "the magic alone": b"PAR1PAR1",
    "a footer without end": b"PAR1" + b"\xff" * 100 + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
    "text": b"a,b\n1,2\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_and_the_next_file_is_read(reader: ParquetReader, name: str) -> None:
    assert len(BOMBS[name]) < 8 * 2**20
    with pytest.raises(ContractError) as refused:
        reader.read(BOMBS[name], None)
    assert len(str(refused.value)) < 200
    assert reader.read(written({"x": [1.0]}), None) == ({"x": [1.0]}, True)
    assert peak(reader) < MEMORY + 300 * 2**20


def peak(reader: ParquetReader) -> int:
    """The most memory in bytes that the child has ever had."""
    assert reader._child
    with open(f"/proc/{reader._child.pid}/status") as status:
        return 1024 * int(next(line.split()[1] for line in status if line.startswith("VmHWM")))


@pytest.mark.parametrize(("rows", "claimed"), [(9_000, 9_999), (1_000_000, 10_000)])
def test_a_footer_that_lies_about_its_rows_yields_no_more_than_a_request_holds(
    reader: ParquetReader, rows: int, claimed: int
) -> None:
    body = patched(written({"x": [1.0] * rows, "y": range(rows)}), rows, claimed)
    with contextlib.suppress(ContractError):
        columns, _ = reader.read(body, ["x", "y"])
        assert len(columns["x"]) == len(columns["y"]) <= 10_000


GOOD = written({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "c"]})


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=6))
def test_a_damaged_file_is_read_or_refused(reader: ParquetReader, at: int, bytes_: bytes) -> None:
    body = GOOD[:at] + bytes_ + GOOD[at + len(bytes_) :]
    with contextlib.suppress(ContractError):
        assert reader.read(body, ["x", "y"])[0].keys() <= {"x", "y"}


def test_a_child_that_is_killed_while_reading_costs_that_request_only(reader: ParquetReader) -> None:
    reader.read(GOOD, ["x"])
    child = reader._child
    assert child
    os.kill(child.pid, signal.SIGSTOP)
    found: list[str] = []

    def ask() -> None:
        try:
            reader.read(GOOD, ["x"])
        except ContractError as problem:
            found.append(str(problem))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)
    child.kill()
    asking.join(10)
    assert found == ["reading the Parquet file took more time or memory than one request may take"]
    assert reader.read(GOOD, ["y"]) == ({"y": ["a", "b", "c"]}, True)


def test_a_child_that_ended_for_want_of_work_is_started_again(reader: ParquetReader) -> None:
    reader.read(GOOD, ["x"])
    child = reader._child
    assert child
    assert child.stdin
    child.stdin.close()
    child.wait(10)
    child.stdin = open(os.devnull, "wb")  # noqa: SIM115 - closed by the reader
    assert reader.read(GOOD, ["y"])[0] == {"y": ["a", "b", "c"]}
    assert reader._child is not child
