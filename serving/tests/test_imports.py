"""A gateway that serves only ONNX stays small: nothing heavy and no Django comes with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HEAVY = {"django", "celery", "sklearn", "scipy", "pandas", "pyarrow", "onnx", "skl2onnx", "skops", "onnxruntime"}


def test_starting_a_gateway_imports_nothing_heavy_and_no_django() -> None:
    code = "import json, sys, serving.gateway.__main__; print(json.dumps(sorted(sys.modules)))"
    root = Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert HEAVY & set(json.loads(result.stdout)) == set()


def test_serving_scikit_learn_does_without_pyarrow_and_leaves_it_to_be_found() -> None:
    code = "import serving.runtimes.sklearn, sys; assert 'pyarrow' not in sys.modules; import pyarrow, pandas"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
