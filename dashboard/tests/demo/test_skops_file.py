"""A canonical skops file is the same model, and the same bytes each time."""

import numpy as np
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dashboard.demo.skops_file import canonical, pack


def fitted(seed: int):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(30, 3))
    return make_pipeline(StandardScaler(), Ridge()).fit(rows, rows.sum(axis=1)), rows


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_two_dumps_of_equal_models_become_equal_bytes_and_predict_the_same(seed):
    (first, rows), (second, _) = fitted(seed), fitted(seed)
    written = canonical(skops.io.dumps(first))
    assert written == canonical(skops.io.dumps(second))
    assert (skops.io.loads(written).predict(rows) == first.predict(rows)).all()


def test_writing_it_again_changes_nothing():
    written = canonical(skops.io.dumps(fitted(1)[0]))
    assert canonical(written) == written


def test_a_pack_does_not_depend_on_the_order_of_its_members():
    assert pack({"a": b"1", "b": b"2"}) == pack({"b": b"2", "a": b"1"})
