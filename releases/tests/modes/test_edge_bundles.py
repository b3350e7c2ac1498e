"""Bundles: made once, signed, tried, and smaller where that makes sense."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from releases.errors import Conflict, Forbidden
from releases.models import AuditRow, EdgeBundle, MLModel, Package
from releases.modes.edge import bundles, signing, smaller
from serving.edge.copies import check

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("edge_folder")]


# --- bundles ----------------------------------------------------------------------------------------------------------


def test_a_bundle_is_made_once_signed_with_the_key_of_the_set_up(numbered: list[Package], manager: User) -> None:
    made = bundles.export(actor=manager, package=numbered[0])
    assert bundles.export(actor=manager, package=numbered[0]) == made
    assert made.bundle
    manifest = check(bundles.folder(made.bundle), signing.private_key().public_key())
    assert (manifest.model, manifest.package) == ("flight-eta", 1)
    assert (made.size > 0, made.seconds > 0) == (True, True)
    assert AuditRow.objects.filter(action="edge.export").count() == 1


def test_what_scikit_learn_answers_cannot_be_exported_and_says_why(numbered: list[Package], manager: User) -> None:
    Package.objects.filter(pk=numbered[0].pk).update(runtime="sklearn", runtime_reason="Its answers would differ.")
    numbered[0].refresh_from_db()
    with pytest.raises(Conflict, match=r"scikit-learn.*Its answers would differ"):
        bundles.export(actor=manager, package=numbered[0])


def test_a_bundle_that_fails_its_own_test_is_none(
    numbered: list[Package], manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving.edge.model import Report

    monkeypatch.setattr(bundles, "test_apart", lambda _: Report("It is wrong."))
    with pytest.raises(Conflict, match="It is wrong"):
        bundles.export(actor=manager, package=numbered[0])
    assert not EdgeBundle.objects.exists()


def test_an_altered_package_makes_no_bundle(numbered: list[Package], manager: User, settings: Any) -> None:
    model = settings.ARTEFACTS / numbered[0].artefact.removeprefix("sha256:") / "model.onnx"
    model.write_bytes(b"other")
    with pytest.raises(Conflict, match="not the file that was accepted"):
        bundles.export(actor=manager, package=numbered[0])


def test_who_may_not_register_may_not_export(numbered: list[Package], person: Callable[[str], User]) -> None:
    with pytest.raises(Forbidden):
        bundles.export(actor=person("viewer"), package=numbered[0])


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "model.onnx/..", "nothing"])
def test_only_files_of_bundles_are_found(numbered: list[Package], manager: User, name: str) -> None:
    made = bundles.export(actor=manager, package=numbered[0]).bundle or ""
    assert bundles.file(made, "model.onnx")
    assert bundles.file(made, name) is None
    assert bundles.file("..", "model.onnx") is None


# --- smaller bundles --------------------------------------------------------------------------------------------------


def test_trees_and_sums_do_not_get_smaller_and_the_reason_is_kept(numbered: list[Package], manager: User) -> None:
    found = smaller.run(numbered[0], manager)
    assert found.bundle is None
    assert "does not make it smaller" in found.words
    smaller.run(numbered[0], manager)
    assert EdgeBundle.objects.filter(variant="smaller").count() == 1


def test_a_model_of_matrix_products_gets_smaller(model: MLModel, manager: User, settings: Any, tmp_path: Path) -> None:
    made = smaller.run(product(model, settings, tmp_path), manager)
    full = EdgeBundle.objects.get(variant="full")
    assert made.bundle, made.words
    assert made.size < 0.5 * full.size
    assert 0 < made.apart <= made.tolerance


def test_one_that_would_answer_otherwise_is_not_offered(
    model: MLModel, manager: User, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smaller, "TOLERANCE", 1e-9)
    made = smaller.run(product(model, settings, tmp_path), manager)
    assert (made.bundle, "away from the full model's" in made.words) == (None, True)


def test_a_quantisation_that_never_ends_is_given_up(
    numbered: list[Package], manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired("x", 1)

    monkeypatch.setattr(subprocess, "run", hangs)
    assert "did not end" in smaller.run(numbered[0], manager).words


def product(model: MLModel, settings: Any, tmp_path: Path) -> Package:
    """A package whose model is two matrix products with a thousand weights and more."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from releases.tests.conftest import make_package
    from serving.artefacts import write_serving_form
    from serving.tests.builders import digest

    settings.ARTEFACTS, settings.VAR = tmp_path / "artefacts", tmp_path
    rng = np.random.default_rng(1)
    weights = [rng.uniform(size=shape).astype(np.float32) for shape in ((16, 256), (256, 1))]
    held = [numpy_helper.from_array(each, name) for each, name in zip(weights, "ab", strict=True)]
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "b"], ["y"]),
    ]
    shape = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 16])]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "product", shape, out, held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "p.onnx")
    columns = [{"name": f"c{at}", "type": "float", "required": True} for at in range(16)]
    signature = {
        "inputs": columns,
        "outputs": [{"name": "y", "type": "double"}],
        "params": None,
        "metadata": {"constraints": {each["name"]: {"ge": -1, "le": 1} for each in columns}},
    }
    form = write_serving_form(
        settings.ARTEFACTS,
        package=digest("product"),
        runtime="onnx",
        kind="regressor",
        model=tmp_path / "p.onnx",
        signature=signature,
    )
    more = {"digest": digest("product"), "artefact": form, "signature": signature, "example": []}
    return make_package(model, 1, **more)
