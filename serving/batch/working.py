"""One order carried out: each leaves the same files, however often and by whomever it is tried."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from serving import artefacts, runtimes, tally
from serving.artefacts import EXAMPLE, ArtefactError
from serving.batch import csv_rows, json_rows, parquet_rows
from serving.batch.answering import Loaded, answer, outputs_of
from serving.batch.comparing import compared
from serving.batch.places import MADE, REFUSED, durable, part
from serving.batch.plan import Answered, Chunk, Form, Outputs, Plan, Unusable, Wrong
from serving.comparison import Rule
from serving.contract import Decoder
from serving.routing import Target
from serving.runtimes import Answer, ModelError

FORMS: dict[Form, Any] = {"csv": csv_rows, "jsonl": json_rows, "parquet": parquet_rows}


class Packages:
    """Those that this process has loaded, by digest; their artefacts lie below `cache`, checked when loaded."""

    def __init__(self, cache: Path, token: str = "") -> None:
        self._cache, self._token = cache, token
        self._loaded: dict[str, Loaded] = {}

    def of(self, targets: Sequence[Target]) -> dict[str, Loaded]:
        """Return the packages of these targets, and let go of all others; raises Unusable."""
        for digest in self._loaded.keys() - {target.digest for target in targets}:
            self._loaded.pop(digest).runtime.close()
        for target in targets:
            if target.digest not in self._loaded:
                self._loaded[target.digest] = self._load(target)
        return self._loaded

    def example(self, target: Target) -> list[dict[str, Any]]:
        """Return the rows that came with a package."""
        path = artefacts.folder_of(self._cache, target.artefact) / EXAMPLE
        return list(msgspec.json.decode(path.read_bytes())) if path.exists() else []

    def _load(self, target: Target) -> Loaded:
        try:
            folder, manifest = artefacts.fetch_verified(target.url, target.artefact, self._cache, token=self._token)
            signature = runtimes.read_signature(folder)
            return Loaded(target, Decoder(signature), runtimes.load(folder, manifest, signature))
        except (ArtefactError, ModelError) as error:
            raise Unusable(f"Package {target.package} cannot be loaded: {error}") from error


def look(packages: Packages, form: Form, targets: Sequence[Target], columns: Sequence[str]) -> Outputs:
    """Return what the packages answer with; raises Unusable when the input's columns do not fit them."""
    answers = []
    for target in targets:
        loaded = packages.of(targets)[target.digest]
        FORMS[form].must_fit(loaded.decoder, columns)
        answers.append(_sample(packages, loaded))
    try:
        outputs = outputs_of(answers)
    except ValueError as error:
        raise Unusable(str(error)) from error
    if form != "jsonl" and (taken := [name for name in Plan.added(_only(outputs)) if name in columns]):
        raise Unusable(f"The input has a column {', '.join(taken)}, which the output adds. Call it otherwise.")
    return outputs


def _only(outputs: Outputs) -> Plan:
    return Plan("csv", False, "", "", 0, [], outputs=outputs)


def _sample(packages: Packages, loaded: Loaded) -> Answer:
    """Return the answer to the package's own example; without one it is taken for a number a row."""
    rows = packages.example(loaded.target)[:1]
    if not rows:
        return Answer(values=np.zeros(1))
    try:
        return loaded.runtime.predict(loaded.decoder.batch(rows))
    except Exception as failure:
        # A model may raise anything.
        words = f"Package {loaded.target.package} cannot answer its own example ({type(failure).__name__})."
        raise Unusable(words) from failure


def answer_chunk(folder: Path, plan: Plan, chunk: Chunk, packages: Packages) -> Answered:
    """Write a chunk's answers, and its wrong rows; raises Unusable."""
    records = _records(folder, plan, chunk)
    made, wrong = answer(plan, chunk.first, records, packages.of(plan.targets))
    records.write(part(folder, MADE, chunk.number), plan, made)
    _write_wrong(folder, chunk, wrong)
    counts = Counter(made.packages.tolist())
    refused = len({each.row for each in wrong})
    return Answered(len(made.places), refused, {str(package): count for package, count in sorted(counts.items())})


def compare_chunk(folder: Path, plan: Plan, chunk: Chunk, packages: Packages, rule: Rule) -> Answered:
    """Answer a chunk with both packages of the plan, and tally how they differ; raises Unusable."""
    records = _records(folder, plan, chunk)
    live, other = (packages.of(plan.targets)[target.digest] for target in plan.targets)
    found, wrong = compared(plan, chunk, records, live, other, rule)
    _write_wrong(folder, chunk, wrong)
    counts = {str(live.target.package): found.pairs}
    return Answered(found.pairs, len({each.row for each in wrong}), counts, tally.dumps(found).decode())


def _records(folder: Path, plan: Plan, chunk: Chunk) -> Any:
    records = FORMS[plan.form].Records.of_chunk(folder, plan, chunk)
    if records.rows != chunk.rows:
        raise Unusable("The input has changed since the job began. Start the job again.")
    return records


def _write_wrong(folder: Path, chunk: Chunk, wrong: Sequence[Wrong]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((each.row, each.field, each.rule) for each in wrong)
    with durable(part(folder, REFUSED, chunk.number)) as sink:
        sink.write(text.getvalue().encode())
