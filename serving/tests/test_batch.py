"""Batch: rows of files cut, checked, routed, answered and written; the same bytes whoever does it and how often."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from serving.batch import csv_rows, json_rows, parquet_rows, preparing, scanning
from serving.batch.answering import Loaded, answer
from serving.batch.assembling import assemble
from serving.batch.checking import by_hand
from serving.batch.comparing import compared
from serving.batch.picking import draws, places
from serving.batch.places import ERRORS, MADE, OUTPUT, REFUSED, UPLOADED, part
from serving.batch.plan import Outputs, Plan, Unusable, Wrong
from serving.batch.preparing import prepare
from serving.batch.working import FORMS, _write_wrong
from serving.comparison import Rule
from serving.contract import Batch, ContractError, Decoder, Signature
from serving.runtimes import Answer
from serving.tests.builders import flight, target

NAMES = ["id", "distance", "hour", "origin"]


class Sums:
    """Answers distance + hour, times a factor; fails on the hours it is told to."""

    inline, probable = True, False

    def __init__(self, factor: float = 1.0, fails_on: float | None = None) -> None:
        self.factor, self.fails_on, self.calls = factor, fails_on, 0

    def predict(self, batch: Batch) -> Answer:
        self.calls += 1
        if self.fails_on is not None and (batch.columns["hour"] == self.fails_on).any():
            raise ZeroDivisionError
        return Answer(values=self.factor * (batch.columns["distance"] + batch.columns["hour"]))

    def close(self) -> None: ...


class Halves:
    """Says whether the hour is one of the morning, with a probability."""

    inline, probable = True, True

    def predict(self, batch: Batch) -> Answer:
        chance = 1 - batch.columns["hour"] / 24
        table = np.column_stack([chance, 1 - chance])
        return Answer(labels=["am" if p > 0.5 else 'p"m' for p in chance], probabilities=table, classes=["am", 'p"m'])

    def close(self) -> None: ...


def loaded(number: int = 1, runtime: Any = None, weight: float = 100.0, **more: Any) -> Loaded:
    return Loaded(target(number, weight=weight, **more), Decoder(flight()), runtime or Sums())


def plan_of(form: Any, *packages: Loaded, **more: Any) -> Plan:
    return Plan(form, more.pop("packed", False), "ab" * 32, "eta", 7, [each.target for each in packages], **more)


def rows_csv(rows: list[list[Any]], ending: str = "\n") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ending).writerows([NAMES, *rows])
    return text.getvalue().encode()


def run(
    folder: Path, form: Any, data: bytes, *packages: Loaded, size: int = 3, packed: bool = False, **more: Any
) -> Plan:
    """Do what a worker orders, all of it here."""
    folder.mkdir(exist_ok=True)
    (folder / UPLOADED).write_bytes(data)
    found = prepare(folder, form, packed, size, 10**9)
    more = {"columns": found.columns, "ending": found.ending, "packed": packed} | more
    plan = plan_of(form, *packages, **more)
    by_digest = {each.target.digest: each for each in packages}
    for chunk in found.chunks:
        records = FORMS[form].Records.of_chunk(folder, plan, chunk)
        assert records.rows == chunk.rows
        made, wrong = answer(plan, chunk.first, records, by_digest)
        records.write(part(folder, MADE, chunk.number), plan, made)
        _write_wrong(folder, chunk, wrong)
    assemble(folder, plan, [chunk.number for chunk in found.chunks])
    return plan


def errors(folder: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO((folder / ERRORS).read_text(), newline="")))[1:]


ROWS = [["a", 100, 5.5, "JFK"], ["b", 200, 6, "LGA"], ["c", 300, 7, "EWR"], ["d", 400, 23.5, "JFK"], ["e", 5, 0, "EWR"]]


def test_csv_comes_back_as_it_came_with_the_answer_and_the_package(tmp_path: Path) -> None:
    run(tmp_path, "csv", b'id,distance,hour,origin\r\n"x, y",100,05.50,JFK\r\n\r\nb,200,6,"LGA"\r\n', loaded(4))
    assert (tmp_path / OUTPUT).read_bytes() == (
        b'id,distance,hour,origin,prediction,package\r\n"x, y",100,05.50,JFK,105.5,4\r\nb,200,6,"LGA",206.0,4\r\n'
    )
    assert errors(tmp_path) == []


def test_wrong_rows_go_to_the_file_of_errors_with_number_field_and_rule(tmp_path: Path) -> None:
    rows = [*ROWS, ["f", -1, 3, "JFK"], ["g", "x", 25, "JFK"], ["h", 10, 1, ""], ["i", "5.0", 1, "ORD"], ["j", 10, 1]]
    run(tmp_path, "csv", rows_csv(rows), loaded())
    assert errors(tmp_path) == [
        ["6", "distance", "must be greater than 0"],
        ["7", "distance", "must be a whole number"],
        ["7", "hour", "must be less than 24"],
        ["8", "origin", "must be text, not null"],
        ["9", "distance", "must be a whole number, written without a decimal point"],
        ["9", "origin", "must be one of EWR, JFK, LGA"],
        ["10", "", "has 3 values, and the first line names 4 columns"],
    ]
    assert [line.split(b",")[0] for line in (tmp_path / OUTPUT).read_bytes().splitlines()[1:]] == list(
        b"a b c d e".split()
    )


def test_a_row_that_the_model_fails_on_fails_alone(tmp_path: Path) -> None:
    run(tmp_path, "csv", rows_csv(ROWS), loaded(runtime=Sums(fails_on=7)), size=100)
    assert errors(tmp_path) == [["3", "", "the model failed on this row (ZeroDivisionError)"]]
    assert len((tmp_path / OUTPUT).read_bytes().splitlines()) == 5


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_the_same_rows_give_the_same_answers_in_every_form(tmp_path: Path, form: str) -> None:
    objects = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
    data = {
        "csv": rows_csv(ROWS),
        "jsonl": b"\n".join(json.dumps(row).encode() for row in objects),
        "parquet": parquet(objects),
    }[form]
    run(tmp_path, form, data, loaded(2))
    assert [row["prediction"] for row in read(tmp_path, form)] == [105.5, 206, 307, 423.5, 5]
    assert [row["id"] for row in read(tmp_path, form)] == ["a", "b", "c", "d", "e"]
    assert {row["package"] for row in read(tmp_path, form)} == {2}


def parquet(rows: list[dict[str, Any]], **types: Any) -> bytes:
    sink = io.BytesIO()
    table = pa.Table.from_pylist(rows)
    for name, kind in types.items():
        table = table.set_column(table.column_names.index(name), name, table.column(name).cast(kind))
    pq.write_table(table, sink)
    return sink.getvalue()


def read(folder: Path, form: str) -> list[dict[str, Any]]:
    if form == "parquet":
        return list(pq.read_table(folder / OUTPUT).to_pylist())
    if form == "jsonl":
        return [json.loads(line) for line in (folder / OUTPUT).read_bytes().splitlines()]
    found = csv.DictReader(io.StringIO((folder / OUTPUT).read_text(), newline=""))
    return [{**row, "prediction": float(row["prediction"]), "package": int(row["package"])} for row in found]


def test_classes_get_a_column_for_each_probability(tmp_path: Path) -> None:
    outputs = Outputs(0, ["am", 'p"m'], True)
    run(tmp_path, "csv", rows_csv([["a", 1, 6, "JFK"], ["b", 1, 18, "JFK"]]), loaded(1, Halves()), outputs=outputs)
    assert (tmp_path / OUTPUT).read_text().splitlines() == [
        'id,distance,hour,origin,prediction,probability_am,"probability_p""m",package',
        "a,1,6,JFK,am,0.75,0.25,1",
        'b,1,18,JFK,"p""m",0.25,0.75,1',
    ]
    lines = b'{"distance":1,"hour":6,"origin":"JFK"}\n'
    run(tmp_path / "json", "jsonl", lines, loaded(1, Halves()), outputs=outputs)
    assert read(tmp_path / "json", "jsonl")[0]["prediction"] == {
        "label": "am",
        "probabilities": {"am": 0.75, 'p"m': 0.25},
    }
    table = parquet([{"distance": 1, "hour": 6.0, "origin": "JFK"}])
    run(tmp_path / "parquet", "parquet", table, loaded(1, Halves()), outputs=outputs)
    assert read(tmp_path / "parquet", "parquet")[0]["probability_am"] == 0.75


def test_gzip_comes_back_as_gzip_and_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    packed = gzip.compress(rows_csv(ROWS))
    run(tmp_path / "one", "csv", packed, loaded(), packed=True)
    run(tmp_path / "two", "csv", packed, loaded(), packed=True)
    one, two = ((tmp_path / name / OUTPUT).read_bytes() for name in ("one", "two"))
    assert one == two
    assert gzip.decompress(one).count(b"\n") == 6


@pytest.mark.parametrize(
    ("form", "packed", "data", "words"),
    [
        ("csv", False, b"", "The file is empty"),
        ("csv", False, b"a,b\n", "has no rows"),
        ("csv", False, b"a;b\n1;2\n", "separated by commas"),
        ("csv", False, b"a,b,a\n1,2,3\n", "names the column 'a' twice"),
        ("csv", False, b"\xff\xfe,b\n1,2\n", "not UTF-8"),
        ("csv", True, b"no gzip", "not gzip"),
        ("csv", True, gzip.compress(b"a,b\n1,2\n" * 100, mtime=0)[:-9], "not gzip"),
        ("csv", False, b'a,b\n"' + b"x" * 2**21, "A quotation mark that is not closed"),
        ("jsonl", False, b"x" * (2**20 + 1), "A line can have"),
        ("jsonl", False, b"\n\n\n", "has no rows"),
        ("parquet", False, b"PAR1 no more", "not Parquet"),
    ],
)
def test_a_file_that_no_row_can_be_read_from_is_refused_in_words(
    tmp_path: Path, form: Any, packed: bool, data: bytes, words: str
) -> None:
    (tmp_path / UPLOADED).write_bytes(data)
    with pytest.raises(Unusable, match=words):
        prepare(tmp_path, form, packed, 10, 10**9)


def test_what_unpacks_to_more_than_is_allowed_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    (tmp_path / UPLOADED).write_bytes(gzip.compress(b"0" * 2**24))
    with pytest.raises(Unusable, match="unpacks to more than"):
        prepare(tmp_path, "csv", True, 10, 2**22)
    assert sorted(path.name for path in tmp_path.iterdir()) == [UPLOADED]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_columns_that_the_model_needs_must_be_there(form: Any) -> None:
    with pytest.raises(Unusable, match="distance, hour"):
        FORMS[form].must_fit(Decoder(flight()), ["id", "origin"])


def test_a_byte_order_mark_of_excel_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    run(tmp_path, "csv", b"\xef\xbb\xbfdistance,hour,origin\n1,2,JFK\n", loaded())
    assert (tmp_path / OUTPUT).read_bytes() == b"distance,hour,origin,prediction,package\n1,2,JFK,3.0,1\n"


NUMBERS = (
    "1|200|-3|0|5.0|5.5|1e3|.5|5.|+7| 8 |0x10|0X1f|2147483648|4999.5|5000|24|\t3|1.0e-400|1e999|1_000|007|1,5|−1|１"
)
OTHERS = '|NA|nan|inf|-inf|Infinity|abc|true|True|TRUE|JFK|LGA|NULL|None|é|a"b|x\ny|999999999999999999999999999999'
CELLS = st.sampled_from([*NUMBERS.split("|"), *OTHERS.split("|")])
# What Arrow takes: by columns flag, whole, long, real, single, text.
WHOLE = "1|200|-3|-9|0|007|5|2147483648|-2147483649| 8 |9007199254740993"
REAL = f"{WHOLE}|5.5|1e3|.5|5.|inf|-inf|nan|Infinity|1e999|1e30|999999.9|1.0e-400|3.5e38"
TAKEN = ["true|True|TRUE|false", WHOLE, WHOLE, f"{REAL}||NA", REAL, 'JFK||NA|é|1,5|a"b|x\ny|null']
CLEAN = st.tuples(*[st.sampled_from(cells.split("|")) for cells in TAKEN])


def optional() -> Signature:
    """A signature with every type, and with fields that may be left out."""
    kinds = {
        "flag": "boolean",
        "whole": "integer",
        "long": "long",
        "real": "double",
        "single": "float",
        "text": "string",
    }
    inputs = [{"name": name, "type": kind, "required": name not in ("real", "text")} for name, kind in kinds.items()]
    limits = {"whole": {"ge": -5}, "single": {"lt": 1e6}}
    return Signature.from_json({"inputs": inputs, "metadata": {"constraints": limits}})


@settings(deadline=None)
@given(
    st.lists(CLEAN, min_size=1, max_size=6) | st.lists(CLEAN | st.tuples(*[CELLS] * 6), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n"]),
)
def test_whole_columns_and_single_rows_are_read_alike(rows: list[tuple[str, ...]], ending: str) -> None:
    decoder = Decoder(optional())
    names = [field.name for field in decoder.fields]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ending).writerows(rows)
    records = csv_rows.Records(text.getvalue().encode(), names)
    event(f"by columns: {records._by_columns(decoder.fields) is not None}")
    fast = records.read(decoder)
    slow = by_hand(decoder, records._by_hand(decoder.fields, range(records.rows)))
    assert fast.wrong == slow.wrong
    assert fast.good.tolist() == slow.good.tolist()
    for name in names:
        same(fast.batch.columns[name], slow.batch.columns[name])


def same(one: np.ndarray, other: np.ndarray) -> None:
    assert one.dtype == other.dtype
    if one.dtype.kind == "f":
        np.testing.assert_array_equal(one, other)
    else:
        assert one.tolist() == other.tolist()


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-10, 6000), st.floats(allow_nan=False, allow_infinity=False, width=32)
) | st.sampled_from(["JFK", "", "5", 2**31, 2**60, 5000.0, 1e300])


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES[1:], VALUES)), min_size=1, max_size=5))
def test_lines_of_json_are_refused_by_the_very_rules_of_rest(rows: list[dict[str, Any]]) -> None:
    decoder = Decoder(flight())
    read = json_rows.Records([json.dumps(row).encode() for row in rows]).read(decoder)
    expected: list[tuple[int, str, str]] = []
    for place, row in enumerate(rows):
        try:
            decoder.decode_v1(json.dumps({"instances": [row]}).encode())
        except ContractError as problem:
            expected += [(place, detail["field"] or "", detail["rule"]) for detail in problem.details]
    assert [(each.row, each.field, each.rule) for each in read.wrong] == expected


@settings(deadline=None)
@given(st.data())
def test_columns_of_parquet_and_lines_of_json_are_read_alike(data: st.DataObject) -> None:
    decoder = Decoder(optional())
    kinds = {
        "flag": st.booleans(),
        "whole": st.integers(-10, 2**33),
        "long": st.integers(-(2**63), 2**63 - 1),
        "real": st.floats(allow_nan=False) | st.none(),
        "single": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60).map(float),
        "text": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3) | st.none(),
    }
    rows = data.draw(st.lists(st.fixed_dictionaries(kinds), min_size=1, max_size=5))
    types = [pa.bool_(), pa.int64(), pa.int64(), pa.float64(), pa.float64(), pa.string()]
    table = pa.table({n: pa.array([row[n] for row in rows], kind) for n, kind in zip(kinds, types, strict=True)})
    fast = parquet_rows.Records(table).read(decoder)
    slow = by_hand(decoder, [[row[name] for name in kinds] for row in rows])
    assert (fast.wrong, fast.good.tolist()) == (slow.wrong, slow.good.tolist())
    for name in kinds:
        same(fast.batch.columns[name], slow.batch.columns[name])


def test_a_line_of_json_may_hold_more_than_the_model_knows_but_no_name_twice(tmp_path: Path) -> None:
    lines = [
        b'{"id":1,"distance":1,"hour":2,"origin":"JFK","more":{"a":[1]}}',
        b'{"distance":1,"distance":2,"hour":2,"origin":"JFK"}',
        b'{"distance":1,"hour":2,"origin":"JFK","prediction":3}',
        b"[1,2]",
        b'{"distance":1,"hour":2,"origin":"JFK"},{"distance":1,"hour":2,"origin":"JFK"}',
        b"{}",
    ]
    run(tmp_path, "jsonl", b"\n".join(lines), loaded(), size=100)
    assert read(tmp_path, "jsonl") == [json.loads(lines[0]) | {"prediction": 3.0, "package": 1}]
    assert [(row, rule.split(";")[0].split(" (")[0]) for row, _, rule in errors(tmp_path)] == [
        ("2", "the body gives a name twice: distance"),
        ("3", "has prediction, which the output adds"),
        ("4", "must be an object, one on each line"),
        ("5", "the body is not valid JSON"),
        ("6", "is required"),
        ("6", "is required"),
        ("6", "is required"),
    ]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.text(st.sampled_from('ab,"\n\r x'), max_size=6), min_size=2, max_size=2), max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(1, 40),
)
def test_records_are_found_where_a_reader_of_csv_finds_them(
    rows: list[list[str]], ending: str, last: bool, block: int
) -> None:
    text = io.StringIO(newline="")
    # A bare carriage return is quoted by newer writers only.
    bare = any("\r" in cell for row in rows for cell in row)
    csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL).writerows(rows)
    data = text.getvalue().encode()
    data = data if last else data[: -len(ending)] if data else data
    whole = [data[a:b] for a, b in zip(*(each.tolist() for each in scanning.spans(data, quotes=True)), strict=True)]
    assert [next(csv.reader(io.StringIO(line.decode(), newline=""))) for line in whole] == rows
    before, scanning.BLOCK = scanning.BLOCK, block
    try:
        found = list(scanning.records(io.BytesIO(data), 0, quotes=True))
    finally:
        scanning.BLOCK = before
    assert [data[at + a : at + b] for at, starts, stops in found for a, b in zip(starts, stops, strict=True)] == whole


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 7), st.integers(20, 90))
def test_chunks_hold_every_row_once_in_order_and_never_too_many_bytes(sizes: list[int], rows: int, most: int) -> None:
    import tempfile

    before, preparing.MOST_CHUNK = preparing.MOST_CHUNK, most
    lines = [b'"%s"' % (b"x" * size) for size in sizes]
    try:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / UPLOADED
            path.write_bytes(b"\n".join(lines))
            found = prepare(path.parent, "jsonl", False, rows, 10**9)
            data = path.read_bytes()
    finally:
        preparing.MOST_CHUNK = before
    parts = [data[chunk.start : chunk.stop] for chunk in found.chunks]
    assert b"".join(parts) == data
    assert [chunk.number for chunk in found.chunks] == list(range(len(parts)))
    for chunk, text in zip(found.chunks, parts, strict=True):
        assert lines[chunk.first - 1 : chunk.first - 1 + chunk.rows] == [line for line in text.split(b"\n") if line]
        assert chunk.rows <= rows
        assert chunk.rows == 1 or len(text) <= most + 1


def test_a_rows_package_depends_on_input_generation_and_row_alone(tmp_path: Path) -> None:
    two = loaded(1, weight=80.0), loaded(2, weight=20.0, arm="candidate")
    rows = [[str(i), i + 1, 1, "JFK"] for i in range(500)]
    chosen = []
    for size in (7, 100, 1000):
        run(tmp_path / str(size), "csv", rows_csv(rows), two[1], two[0], size=size)
        chosen.append([row["package"] for row in read(tmp_path / str(size), "csv")])
    assert chosen[0] == chosen[1] == chosen[2]
    assert 60 < chosen[0].count(2) < 140
    plan = plan_of("csv", *two)
    assert np.array_equal(draws(plan, 1, 100)[9:], draws(plan, 10, 91)), "by the row's number, wherever a chunk begins"
    other = Plan("csv", False, "ab" * 32, "eta", 8, plan.targets)
    assert not np.array_equal(draws(plan, 1, 100), draws(other, 1, 100))


def test_shares_of_rows_are_the_weights() -> None:
    plan = plan_of("csv", loaded(2, weight=5.0), loaded(1, weight=95.0))
    picked = places(plan.targets, draws(plan, 1, 1_000_000))
    share = float((picked == 0).mean())
    assert abs(share - 0.05) < 5 * math.sqrt(0.05 * 0.95 / 1e6)
    assert set(places(plan.targets, np.array([0.0, 1 - 2**-53])).tolist()) == {0, 1}


def test_a_sticky_field_picks_as_it_does_for_rest(tmp_path: Path) -> None:
    from serving.gateway.ways import chance

    packages = loaded(2, weight=50.0, arm="candidate"), loaded(1, weight=50.0)
    rows = [[str(i), i + 1, 1, "JFK"] for i in range(60)]
    run(tmp_path, "csv", rows_csv(rows), *packages, sticky="distance")
    for row in read(tmp_path, "csv"):
        assert row["package"] == (2 if chance("eta", repr([int(row["distance"])]).encode()) < 0.5 else 1)


def test_two_packages_are_compared_row_by_row(tmp_path: Path) -> None:
    live, other = loaded(1), loaded(2, Sums(1.1, fails_on=6), weight=0.0)
    data = rows_csv([*ROWS, ["f", -1, 3, "JFK"]])
    (tmp_path / UPLOADED).write_bytes(data)
    found = prepare(tmp_path, "csv", False, 100, 10**9)
    plan = plan_of("csv", live, other, columns=found.columns)
    records = csv_rows.Records.of_chunk(tmp_path, plan, found.chunks[0])
    tally, wrong = compared(plan, found.chunks[0], records, live, other, Rule(0, 0.05))
    assert (tally.pairs, tally.agreed, tally.unpaired) == (5, 0, 1)
    assert tally.failed == {"the model failed on this row (ZeroDivisionError)": 1}
    assert [each.id for each in tally.largest] == ["row 4", "row 3", "row 1", "row 5"]
    assert tally.largest[0].live == 423.5, "as REST says it"
    assert tally.largest[0].inputs == {"distance": 400, "hour": 23.5, "origin": "JFK"}
    assert wrong == [Wrong(6, "distance", "must be greater than 0")]
    alike, _ = compared(plan, found.chunks[0], records, live, live, Rule())
    assert (alike.pairs, alike.agreed) == (5, 5)


def test_a_chunk_that_two_workers_write_at_once_is_one_file(tmp_path: Path) -> None:
    plan = run(tmp_path, "csv", rows_csv(ROWS), loaded())
    before = (tmp_path / OUTPUT).read_bytes()
    assemble(tmp_path, plan, [0, 1])
    assert (tmp_path / OUTPUT).read_bytes() == before
    assert sorted(path.name for path in (tmp_path / MADE).iterdir()) == ["000000", "000001"]
    assert part(tmp_path, REFUSED, 1).read_bytes() == b""


def test_rows_of_no_chunk_can_be_asked_for() -> None:
    assert csv_rows.Records(b"\n\r\n", NAMES).rows == 0
    assert json_rows.Records([]).read(Decoder(flight())).wrong == []
