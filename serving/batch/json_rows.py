"""Rows of JSON lines: read by the decoder that reads REST's, one object a line; written as they came, and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from serving.batch.checking import Read
from serving.batch.places import durable, plain
from serving.batch.plan import PACKAGE, PREDICTION, Chunk, Plan, Wrong
from serving.batch.scanning import spans
from serving.batch.texts import Made
from serving.contract import Batch, ContractError, Decoder, explaining, join
from serving.contract.errors import whole

# So many lines are read as one request; where one of them is wrong, each is read alone.
TOGETHER = 512
ADDED = frozenset({PREDICTION, PACKAGE})
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def must_fit(decoder: Decoder, names: Sequence[str]) -> None:
    """Every signature fits: what a line holds is seen when it is read."""


class Records:
    """The rows of one chunk, or some of them: each a line with one object."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self.rows = len(lines)

    @classmethod
    def of_chunk(cls, folder: Path, plan: Plan, chunk: Chunk) -> Records:
        with plain(folder, plan.packed).open("rb") as source:
            source.seek(chunk.start)
            data = source.read(chunk.stop - chunk.start)
        starts, stops = spans(data, quotes=False)
        return cls([data[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)])

    def take(self, places: np.ndarray) -> Records:
        """Return the rows at these places as records of their own."""
        return Records([self._lines[place] for place in places.tolist()])

    def read(self, decoder: Decoder) -> Read:
        """Return the rows, checked; members that the model does not know are passed over, and stay in the output."""
        good: list[int] = []
        batches: list[Batch] = []
        wrong: list[Wrong] = []
        for start, found in self._parts(decoder):
            if isinstance(found, Batch):
                batches.append(found)
                good += range(start, start + found.rows)
            else:
                wrong += [Wrong(start, detail["field"] or "", detail["rule"]) for detail in found.details]
        return Read(join(batches) if batches else Batch(0, {}), np.array(good, np.int64), wrong)

    def write(self, target: Path, plan: Plan, made: Made) -> None:
        """Write the answered rows as they came, with the answer as REST gives it as their last members."""
        answers = zip(made.places.tolist(), _rows(made, plan), made.packages.tolist(), strict=True)
        with durable(target) as sink:
            for place, answer, package in answers:
                body = self._lines[place].rstrip()[:-1].rstrip()
                comma = b"" if body.endswith(b"{") else b","
                more = msgspec.json.encode({PREDICTION: answer, PACKAGE: package})
                sink.write(body + comma + more[1:] + b"\n")

    def _parts(self, decoder: Decoder) -> Iterator[tuple[int, Batch | ContractError]]:
        """Yield from which row on, and the batch of rows that are well, or what is wrong with one row."""
        for start in range(0, self.rows, TOGETHER):
            lines = self._lines[start : start + TOGETHER]
            together = _together(decoder, lines)
            if together is not None:
                yield start, together
                continue
            for place, line in enumerate(lines, start):
                yield place, _alone(decoder, line)


def _together(decoder: Decoder, lines: list[bytes]) -> Batch | None:
    """Return the rows of lines of which none is wrong, and none holds more than the model knows."""
    if not all(line.lstrip()[:1] == b"{" for line in lines):
        return None
    try:
        found = decoder.decode_v1(b'{"instances":[%b]}' % b",".join(lines))
    except ContractError:
        return None
    # Two objects on one line, or one on two, would shift every row behind them.
    return found if found.rows == len(lines) else None


def _alone(decoder: Decoder, line: bytes) -> Batch | ContractError:
    try:
        return decoder.decode_v1(b'{"instances":[%b]}' % _known(decoder, line))
    except ContractError as problem:
        return problem


def _known(decoder: Decoder, line: bytes) -> bytes:
    """Return the line without what the model does not know; raises ContractError for one that is no plain object."""
    explaining.refuse_unreadable(line)
    explaining.refuse_doubled(line)
    try:
        members = _members.decode(line)
    except msgspec.MsgspecError:
        raise whole("must be an object, one on each line") from None
    if taken := sorted(ADDED & members.keys()):
        raise whole(f"has {' and '.join(taken)}, which the output adds; call it otherwise")
    names = {field.name for field in decoder.fields}
    kept = [msgspec.json.encode(name) + b":" + bytes(raw) for name, raw in members.items() if name in names]
    return b"{%b}" % b",".join(kept)


def _rows(made: Made, plan: Plan) -> list[Any]:
    if made.values is not None:
        return list((made.values[:, 0] if plan.outputs.width == 1 else made.values).tolist())
    labels = made.labels or []
    if made.probabilities is None:
        return [{"label": label} for label in labels]
    classes = plan.outputs.classes or []
    return [
        {"label": label, "probabilities": {name: p for name, p in zip(classes, row, strict=True) if p == p}}
        for label, row in zip(labels, made.probabilities.tolist(), strict=True)
    ]
