"""What a signature and a package promise, looked at one by one on a loaded runtime."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.artefacts import Manifest
from serving.contract import ContractError, Decoder, Field, Signature
from serving.runtimes import Answer, Runtime
from testing.sandboxed import drawn, edges
from testing.sandboxed.saying import Cases, Wrong

Row = dict[str, Any]
WHOLE = 1e-3  # how far the probabilities of a row may be from 1 together


class Package:
    """A loaded package, its example, and how it is asked: through its own decoder, as a gateway asks it."""

    def __init__(self, job: dict[str, Any], runtime: Runtime, manifest: Manifest, signature: Signature) -> None:
        self.job, self.runtime, self.manifest, self.signature = job, runtime, manifest, signature
        self.decoder = Decoder(signature)
        self.example: list[Row] = job["example"]
        self.tolerance = float(job["tolerance"])

    def ask(self, rows: Sequence[Row]) -> Answer:
        return self.runtime.predict(self.decoder.batch(list(rows)))

    def read(self, row: Row) -> None:
        """Decode one row as V1; raises ContractError."""
        body = {"instances": [as_instance(self.decoder, row)]}
        self.decoder.decode_v1(json.dumps(body).encode())

    def same(self, one: Answer, other: Answer, what: str) -> float:
        """Return the largest distance of two answers; raises Wrong when it is beyond the tolerance."""
        if one.labels is not None and one.labels != other.labels:
            place = next(
                i for i, pair in enumerate(zip(one.labels, other.labels or [], strict=True)) if len({*pair}) > 1
            )
            raise Wrong(f"Row {place} is {one.labels[place]!r} and then {(other.labels or [])[place]!r} {what}.")
        far = _far(one, other)
        if far > self.tolerance:
            raise Wrong(f"The answers differ by {far:.2g} {what}; {self.tolerance:.2g} is allowed.")
        return far


def look(cases: Cases, job: dict[str, Any], runtime: Runtime, manifest: Manifest, signature: Signature) -> None:
    """Say every case; one that fails does not hide the others."""
    package = Package(job, runtime, manifest, signature)
    for name, case in CASES.items():
        with cases.case(name) as said:
            said.evidence = case(package)
    _golden(cases, package)
    _onnx(cases, package)
    for field in signature.inputs:
        with cases.case(f"limits of {field.name}") as said:
            said.evidence = edges.look(field, package.example[0], package.read)
    with cases.case("drawn inputs") as said:
        said.evidence = drawn.look(package.decoder, package.example, job["draws"], lambda row: _kept(package, row))


def _example(package: Package) -> str:
    answer = package.ask(package.example)
    return f"{len(package.example)} rows; the first: {_first(answer)}"


def _types(package: Package) -> str:
    answer = package.ask(package.example)
    check(answer, package.manifest, len(package.example))
    return "a class for each row" if answer.labels is not None else "a finite number for each row"


def _deterministic(package: Package) -> str:
    answers = [package.ask(package.example) for _ in range(3)]
    far = max(package.same(answers[0], other, "when asked again") for other in answers[1:])
    return f"three times the same, at most {far:.2g} apart"


def _rows(package: Package) -> str:
    rows = [*package.example, *package.signature.draw(np.random.default_rng(7), 50, package.example)]
    whole = package.ask(rows)
    order = np.random.default_rng(11).permutation(len(rows)).tolist()
    shuffled = package.ask([rows[i] for i in order])
    far = package.same(_picked(whole, order), shuffled, "in another order")
    for place, row in enumerate(rows):
        far = max(far, package.same(_picked(whole, [place]), package.ask([row]), f"alone (row {place})"))
    return f"{len(rows)} rows together, alone and in another order, at most {far:.2g} apart"


CASES: dict[str, Callable[[Package], str]] = {
    "it answers its example": _example,
    "its answers have the declared types": _types,
    "it is deterministic": _deterministic,
    "a batch equals its rows": _rows,
}


def _golden(cases: Cases, package: Package) -> None:
    """The answers that the intake saw, and those that the package brings in golden.json."""
    known = {"its answers at the intake": (package.example, package.job["answers"])}
    brought = Path(package.job["package"]) / "golden.json"
    if brought.is_file():
        with cases.case("golden.json can be read") as said:
            data = json.loads(brought.read_text("utf-8"))
            known["golden rows"] = (data["instances"], data["predictions"])
            said.evidence = f"{len(data['instances'])} rows"
    else:
        cases.absent("golden rows", "The package brings no golden.json (instances and predictions).")
    for name, (rows, answers) in known.items():
        if not answers:
            cases.absent(name, "They were not kept.")
            continue
        with cases.case(name) as said:
            said.evidence = f"{len(answers)} rows, at most {_expected(package, rows, answers):.2g} apart"


def _expected(package: Package, rows: list[Row], answers: list[Any]) -> float:
    if len(rows) != len(answers):
        raise Wrong(f"There are {len(rows)} rows and {len(answers)} answers.")
    found = package.ask(rows)
    wanted = [answer["label"] if isinstance(answer, dict) else answer for answer in answers]
    if found.labels is not None:
        return package.same(Answer(labels=wanted), Answer(labels=found.labels), "from what is expected")
    return package.same(Answer(values=np.asarray(wanted, float)), found, "from what is expected")


def _onnx(cases: Cases, package: Package) -> None:
    name, file = "ONNX equals scikit-learn", package.job["model"]
    if package.manifest.runtime != "onnx" or not file:
        why = "It is served by scikit-learn." if package.manifest.runtime != "onnx" else "It was uploaded as ONNX."
        cases.absent(name, why)
        return
    with cases.case(name) as said:
        from releases.intake import inference, loading, proof
        from serving.runtimes.sklearn import SklearnRuntime

        model = loading.load(Path(package.job["package"]) / file, package.job["trusted"])
        ours = SklearnRuntime(model, package.manifest, package.signature)
        known = inference.categories(model)
        shown = proof.prove(ours, package.runtime, package.decoder, package.example, known)
        if not shown.equal:
            raise Wrong(shown.reason)
        said.evidence = shown.reason


def _kept(package: Package, row: Row) -> None:
    check(package.ask([row]), package.manifest, 1)


def check(answer: Answer, manifest: Manifest, rows: int) -> None:
    """Raise Wrong unless the answer is what the kind of model declares: finite numbers, or classes it knows."""
    if manifest.kind != "classifier":
        if answer.values is None or answer.values.shape[:1] != (rows,) or not np.isfinite(answer.values).all():
            raise Wrong("It does not answer one finite number for each row.")
        return
    known = set(map(str, manifest.classes or []))
    unknown = [label for label in answer.labels or [] if str(label) not in known]
    if answer.labels is None or len(answer.labels) != rows or unknown:
        raise Wrong(
            f"It answers {unknown[0]!r}, which is none of its classes." if unknown else "It answers no classes."
        )
    if answer.probabilities is not None and np.abs(answer.probabilities.sum(axis=1) - 1).max() > WHOLE:
        raise Wrong("The probabilities of a row do not add up to 1.")


def as_instance(decoder: Decoder, row: Row) -> Any:
    """Return the row as V1 writes it: an object, or the tensor alone where the only input has no name."""
    named = all(field.named for field in decoder.fields)
    return row if named else row[decoder.fields[0].name]


def _picked(answer: Answer, order: list[int]) -> Answer:
    return Answer(
        values=None if answer.values is None else answer.values[order],
        labels=None if answer.labels is None else [answer.labels[i] for i in order],
        probabilities=None if answer.probabilities is None else answer.probabilities[order],
    )


def _numbers(answer: Answer) -> np.ndarray | None:
    return answer.values if answer.values is not None else answer.probabilities


def _far(one: Answer, other: Answer) -> float:
    """Return the largest distance: of numbers as a share of their size, of probabilities as it is."""
    if one.values is not None and other.values is not None:
        least = 1e-3 * max(1e-12, float(np.abs(one.values).max(initial=0)))
        size = np.maximum(np.maximum(np.abs(one.values), np.abs(other.values)), least)
        return float((np.abs(one.values - other.values) / size).max(initial=0))
    if one.probabilities is not None and other.probabilities is not None:
        return float(np.abs(one.probabilities - other.probabilities).max(initial=0))
    return 0.0


def _first(answer: Answer) -> str:
    numbers = _numbers(answer)
    return repr(answer.labels[0]) if answer.labels is not None else str(numbers[0] if numbers is not None else "")


__all__ = ["ContractError", "Field", "as_instance", "check", "look"]
