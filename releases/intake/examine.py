"""What the child does with one package, step by step; the result is plain data for the parent."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from releases.intake import conversion, example, inference, loading, onnxfile, proof, questions, signature, trees
from releases.intake.report import Refused, counted, weighed
from serving.artefacts import Manifest
from serving.contract import ContractError, Decoder, Signature
from serving.runtimes import Answer, ModelError, Runtime
from serving.runtimes.onnx import load_onnx

Say = Callable[[str, str, str], None]
DRAWN_EXAMPLE = 5


@dataclass
class Found:
    """One examined model: its engine and everything that the parent stores."""

    signature: Signature
    engine: Runtime
    kind: str
    classes: list[Any] | None
    predict_fn: str
    model: Any = None


def examine(job: Mapping[str, Any], onnx: Path, say: Say) -> dict[str, Any]:
    """Raises Refused; writes `onnx` when the ONNX form serves; the result as JSON-ready data."""
    path = Path(job["package"]) / job["model"]
    found = _onnx(path, job, say) if job["onnx"] else _skops(path, job, say)
    decoder = Decoder(found.signature)
    rows = _example(found, decoder, job, say)
    result = {
        "signature": found.signature.to_json(),
        "kind": found.kind,
        "classes": found.classes,
        "predict_fn": found.predict_fn,
        "example": rows,
        "answers": _shown(found.engine.predict(decoder.batch(rows))),
    }
    return result | (_uploaded_onnx(say) if job["onnx"] else _onnx_form(found, decoder, rows, onnx, say))


def _skops(path: Path, job: Mapping[str, Any], say: Say) -> Found:
    say("inspect", "running", "types and trees of the model file")
    checked = trees.check(path)  # plain arrays, before any library looks at the file
    allowed = loading.types(path, job["trusted"])
    listed = f"{counted(allowed, 'type')} by the server's list" if allowed else "plain types only"
    sound = f"; {counted(checked, 'tree')} sound" if checked else ""
    say("inspect", "passed", f"{counted(job['files'], 'file')}, no pickle; {listed}{sound}")
    say("load", "running", "")
    model = loading.load(path, job["trusted"])
    kind = loading.kind_of(model)
    labels = [_plain(label) for label in np.asarray(model.classes_).tolist()] if kind == "classifier" else None
    predict_fn = job["predict_fn"]
    if not hasattr(model, predict_fn):
        raise Refused("load", f"MLmodel asks for {predict_fn}, which the model does not have.")
    settled = _settle(job, lambda: inference.inputs(model, job["example"]), inference.outputs(kind, labels))
    say("load", "passed", f"{type(model).__name__}, a {kind}")
    from serving.runtimes.sklearn import SklearnRuntime

    engine = SklearnRuntime(model, _manifest("sklearn", path, kind, labels, predict_fn), settled)
    return Found(settled, engine, kind, labels, predict_fn, model)


def _onnx(path: Path, job: Mapping[str, Any], say: Say) -> Found:
    say("inspect", "running", "operators of the ONNX file")
    parsed = onnxfile.check(path)
    say(
        "inspect",
        "passed",
        f"{counted(job['files'], 'file')}, no pickle; "
        f"{counted(len(onnxfile.nodes(parsed)), 'standard operator')}, no external data",
    )
    say("load", "running", "")
    kind, classes = onnxfile.kind_and_classes(parsed)
    given = onnxfile.inputs(parsed)
    settled = _settle(job, lambda: given, inference.outputs(kind, classes))
    _same_inputs(settled, given)
    try:
        engine = load_onnx(path, _manifest("onnx", path, kind, classes, job["predict_fn"]), settled)
    except ModelError as error:
        raise Refused("load", str(error)) from None
    say("load", "passed", f"ONNX, a {kind}")
    return Found(settled, engine, kind, classes, job["predict_fn"])


def _settle(
    job: Mapping[str, Any], ask: Callable[[], list[dict[str, Any]]], outputs: list[dict[str, Any]]
) -> Signature:
    given = dict(job["signature"] or {})
    given["inputs"] = given.get("inputs") or ask()
    given["outputs"] = given.get("outputs") or outputs
    settled = signature.settle(given, job["constraints"], job["declared"])
    if settled is None:
        raise Refused("load", f"The model does not say what its inputs are. {inference.ADVICE}")
    return settled


def _same_inputs(settled: Signature, given: list[dict[str, Any]]) -> None:
    ours, theirs = {field.name for field in settled.inputs}, {item["name"] for item in given}
    if ours != theirs and not (len(ours) == len(theirs) == 1):
        raise Refused(
            "load", f"The signature names {', '.join(sorted(ours))}; the ONNX file has {', '.join(sorted(theirs))}."
        )


def _example(found: Found, decoder: Decoder, job: Mapping[str, Any], say: Say) -> list[dict[str, Any]]:
    """The example's rows, each answered; drawn ones where the upload has none."""
    say("predict", "running", "")
    rows = _rows(found, decoder, job["example"])
    try:
        batch = decoder.batch(rows)
    except ContractError as error:
        raise Refused("predict", f"The example breaks the signature: {error}.") from None
    try:
        answers = found.engine.predict(batch)
    except Exception as error:
        raise Refused("predict", f"The model cannot answer its own example: {_short(error)}.") from None
    if answers.values is not None and answers.values.ndim != 1:
        raise Refused("predict", "The model answers several numbers for each row; a regressor must answer one.")
    given = "of the example" if job["example"] is not None else "drawn from the signature (there is no example)"
    say("predict", "passed", f"{counted(len(rows), 'row')} {given} answered")
    return rows


