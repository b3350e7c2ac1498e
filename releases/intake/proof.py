"""Prove that two engines give the same answers: the example, every category, drawn inputs, impossible categories."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from releases.intake import questions
from serving.contract import Batch, Decoder
from serving.runtimes import Answer, Runtime

FIRST = 300
SHARE_OF_SD, PROBABILITY = 1e-4, 1e-5
STEPS_MOST = 0.01
CONSTANT = 1e-6
IMPOSSIBLE = "␀no such category␀"


@dataclass
class Outcome:
    """What each row gave: `values` (rows, k) with NaN where the model raised, `labels` (or None), `raised` per row."""

    values: np.ndarray | None
    labels: np.ndarray | None
    raised: np.ndarray


@dataclass
class Proof:
    """`equal`, and the figures of the report; shares are of the standard deviation of the model's own answers."""

    equal: bool
    reason: str
    largest: float = 0.0
    unit: str = "sd"
    scale: float = 1.0
    rows: dict[str, int] = field(default_factory=dict)
    raised: int = 0
    at_a_step: int = 0
    largest_at_a_step: float = 0.0
    impossible: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "equal"} | {"equal": self.equal}


def prove(
    ours: Runtime,
    theirs: Runtime,
    decoder: Decoder,
    example: Sequence[Mapping[str, Any]],
    known: Mapping[str, list[Any]],
) -> Proof:
    """Compare `theirs` (ONNX) with `ours` (scikit-learn); never raises for what a model does."""
    groups = questions.ask(decoder, example, known)
    batch = decoder.batch([row for rows in groups.values() for row in rows])
    proof = _compare(ours, theirs, batch, decoder)
    proof.rows = {name: len(rows) for name, rows in groups.items()}
    _impossible(proof, ours, theirs, decoder, example)
    return proof


def outcome(engine: Runtime, batch: Batch) -> Outcome:
    """The answers of every row; a batch that raises is halved until the rows that raise stand alone."""
    parts = list(_parts(engine, batch, 0, batch.rows))
    raised = np.concatenate([np.full(rows, answer is None) for rows, answer in parts])
    given = next((answer for _, answer in parts if answer is not None), None)
    if given is None:
        return Outcome(None, None, raised)
    width = None if (numbers := _numbers(given)) is None else numbers.shape[1]
    values = None if width is None else np.concatenate([_filled(rows, answer, width) for rows, answer in parts])
    labels = None if given.labels is None else np.concatenate([_labels(rows, answer) for rows, answer in parts])
    return Outcome(values, labels, raised)


def _parts(engine: Runtime, batch: Batch, start: int, end: int) -> Iterator[tuple[int, Answer | None]]:
    columns = {name: values[start:end] for name, values in batch.columns.items()}
    try:
        yield end - start, engine.predict(Batch(end - start, columns))
    except MemoryError:
        raise
    except Exception:
        if end - start == 1:
            yield 1, None
            return
        middle = (start + end) // 2
        yield from _parts(engine, batch, start, middle)
        yield from _parts(engine, batch, middle, end)


def _numbers(answer: Answer) -> np.ndarray | None:
    """(rows, k): a regressor's values or a classifier's probabilities."""
    found = answer.values if answer.values is not None else answer.probabilities
    return None if found is None else np.asarray(found, np.float64).reshape(len(found), -1)


def _filled(rows: int, answer: Answer | None, width: int) -> np.ndarray:
    found = None if answer is None else _numbers(answer)
    return np.full((rows, width), np.nan) if found is None else found


def _labels(rows: int, answer: Answer | None) -> np.ndarray:
    found = np.full(rows, None, dtype=object)
    if answer is not None and answer.labels is not None:
        found[:] = answer.labels
    return found


def _compare(ours: Runtime, theirs: Runtime, batch: Batch, decoder: Decoder) -> Proof:
    """A few hundred rows first: a form that is wrong is wrong there too, and may be very slow."""
    mine = outcome(ours, batch)
    measure = _measure(mine)
    proof = Proof(False, "")
    for end in (min(FIRST, batch.rows), batch.rows):
        rows = Batch(end, {name: column[:end] for name, column in batch.columns.items()})
        proof = _compare_rows(ours, _first(mine, end), outcome(theirs, rows), rows, measure)
        if not proof.equal:
            break
    return proof


def _first(found: Outcome, end: int) -> Outcome:
    values, labels = found.values, found.labels
    return Outcome(
        None if values is None else values[:end], None if labels is None else labels[:end], found.raised[:end]
    )


def _compare_rows(
    ours: Runtime, mine: Outcome, other: Outcome, batch: Batch, measure: tuple[str, float, float]
) -> Proof:
    unit, limit, scale = measure
    split = mine.raised != other.raised
    if split.any():
        row = int(np.flatnonzero(split)[0])
        who = (
            "the ONNX form raises where scikit-learn answers"
            if other.raised[row]
            else "the ONNX form answers where scikit-learn raises"
        )
        return Proof(False, f"{who} ({int(split.sum())} of {batch.rows} inputs)", unit=unit, scale=scale)
    apart = _differences(mine, other, scale)
    proof = Proof(True, "", unit=unit, scale=scale, raised=int(mine.raised.sum()))
    steps = _at_steps(ours, other, batch, np.flatnonzero(apart > limit), limit, scale)
    plain = np.setdiff1d(np.arange(batch.rows), steps)
    proof.at_a_step, proof.largest_at_a_step = len(steps), float(apart[steps].max(initial=0.0))
    proof.largest = float(apart[plain].max(initial=0.0))
    return _judge(proof, apart[plain], limit, batch.rows)


