"""The example of a package as rows by input name, from every form that MLflow and people write."""

from collections.abc import Mapping, Sequence
from typing import Any

from releases.intake.report import Refused

ROWS_MOST = 200
STEP = "predict"
WRAPPERS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def rows(raw: Any, names: Sequence[str], tensor: bool) -> list[dict[str, Any]]:
    """At most 200 rows; `names` are the inputs in order; raises Refused when the form fits no rule."""
    for key in WRAPPERS:
        if isinstance(raw, Mapping) and key in raw:
            return rows(raw[key], names, tensor)
    if tensor:
        return [{names[0]: _tensor_row(row, names[0])} for row in _list(raw)[:ROWS_MOST]]
    if isinstance(raw, Mapping) and "data" in raw and "columns" in raw:
        columns, data = _list(raw["columns"]), _list(raw["data"])[:ROWS_MOST]
        return [_named(dict(zip(map(str, columns), _list(row), strict=False)), names) for row in data]
    if isinstance(raw, Mapping):
        return _from_columns(raw, names)
    return [_row(row, names) for row in _list(raw)[:ROWS_MOST]]


def names_and_rows(raw: Any) -> list[dict[str, Any]] | None:
    """The rows with whatever names the example itself gives; None when it gives none."""
    for key in WRAPPERS:
        if isinstance(raw, Mapping) and key in raw:
            return names_and_rows(raw[key])
    if isinstance(raw, Mapping) and "columns" in raw and "data" in raw:
        return rows(raw, [str(name) for name in _list(raw["columns"])], False)
    if isinstance(raw, Mapping):
        return rows(raw, list(raw), False)
    if isinstance(raw, list) and raw and isinstance(raw[0], Mapping):
        return rows(raw, list(raw[0]), False)
    return None


def _from_columns(raw: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """One row as an object, or an object of columns."""
    if not any(isinstance(value, list) for value in raw.values()):
        return [_named(raw, names)]
    count = min((len(value) for value in raw.values() if isinstance(value, list)), default=0)
    return [_named({name: _list(raw[name])[i] for name in raw}, names) for i in range(min(count, ROWS_MOST))]


def _row(row: Any, names: Sequence[str]) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return _named(row, names)
    values = row if isinstance(row, list) else [row]
    if len(values) != len(names):
        raise Refused(STEP, f"A row of the example has {len(values)} values; the signature has {len(names)} inputs.")
    return dict(zip(names, values, strict=True))


def _named(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Extra columns are left out, as MLflow does; missing ones are found by the signature's own check."""
    return {name: row[name] for name in names if name in row}


def _tensor_row(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, Mapping) and name in row else row


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Refused(STEP, "input_example.json must hold rows: a list of objects, or columns and data.")
    return value
