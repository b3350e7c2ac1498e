"""Addresses: what a path asks for, and how little of it is remembered."""

from __future__ import annotations

from serving.gateway import addresses
from serving.gateway.addresses import LONGEST_PATH, Place


def test_a_path_says_environment_protocol_verb_and_model() -> None:
    assert addresses.read("/dev/v1/models/eta:predict") == Place("dev", "v1", "predict", "eta")
    assert addresses.read("/v2/models/eta/versions/3/infer") == Place(None, "v2", "infer", "eta", "3")


def test_the_longest_names_still_fit() -> None:
    name, version = "m" * 100, "sha256:" + "0" * 64
    found = addresses.read(f"/{'e' * 100}/v2/models/{name}/versions/{version}/infer")
    assert found == Place("e" * 100, "v2", "infer", name, version)


def test_a_path_longer_than_any_address_is_nothing_and_is_not_remembered() -> None:
    before = addresses._read.cache_info().misses
    longest = "/dev/v1/models/".ljust(LONGEST_PATH, "a")
    assert addresses.read(longest) is not None
    assert addresses.read(longest + "a") is None
    assert addresses._read.cache_info().misses == before + 1


def test_errors_at_the_root_have_mlflows_form_where_its_addresses_are() -> None:
    assert [addresses.protocol(path) for path in ("/invocations", "/ping/", "/dev/mlflow/eta/x", "/mlflow")] == [
        "mlflow"
    ] * 4
    assert [addresses.protocol(path) for path in ("/ping/v1/models", "/", "/dev/version")] == ["v1", None, None]


def test_mlflows_addresses_are_read_with_and_without_a_model() -> None:
    assert addresses.read("/invocations") == Place(None, "mlflow", "predict")
    assert addresses.read("/health/") == Place(None, "mlflow", "ping")
    assert addresses.read("/dev/mlflow/eta/invocations") == Place("dev", "mlflow", "predict", "eta")
    assert addresses.read("/mlflow/eta/version") == Place(None, "mlflow", "version", "eta")
    for path in ("/dev/mlflow/eta", "/dev/mlflow/eta/infer", "/dev/invocations", "/mlflow//ping"):
        assert addresses.read(path) is None
