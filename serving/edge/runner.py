"""The runner as one file: those of our own modules that a device needs, in a zip that Python runs.

So a device checks and answers with the code of the server, and not with one that is like it.
"""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = {
    "serving": ("folders",),
    "serving/contract": (
        "batch",
        "crowd",
        "drawing",
        "errors",
        "expected",
        "explaining",
        "fields",
        "schema",
        "signature",
    ),
    "serving/runtimes": ("base", "onnx", "rows"),
    "serving/edge": ("__main__", "copies", "device", "documents", "model", "server", "trying"),
}
MAIN = "import sys\nfrom serving.edge.__main__ import main\nsys.exit(main())\n"
# Zip knows no time before this one; a fixed one keeps the file the same wherever it is made.
TIME = (1980, 1, 1, 0, 0, 0)


@cache
def packed() -> bytes:
    """Return the file `runner.pyz`, the same bytes for the same code."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in sorted(_parts().items()):
            file.writestr(zipfile.ZipInfo(name, TIME), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _parts() -> dict[str, bytes]:
    found = {"__main__.py": MAIN.encode()}
    for folder, names in MODULES.items():
        # The packages' own first files import more than a device has.
        found[f"{folder}/__init__.py"] = b""
        found |= {f"{folder}/{name}.py": (ROOT / folder / f"{name}.py").read_bytes() for name in names}
    return found
