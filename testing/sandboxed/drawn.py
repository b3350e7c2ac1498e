"""Inputs drawn from the signature by Hypothesis: whatever it allows gets a proper answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from serving.contract import Decoder, Field
from serving.contract.drawing import span
from testing.sandboxed.saying import Wrong

Row = dict[str, Any]
TEXT_MOST = 12


def look(decoder: Decoder, example: Sequence[Mapping[str, Any]], draws: int, keeps: Callable[[Row], None]) -> str:
    """Ask `keeps` about so many rows; raises Wrong with the simplest row that it refuses, and why."""
    failing: list[tuple[Row, Exception]] = []

    @settings(
        max_examples=draws,
        database=None,
        deadline=None,
        derandomize=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(rows(decoder, example))
    def every(row: Row) -> None:
        try:
            keeps(row)
        except Exception as error:
            failing.append((row, error))
            raise

    try:
        every()
    except Exception as error:
        if not failing:
            raise
        row, why = failing[-1]
        raise Wrong(f"It fails for an input that the signature allows: {row}: {why}") from error
    return f"{draws} inputs drawn from the signature, each answer finite and of the declared type"


def rows(decoder: Decoder, example: Sequence[Mapping[str, Any]]) -> st.SearchStrategy[Row]:
    """Return rows that the signature allows: anything within limits, and near the example where there are none."""
    seen = {field.name: [row[field.name] for row in example if field.name in row] for field in decoder.fields}
    return st.fixed_dictionaries({field.name: _field(field, seen[field.name]) for field in decoder.fields})


def _field(field: Field, seen: list[Any]) -> st.SearchStrategy[Any]:
    one = _scalar(field, seen if field.shape is None else [])
    if field.shape is None:
        return one if field.required else st.none() | one
    for size in reversed(field.shape):
        one = st.lists(one, min_size=size, max_size=size)
    return one


def _scalar(field: Field, seen: list[Any]) -> st.SearchStrategy[Any]:
    if field.values is not None:
        return st.sampled_from(list(field.values))
    if field.type == "boolean":
        return st.booleans()
    if field.type == "string":
        return _text([value for value in seen if isinstance(value, str)])
    low, high = span(field, [float(value) for value in seen if type(value) in (int, float)])
    if field.kind.python is int:
        return st.integers(int(low), int(high))
    width = 32 if field.type == "float" else 64
    return (
        st.floats(low, high, allow_nan=False).filter(lambda value: field.broken(value) is None)
        if width
        else st.nothing()
    )


def _text(seen: list[str]) -> st.SearchStrategy[str]:
    other = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=TEXT_MOST)
    return st.sampled_from(seen) | other if seen else other