def _rows(found: Found, decoder: Decoder, raw: Any) -> list[dict[str, Any]]:
    if raw is not None:
        rows = example.rows(raw, [field.name for field in decoder.fields], found.signature.tensor is not None)
        if not rows:
            raise Refused("predict", "input_example.json holds no rows.")
        return rows
    known = {} if found.model is None else inference.categories(found.model)
    drawn = found.signature.draw(np.random.default_rng(questions.SEED), DRAWN_EXAMPLE, _like(known))
    return drawn


def _like(known: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    return [{name: value} for name, values in known.items() for value in values]


def _manifest(runtime: str, path: Path, kind: str, classes: list[Any] | None, predict_fn: str) -> Manifest:
    """What the gateway's own runtimes want to know, so that exactly they are examined here."""
    return Manifest(
        package="", runtime=runtime, kind=kind, model_file=path.name, files=[], classes=classes, predict_fn=predict_fn
    )


def _uploaded_onnx(say: Say) -> dict[str, Any]:
    say("convert", "skipped", "the upload is ONNX")
    say("prove", "skipped", "there is nothing to compare with")
    return {"runtime": "onnx", "reason": "Served by ONNX Runtime: the upload is an ONNX file.", "proof": {}}


def _onnx_form(found: Found, decoder: Decoder, rows: list[dict[str, Any]], target: Path, say: Say) -> dict[str, Any]:
    say("convert", "running", "")
    try:
        size = conversion.convert(found.model, found.signature, found.kind, target)
        manifest = _manifest("onnx", target, found.kind, found.classes, found.predict_fn)
        theirs = load_onnx(target, manifest, found.signature)
    except conversion.NotConverted as error:
        return _sklearn(say, "convert", f"it has no ONNX form here: {error}", {})
    except ModelError as error:
        return _sklearn(say, "convert", f"ONNX Runtime cannot load its ONNX form: {_short(error)}", {})
    say("convert", "passed", f"{weighed(size)} of ONNX")
    say("prove", "running", "")
    shown = proof.prove(found.engine, theirs, decoder, rows, inference.categories(found.model))
    if not shown.equal:
        return _sklearn(say, "prove", shown.reason, shown.to_json())
    say("prove", "passed", shown.reason)
    return {
        "runtime": "onnx",
        "reason": f"Served by ONNX Runtime, proven equal to scikit-learn: {shown.reason}.",
        "proof": shown.to_json(),
    }


def _sklearn(say: Say, step: str, why: str, figures: dict[str, Any]) -> dict[str, Any]:
    say(step, "skipped" if step == "convert" else "passed", f"served by scikit-learn: {why}")
    if step == "convert":
        say("prove", "skipped", "there is no ONNX form to compare")
    return {"runtime": "sklearn", "reason": f"Served by scikit-learn: {why}.", "proof": figures}


def _shown(answer: Answer) -> list[Any]:
    return [_plain(value) for value in (answer.labels if answer.labels is not None else _listed(answer))]


def _listed(answer: Answer) -> list[Any]:
    return [] if answer.values is None else answer.values.tolist()


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _short(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
