"""What a package answers with, by name: worked out once when it is first asked, the same for V1, V2 and OpenAPI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serving.contract import ContractError
from serving.gateway.pool import Package
from serving.runtimes import Answer
from serving.runtimes.rows import LABEL, PROBABILITIES

ALONE = "prediction"


@dataclass(frozen=True, slots=True)
class Output:
    """One output: `shape` is that of one row, and `take` finds its elements, row by row, in an answer."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    take: Callable[[Answer], Any]

    def described(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": [-1, *self.shape]}


def of(package: Package) -> dict[str, Output]:
    """Return the package's outputs by name, in the order in which they are answered."""
    if package.outputs is None:
        found = _classifier(package) if package.manifest.kind == "classifier" else _regressor(package)
        package.outputs = {item.name: item for item in found}
    known: dict[str, Output] = package.outputs
    return known


def refuse_unknown(package: Package, names: tuple[str, ...], field: str) -> None:
    """Raise ContractError when one of the names is no output of the package."""
    known = of(package)
    if unknown := [name for name in names if name not in known]:
        words = f"{len(unknown)} of the outputs asked for do not exist; there are {', '.join(known)}"
        raise ContractError([{"row": None, "field": field, "rule": words}])


def _classifier(package: Package) -> list[Output]:
    classes = package.manifest.classes or []
    label = Output(LABEL, _label_type(classes), (), lambda answer: answer.labels)
    if not package.runtime.probable:
        return [label]
    return [label, Output(PROBABILITIES, "FP64", (len(classes),), lambda answer: answer.probabilities)]


def _label_type(classes: list[Any]) -> str:
    kinds = {type(name) for name in classes}
    return {bool: "BOOL", int: "INT64", float: "FP64"}.get(next(iter(kinds)), "BYTES") if len(kinds) == 1 else "BYTES"


def _regressor(package: Package) -> list[Output]:
    specs = package.decoder.signature.outputs
    names = [str(item.get("name") or "") for item in specs]
    row = _row(package)
    if len(names) > 1 and all(names) and row == (len(names),):
        return [Output(name, "FP64", (), _column(i)) for i, name in enumerate(names)]
    return [Output((names and names[0]) or ALONE, "FP64", row, lambda answer: answer.values)]


def _column(place: int) -> Callable[[Answer], Any]:
    return lambda answer: answer.values[:, place]  # type: ignore[index]


def _row(package: Package) -> tuple[int, ...]:
    """The shape of one row's answer: as the signature declares it, where the model's own first answer agrees."""
    specs = package.decoder.signature.outputs
    declared = tuple(specs[0].get("tensor-spec", {}).get("shape", [-1]))[1:] if specs else ()
    if len(specs) > 1:
        declared = (len(specs),)
    if package.sample is None or package.sample.values is None:
        return declared
    seen = package.sample.values.shape[1:]
    return declared if declared == seen or (declared == (1,) and not seen) else seen
