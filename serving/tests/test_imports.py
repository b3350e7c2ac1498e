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
