"""Edge: bundles that prove themselves, and refuse and answer as the server does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.contract import ContractError, Decoder
from serving.edge.copies import check
from serving.edge.documents import BUNDLE, CHANNEL, EdgeError, File, Manifest, Offer, public_key, sign, verify
from serving.edge.making import SMALLER, make
from serving.edge.model import EdgeModel, apart
from serving.edge.trying import test_here
from serving.edge.wrong import wrong_rows
from serving.tests.builders import flight
from serving.tests.edge import KEY, MODEL, OTHER, bundle, source
from serving.tests.forms import ROW, pipeline

PUBLIC = KEY.public_key()
test_here.__test__ = False  # type: ignore[attr-defined]


# --- bundles ----------------------------------------------------------------------------------------------------------


def opened(folder: Path) -> EdgeModel:
    return EdgeModel(folder, check(folder, PUBLIC))


def test_a_bundle_answers_as_the_package_and_tests_itself(tmp_path: Path) -> None:
    made = tmp_path / "bundles" / bundle(tmp_path, 4).id
    model = opened(made)
    assert model.predict(json.dumps({"instances": [ROW, ROW]}).encode()) == [4.0, 4.0]
    assert model.predict(b'{"instances": [[529, 6.5, "JFK"]]}') == [4.0]
    report = model.self_test()
    assert report.passed
    assert report.seconds > 0


def test_the_same_package_makes_the_same_bundle(tmp_path: Path) -> None:
    first = bundle(tmp_path, 4)
    before = {path.name: path.read_bytes() for path in (tmp_path / "bundles" / first.id).iterdir()}
    assert bundle(tmp_path, 4) == first
    assert {path.name: path.read_bytes() for path in (tmp_path / "bundles" / first.id).iterdir()} == before
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [first.id]


def test_a_package_of_scikit_learn_makes_no_bundle(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    (tmp_path / "artefacts").mkdir()
    fitted = LinearRegression().fit(np.array([[1.0], [2.0]]), [1.0, 2.0])
    inputs = [{"name": "x", "type": "double", "required": True}]
    target = pipeline(tmp_path / "artefacts", 1, fitted, {"inputs": inputs, "outputs": [], "params": None})
    form = tmp_path / "artefacts" / target.artefact.removeprefix("sha256:")
    with pytest.raises(EdgeError, match="scikit-learn"):
        make(replace(source(tmp_path, 1), form=form, artefact=target.artefact), tmp_path / "bundles", KEY)


def test_any_changed_byte_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "bundles" / bundle(tmp_path, 4).id
    for path in sorted(made.iterdir()):
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(EdgeError):
                check(made, PUBLIC)
        path.write_bytes(whole)
    check(made, PUBLIC)


def test_a_file_more_or_less_and_another_key_are_refused(tmp_path: Path) -> None:
    made = tmp_path / "bundles" / bundle(tmp_path, 4).id
    with pytest.raises(EdgeError, match="not by the key"):
        check(made, OTHER.public_key())
    (made / "more.txt").write_text("more")
    with pytest.raises(EdgeError, match=r"more\.txt"):
        check(made, PUBLIC)
    (made / "more.txt").unlink()
    (made / "LICENCE.txt").unlink()
    with pytest.raises(EdgeError, match=r"LICENCE\.txt"):
        check(made, PUBLIC)


def test_a_signature_of_one_kind_of_document_is_none_of_the_other() -> None:
    data = b"{}"
    with pytest.raises(EdgeError, match="not by the key"):
        verify(CHANNEL, data, sign(BUNDLE, data, KEY), PUBLIC)


@pytest.mark.parametrize("path", ["../x", "a/b", "/etc/passwd", "manifest.json", "", ".x"])
def test_a_manifest_names_files_of_its_own_folder_only(path: str) -> None:
    made = Manifest(MODEL, 1, "sha256:0", "full", "regressor", None, None, 1e-6, (File(path, 1, "0" * 64),))
    with pytest.raises(EdgeError, match="outside"):
        Manifest.from_bytes(made.to_bytes())


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"format": 1}', b'{"format": 9}', b"\xff", b"9" * 5000, b"[" * 9999]
)
def test_documents_that_make_no_sense_are_refused_in_words(data: bytes) -> None:
    for kind in (Manifest, Offer):
        with pytest.raises(EdgeError, match=r"manifest|channel"):
            kind.from_bytes(data)


@pytest.mark.parametrize("text", ["", "no", "AAAA", "ä", "A" * 100])
def test_a_public_key_is_32_bytes(text: str) -> None:
    with pytest.raises(EdgeError, match="32 bytes"):
        public_key(text)


def test_a_smaller_model_has_its_own_tolerance(tmp_path: Path) -> None:
    from serving.tests.forms import constant

    (tmp_path / "artefacts").mkdir()
    near = constant(tmp_path / "near.onnx", 4.01)
    made = bundle(tmp_path, 4, variant=SMALLER, model=near, tolerance=0.01)
    assert opened(tmp_path / "bundles" / made.id).self_test().passed
    strict = bundle(tmp_path, 4, variant=SMALLER, model=near, tolerance=0.001)
    assert not opened(tmp_path / "bundles" / strict.id).self_test().passed


# --- the same contract ------------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
)
NAMES = st.sampled_from([*ROW, "id"])
ROWS = st.one_of(
    st.dictionaries(NAMES, st.one_of(VALUES, st.sampled_from(list(ROW.values()))), max_size=4),
    st.tuples(st.integers(1, 2000), st.floats(0, 23), st.sampled_from(["JFK", "LGA", "EWR", "XXX"])).map(list),
    st.just(ROW),
    VALUES,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> EdgeModel:
    folder = tmp_path_factory.mktemp("edge")
    return opened(folder / "bundles" / bundle(folder, 4).id)


@given(st.lists(ROWS, max_size=4))
def test_a_device_refuses_what_the_server_refuses_by_the_same_rules(model: EdgeModel, rows: list[Any]) -> None:
    body = json.dumps({"instances": rows}).encode()
    ours = theirs = None
    try:
        count = Decoder(flight()).decode_v1(body).rows
    except ContractError as problem:
        theirs = problem.details
    try:
        assert len(model.predict(body)) == count if theirs is None else model.predict(body)
    except ContractError as problem:
        ours = problem.details
    assert ours == theirs


def test_golden_rows_hold_wrong_ones_with_the_servers_rules(tmp_path: Path) -> None:
    made = tmp_path / "bundles" / bundle(tmp_path, 4).id
    refused = json.loads((made / "golden.json").read_bytes())["refused"]
    assert {field for case in refused for field, _ in case["rules"]} >= {"no such field", "distance", "hour", "origin"}
    assert len(refused) <= len(wrong_rows(flight(), ROW))


@pytest.mark.parametrize(
    ("found", "wanted", "far"),
    [
        ([1.0], [1.0], 0.0),
        ([1.0, 100.0], [2.0, 100.0], 0.01),
        ([1.0], [1.0, 1.0], float("inf")),
        ([[1.0, 2.0]], [[1.0, 4.0]], 0.5),
        ([[1.0]], [[1.0, 4.0]], float("inf")),
        ([{"label": "a"}], [{"label": "b"}], float("inf")),
        ([{"label": "a", "probabilities": {"a": 0.5}}], [{"label": "a", "probabilities": {"a": 1.0}}], 0.5),
        ([0.0], [0.0], 0.0),
    ],
)
def test_how_far_answers_are_apart(found: list[Any], wanted: list[Any], far: float) -> None:
    assert apart(found, wanted) == far


@pytest.mark.parametrize("what", ["answers", "refusals"])
def test_a_self_test_fails_where_answers_or_refusals_are_others(tmp_path: Path, what: str) -> None:
    made = tmp_path / "bundles" / bundle(tmp_path, 4).id
    golden = json.loads((made / "golden.json").read_bytes())
    if what == "answers":
        golden["predictions"] = [5.0]
    else:
        golden["refused"][0]["rules"] = [["distance", "is fine"]]
    (made / "golden.json").write_text(json.dumps(golden))
    assert not test_here(made).passed
