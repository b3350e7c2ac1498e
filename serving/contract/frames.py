"""The forms of MLflow's scoring protocol, read for one signature: JSON in four shapes, CSV, and columns of Parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import UNSET

from serving.contract import crowd, explaining, params, tabular
from serving.contract.batch import Batch, Layout
from serving.contract.errors import ContractError, whole
from serving.contract.normalising import ROWS, Normaliser, Rows
from serving.contract.signature import Signature
from serving.contract.wire import UNREADABLE

SPLIT, RECORDS, INSTANCES, INPUTS = FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
ONE_OF = f"the body must be an object with exactly one of {', '.join(FORMS)}"
SPLIT_KEYS = frozenset({"columns", "index", "data"})
BOM = b"\xef\xbb\xbf"


class Unfit(ContractError):
    """The columns or the parameters of a request are not those of the model."""


def unfit(rule: str) -> Unfit:
    return Unfit([{"row": None, "field": None, "rule": rule}])


class Frames:
    """Every method returns a checked batch, and raises ContractError, `Unfit` or `Altered`."""

    def __init__(self, signature: Signature, layout: Layout) -> None:
        self._signature, self._fields = signature, signature.inputs
        self._tensor = signature.tensor
        self._rows = Normaliser(self._fields, layout)
        # What stands for a name that a row does not have: a value that is required is not just null.
        self._wanted = [(field.name, UNSET if field.required else None) for field in self._fields]
        self._names = {field.name for field in self._fields}
        self._read: dict[str, Callable[[Any], Rows]] = {
            SPLIT: self._split,
            RECORDS: self._records,
            INSTANCES: self._plain,
            INPUTS: self._plain,
        }

    @property
    def columns(self) -> list[str] | None:
        """The names of the columns that are read; None when any columns are, side by side, as a tensor without name."""
        return None if self._tensor and not self._tensor.named else [field.name for field in self._fields]

    def json(self, body: bytes) -> Batch:
        """Read an object with exactly one of the four forms, and perhaps `params`."""
        try:
            return self._json(body.removeprefix(BOM))
        except RecursionError as error:
            raise whole("the body is nested too deeply") from error

    def _json(self, body: bytes) -> Batch:
        crowd.refuse(body, self._fields)
        value, clean = _parse(body)
        if not isinstance(value, dict):
            raise whole(ONE_OF)
        given = [form for form in FORMS if form in value]
        if len(given) != 1:
            raise whole(f"{ONE_OF}; this one has {'several' if given else 'none'} of them")
        rows = self._read[given[0]](value[given[0]])
        if problem := params.problem(self._signature.params, value.get("params")):
            raise unfit(problem)
        batch = self._rows.batch(rows, clean=clean)
        # Last, because every value has to be looked at, and what is refused anyway need not be.
        _refuse_doubled(body, value)
        return batch

    def csv(self, body: bytes) -> Batch:
        """Read a table with a line of names, separated by commas."""
        if self._tensor is not None:
            raise unfit("this model takes a tensor, which CSV cannot hold; send it as JSON, in inputs")
        names, rows = tabular.read(body.removeprefix(BOM))
        return self._rows.batch(tabular.values(self._named(names, rows), self._fields))

    def table(self, columns: Mapping[str, list[Any]], *, clean: bool) -> Batch:
        """Read columns of one length by name; without NaN and infinity when they are `clean`."""
        return self._rows.batch(self._named(list(columns), list(zip(*columns.values(), strict=True))), clean=clean)

    # --- the four forms, to rows in the order of the fields ----------------------------------------------------------

    def _split(self, value: Any) -> Rows:
        if not isinstance(value, dict) or not isinstance(value.get("data"), list) or value.keys() - SPLIT_KEYS:
            raise whole('dataframe_split must be an object with "data", a list of rows, "columns", and perhaps "index"')
        rows, names, index = value["data"], value.get("columns"), value.get("index")
        if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
            raise whole("dataframe_split: index must hold one value for each row")
        if not all(isinstance(row, list) for row in rows):
            raise whole("dataframe_split: each row of data must be a list")
        if names is None and self._tensor is not None:
            names = list(range(max(map(len, rows), default=0)))
        if not isinstance(names, list):
            raise unfit(f"dataframe_split must name its columns; this model takes {self._shown()}")
        return self._named(names, rows)

    def _records(self, value: Any) -> Rows:
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise whole("dataframe_records must be a list of objects, one for each row")
        if self._tensor is not None and not self._tensor.named:
            names = list(value[0]) if value else []
            return self._named(names, [[row.get(name) for name in names] for row in value])
        return self._objects(value)

    def _plain(self, value: Any) -> Rows:
        """`instances` and `inputs`: rows as objects, an object of columns, or the values of a tensor."""
        if isinstance(value, dict):
            return self._columns(value)
        if not isinstance(value, list):
            raise whole("inputs and instances must be a list of rows or an object of columns")
        objects = sum(isinstance(row, dict) for row in value)
        if objects and objects < len(value):
            raise whole("the rows must be all objects or all lists")
        if objects:
            return self._objects(value)
        if self._tensor is not None:
            return value
        if len(self._fields) == 1 or not value:
            return [[item] for item in value]
        raise unfit(f"rows without names cannot be read; this model takes {self._shown()}")

    def _columns(self, columns: dict[str, Any]) -> Rows:
        self._refuse_unnamed()
        self._refuse_missing(columns)
        known = [columns[name] for name, _ in self._wanted if name in columns]
        if not any(isinstance(column, (list, dict)) for column in known):
            return self._objects([columns])
        if not all(isinstance(column, list) and len(column) == len(known[0]) for column in known):
            raise whole("the columns must be lists of one length")
        names = [name for name, _ in self._wanted if name in columns]
        return self._named(names, list(zip(*known, strict=True)))

    def _objects(self, rows: Sequence[Mapping[str, Any]]) -> Rows:
        """Rows as objects; names that the model does not know are dropped, as MLflow drops them."""
        self._refuse_unnamed()
        if rows and not self._names <= rows[0].keys():
            self._refuse_missing({name for row in rows for name in row.keys() & self._names})
        if self._tensor is not None:
            return [row.get(self._tensor.name) for row in rows]  # type: ignore[misc]
        return [[row.get(name, default) for name, default in self._wanted] for row in rows]

    def _named(self, names: Sequence[Any], rows: Rows) -> Rows:
        """Rows under names: the model's columns in its own order, all others dropped. A short row lacks its end."""
        if rows and max(map(len, rows)) > len(names):
            longest = next(i for i, row in enumerate(rows) if len(row) > len(names))
            rule = "holds more values than there are columns"
            raise ContractError([{"row": longest, "field": None, "rule": rule}], rows=ROWS)
        if self._tensor is not None and not self._tensor.named:
            return self._matrix(names, rows)
        counts = Counter(name for name in names if isinstance(name, str) and name in self._names)
        if twice := sorted(name for name, count in counts.items() if count > 1):
            raise unfit(f"these columns are given twice: {', '.join(twice[:20])}")
        self._refuse_missing(counts)
        found = self._chosen({name: i for i, name in enumerate(names) if isinstance(name, str)}, len(names), rows)
        return found if self._tensor is None else [row[0] for row in found]

    def _matrix(self, names: Sequence[Any], rows: Rows) -> Rows:
        """All columns side by side are the tensor's row, or one column holds it."""
        whole_rows = self._fields[0].shape == () or all(isinstance(value, list) for row in rows for value in row)
        if len(names) == 1 and whole_rows:
            return [row[0] if row else [] for row in rows]
        return rows

    def _chosen(self, places: Mapping[str, int], width: int, rows: Rows) -> Rows:
        picks = [(places.get(name), default) for name, default in self._wanted]
        found = [at for at, _ in picks if at is not None]
        if found == list(range(width)) and len(found) == len(picks) and all(len(row) == width for row in rows):
            return rows
        if len(found) == len(picks) > 1 and all(len(row) == width for row in rows):
            return list(map(itemgetter(*found), rows))
        return [[_cell(row, at, default) for at, default in picks] for row in rows]

    # --- what does not fit -------------------------------------------------------------------------------------------

    def _refuse_missing(self, given: Any) -> None:
        missing = [field.name for field in self._fields if field.required and field.name not in given]
        if missing:
            more = f" and {len(missing) - 20} more" if len(missing) > 20 else ""
            raise unfit(f"the model is missing inputs: {', '.join(missing[:20])}{more}")

    def _refuse_unnamed(self) -> None:
        if self._tensor is not None and not self._tensor.named:
            raise unfit("this model takes one tensor without a name: send a list of its rows")

    def _shown(self) -> str:
        more = ", …" if len(self._fields) > 20 else ""
        return ", ".join(field.name for field in self._fields[:20]) + more


def _cell(row: Sequence[Any], at: int | None, default: Any) -> Any:
    return default if at is None or at >= len(row) else row[at]


def _parse(body: bytes) -> tuple[Any, bool]:
    """Return the JSON value, and whether it is free of NaN and infinity, which MLflow's client writes into JSON."""
    try:
        return msgspec.json.decode(body), True
    except UNREADABLE:
        return explaining.parse(body), False


def _refuse_doubled(body: bytes, value: Any) -> None:
    """A name given twice shows as more quotation marks than what was read explains; then look closely."""
    if body.count(b'"') != 2 * _texts(value) or b"\\" in body:
        explaining.refuse_doubled(body)


def _texts(value: Any) -> int:
    """How many texts the JSON value holds, names included."""
    if isinstance(value, list):
        return sum(map(_texts, value))
    if isinstance(value, dict):
        return len(value) + sum(map(_texts, value.values()))
    return isinstance(value, str)
