"""A pickle is known by its name and its bytes, and nothing else is taken for one."""

import bz2
import gzip
import io
import lzma
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.intake import pickles
from releases.tests import hostile, models


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("wrap", [bytes, zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_every_protocol_is_known_bare_and_compressed(protocol: int, wrap: Callable[[bytes], bytes]) -> None:
    assert pickles.disguise("weights.bin", wrap(hostile.bomb(Path("/nowhere"), protocol)))


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_what_joblib_writes_is_known_whatever_its_name(compress: object, tmp_path: Path) -> None:
    joblib.dump(models.tree(), tmp_path / "model", compress=compress)
    assert pickles.disguise("model.onnx", (tmp_path / "model").read_bytes())


@pytest.mark.parametrize("name", ["a.pkl", "A.PKL", "a.pickle.gz", "a.joblib", "a.dill", "a.cloudpickle", "x/a.pt"])
def test_the_name_alone_is_enough(name: str) -> None:
    assert pickles.disguise(name, b"harmless")


def test_models_and_arrays_are_not_taken_for_pickles() -> None:
    written = io.BytesIO()
    np.save(written, np.arange(9.0))
    for name, data in [
        ("model.skops", models.skops_bytes(models.tree())),
        ("model.onnx", models.travel_time()),
        ("x.npy", written.getvalue()),
        ("empty", b""),
    ]:
        assert pickles.disguise(name, data) is None
    for path in models.FLIGHT_ETA.iterdir():
        assert pickles.disguise(path.name, path.read_bytes()) is None


@settings(deadline=None)
@given(st.text())
def test_text_is_not_taken_for_a_pickle_unless_it_can_be_opened_as_one(text: str) -> None:
    if pickles.looks_like_pickle(text.encode()):
        assert "." in text


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_are_looked_at_without_an_error(data: bytes) -> None:
    pickles.disguise("file", data)
    pickles.disguise("file", pickles.NPY + data)
