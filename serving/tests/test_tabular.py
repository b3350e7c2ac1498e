"""CSV bodies: read as MLflow reads them where that loses nothing, and bounded whatever is sent."""

from __future__ import annotations

import contextlib
import csv
import io
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.contract import ContractError, Decoder, Signature
from serving.contract.frames import Unfit
from serving.contract.normalising import Altered

INPUTS = [("a", "double", True), ("n", "long", True), ("s", "string", False), ("f", "boolean", True)]
SIGNATURE = {"inputs": [{"name": name, "type": kind, "required": required} for name, kind, required in INPUTS]}
DECODER = Decoder(Signature.from_json(SIGNATURE))


def read(text: str | bytes) -> list[tuple[Any, ...]]:
    """Return the rows that are read, column by column in the order of the signature."""
    batch = DECODER.frames.csv(text if isinstance(text, bytes) else text.encode())
    return list(zip(*(values.tolist() for values in batch.columns.values()), strict=True))


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("a,n,s,f\n1,2,x,true\n", (1.0, 2, "x", True)),
        ("a,n,s,f\r\n1,2,x,True", (1.0, 2, "x", True)),
        ("a,n,s,f\r1,2,x,TRUE\r", (1.0, 2, "x", True)),
        ("\ufeffa,n,s,f\n1,2,x,true\n", (1.0, 2, "x", True)),
        ("f,s,n,a\nFalse,x,2,1\n", (1.0, 2, "x", False)),
        (",a,n,s,f\n0,1,2,x,true\n", (1.0, 2, "x", True)),
        ("a,n,f\n1,2,true\n", (1.0, 2, None, True)),
        ("a,n,s,f\n1,2,,true\n", (1.0, 2, None, True)),
        ("a,n,f,s\n1,2,true\n", (1.0, 2, None, True)),
        ("\n\na,n,s,f\n\n 1 , 2 , x ,true\n\n", (1.0, 2, " x ", True)),
        ("a,n,s,f\n.5e1,5.0,NA,true\n", (5.0, 5, "NA", True)),
        ('a,n,s,f\n"1",2,"x,""y""\nz",true\n', (1.0, 2, 'x,"y"\nz', True)),
        ('a,n,s,f\n1,2,x"y,true\n', (1.0, 2, 'x"y', True)),
        ("a,n,s,f\n1,2,x\0y,true\n", (1.0, 2, "x\0y", True)),
        (f"a,n,s,f\n1,{2**62},é,true\n", (1.0, 2**62, "é", True)),
        ("a,n,s,f\nTrue,true,x,true\n", (1.0, 1, "x", True)),
    ],
)
def test_a_row_is_read_by_the_names_above_it(text: str, row: tuple[Any, ...]) -> None:
    assert read(text) == [row]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", ContractError, "line that names the columns"),
        ("\n\n", ContractError, "line that names the columns"),
        ("a,n,s,f\n", ContractError, "at least one row"),
        ("1,2,x,true\n", Unfit, "missing inputs: a, n, f"),
        ("a;n;s;f\n1;2;x;true\n", Unfit, "missing inputs"),
        ("a, n,s,f\n1,2,x,true\n", Unfit, "missing inputs: n"),
        ("a,n,a,f\n1,2,3,true\n", Unfit, "given twice: a"),
        ("a,n,f\n9,1,2,true\n", ContractError, r"rows\[0\]: holds more values than there are columns"),
        ("a,n,s,f\n1,2\n", ContractError, r"rows\[0\].f: is required"),
        ('a,n,s,f\n1,2,"x,true\n', ContractError, "quotation mark is not closed"),
        ('a,n,s,f\n1,2,"x"y,true\n', ContractError, "not CSV that can be read"),
        (b"a,n,s,f\n1,2,\xe9,true\n", ContractError, "not UTF-8"),
        ("a,n,s,f\n1,2,x,true\n".encode("utf-16"), ContractError, "not UTF-8"),
        ("a,n,s,f\n,2,x,true\n", ContractError, r"rows\[0\].a: must be a number, not null"),
        ("a,n,s,f\nNA,2,x,true\n", ContractError, r"rows\[0\].a: must be a number, not null"),
        ("a,n,s,f\nx,2,x,true\n", ContractError, r"rows\[0\].a: must be a number"),
        ("a,n,s,f\ninf,2,x,true\n", ContractError, r"rows\[0\].a: must be a number"),
        ("a,n,s,f\n1e999,2,x,true\n", ContractError, r"rows\[0\].a: must be a finite number"),
        ("a,n,s,f\n1_0,2,x,true\n", ContractError, r"rows\[0\].a: must be a number"),
        ("a,n,s,f\n1,2.5,x,true\n", Altered, r"rows\[0\].n: must be a whole number"),
        (f"a,n,s,f\n1,{2**63},x,true\n", Altered, r"rows\[0\].n: is outside the range"),
        ("a,n,s,f\n1,2,x,1\n", Altered, r"rows\[0\].f: must be true or false"),
    ],
)
def test_what_cannot_be_read_without_a_guess_is_refused(text: Any, kind: type[ContractError], words: str) -> None:
    with pytest.raises(kind, match=words):
        read(text)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a million columns": lambda: b",".join(b"c%d" % i for i in range(1_000_000)) + b"\n",
    "a million columns of nothing": lambda: b"a,n,s,f\n" + b"," * 1_000_000 + b"\n",
    "a line without end": lambda: b"a,n,s,f\n" + b"1" * (8 * 2**20),
    "a quotation mark that never ends": lambda: b'a,n,s,f\n1,2,"' + b"x\n" * 2**21,
    "a million rows": lambda: b"a,n,s,f\n" + b"1,2,x,true\n" * 700_000,
    "a million lines of one field": lambda: b"a,n,s,f\n" + b'"\n",' * 1_000_000,
    "a field of a megabyte": lambda: b"a,n,s,f\n1,2," + b"x" * 2**20 + b",true\n",
    "nothing but marks": lambda: b'"' * 2**20,
    "nothing but zeros": lambda: b"\0" * 2**20,
    "a number of a million digits": lambda: b"a,n,s,f\n" + b"9" * 100_000 + b",2,x,true\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_csv_is_refused_with_bounded_memory(name: str) -> None:
    body = HOSTILE[name]()
    tracemalloc.start()
    try:
        with pytest.raises(ContractError) as refused:
            read(body)
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20 + 6 * len(body)
    finally:
        tracemalloc.stop()
    assert len(str(refused.value)) < 500


CELLS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1), CELLS)))
def test_what_pythons_writer_wrote_is_read_back(rows: list[tuple[float, int, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([("a", "n", "s", "f"), *((repr(a), n, s, "true") for a, n, s in rows)])
    if rows:
        assert read(text.getvalue()) == [(a, n, s or None, True) for a, n, s in rows]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for data in (body, b"a,n,s,f\n" + body):
        with contextlib.suppress(ContractError):
            assert read(data)