def _judge(proof: Proof, apart: np.ndarray, limit: float, rows: int) -> Proof:
    wrong = int((apart > limit).sum())
    what = "standard deviations" if proof.unit == "sd" else "in the probabilities"
    if wrong:
        words = "another class" if np.isinf(proof.largest) else f"up to {proof.largest:.2g} {what}"
        proof.equal, proof.reason = False, f"the ONNX form answers differently for {wrong} of {rows} inputs ({words})"
    elif proof.at_a_step > STEPS_MOST * rows:
        proof.equal, proof.reason = (
            False,
            f"{proof.at_a_step} of {rows} inputs fall on different sides of a tree's threshold",
        )
    else:
        proof.reason = f"largest difference {proof.largest:.2g} {what} over {rows} inputs"
    if np.isinf(proof.largest):
        proof.largest = 1.0
    return proof


def _measure(mine: Outcome) -> tuple[str, float, float]:
    """Unit, tolerance and divisor: numbers are measured in standard deviations, probabilities as they are."""
    if mine.labels is not None or mine.values is None:
        return "probability", PROBABILITY, 1.0
    spread = float(np.nanstd(mine.values)) if not mine.raised.all() else 0.0
    size = float(np.nanmax(np.abs(mine.values), initial=0.0))
    if not np.isfinite(spread) or spread <= CONSTANT * size:  # all answers alike: measure by their size
        spread = size or 1.0
    return "sd", SHARE_OF_SD, spread


def _differences(mine: Outcome, other: Outcome, scale: float) -> np.ndarray:
    """Per row the largest difference; infinite for another class, another shape, or NaN against a number."""
    apart = np.zeros(len(mine.raised))
    if mine.values is not None and other.values is not None:
        if mine.values.shape != other.values.shape:
            return np.full(len(mine.raised), np.inf)
        same_nan = np.isnan(mine.values) & np.isnan(other.values)
        gaps = np.where(same_nan | (mine.values == other.values), 0.0, np.abs(mine.values - other.values) / scale)
        apart = np.where(np.isnan(gaps), np.inf, gaps).max(axis=1)
    if mine.labels is not None and other.labels is not None:
        different = np.array([str(a) != str(b) for a, b in zip(mine.labels, other.labels, strict=True)])
        apart = np.where(different, np.inf, apart)
    return apart


def _at_steps(ours: Runtime, other: Outcome, batch: Batch, rows: np.ndarray, limit: float, scale: float) -> np.ndarray:
    """Those of `rows` where moving the inputs by one float32 step makes scikit-learn give ONNX's answer."""
    reals = [name for name, column in batch.columns.items() if column.dtype.kind == "f"]
    if not len(rows) or not reals or len(rows) > STEPS_MOST * 4 * batch.rows:
        return np.array([], dtype=int)
    near = [row for row in rows if _agrees_nearby(ours, other, batch.take(int(row)), int(row), reals, limit, scale)]
    return np.array(near, dtype=int)


def _agrees_nearby(
    ours: Runtime, other: Outcome, one: Batch, row: int, reals: list[str], limit: float, scale: float
) -> bool:
    theirs = Outcome(
        None if other.values is None else other.values[row : row + 1],
        None if other.labels is None else other.labels[row : row + 1],
        other.raised[row : row + 1],
    )
    return any(_differences(outcome(ours, moved), theirs, scale)[0] <= limit for moved in _neighbours(one, reals))


def _neighbours(one: Batch, reals: list[str]) -> Iterator[Batch]:
    """The row rounded to float32, and each number of it one step up and one step down."""
    rounded = {name: one.columns[name].astype(np.float32) for name in reals}
    yield _with(one, rounded)
    for towards in (np.float32(-np.inf), np.float32(np.inf)):
        moved = {name: np.nextafter(column, towards) for name, column in rounded.items()}
        yield _with(one, moved)
        for name in reals:
            for place in range(rounded[name].size):
                column = rounded[name].copy()
                column.flat[place] = moved[name].flat[place]
                yield _with(one, {**rounded, name: column})


def _with(one: Batch, columns: Mapping[str, np.ndarray]) -> Batch:
    return Batch(
        1, {name: columns[name].astype(old.dtype) if name in columns else old for name, old in one.columns.items()}
    )


def _impossible(
    proof: Proof, ours: Runtime, theirs: Runtime, decoder: Decoder, example: Sequence[Mapping[str, Any]]
) -> None:
    """A category that cannot exist, once per text input: both raise, or both answer alike."""
    base = decoder.batch([example[0]])
    for item in questions.texts(decoder):
        word = np.array([IMPOSSIBLE], dtype=object)
        one = Batch(1, {**base.columns, item.name: word})
        mine, other = outcome(ours, one), outcome(theirs, one)
        proof.impossible[item.name] = _verdict(mine, other, proof)
    wrong = [name for name, verdict in proof.impossible.items() if verdict.startswith("differs")]
    if wrong and proof.equal:
        proof.equal = False
        proof.reason = (
            f"an unknown category in {', '.join(wrong)} {proof.impossible[wrong[0]].removeprefix('differs: ')}"
        )


def _verdict(mine: Outcome, other: Outcome, proof: Proof) -> str:
    if mine.raised[0] and other.raised[0]:
        return "both raise"
    if mine.raised[0] != other.raised[0]:
        who = "scikit-learn" if mine.raised[0] else "ONNX"
        return f"differs: makes {who} raise while the other answers"
    return "both answer alike" if _alike(mine, other, proof) else "differs: is answered differently"


def _alike(mine: Outcome, other: Outcome, proof: Proof) -> bool:
    limit = PROBABILITY if proof.unit == "probability" else SHARE_OF_SD
    return bool(_differences(mine, other, proof.scale)[0] <= limit)
