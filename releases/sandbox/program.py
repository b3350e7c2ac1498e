"""The command line of one of our own programs, so that it finds our code in every tier.

A folder that holds more than our code, such as the checkout, must not be listed from inside; yet that is how Python
looks for a module on its path. So each of our top packages is named with its folder instead.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

START = """
import importlib.util, json, runpy, sys
folders = json.loads(sys.argv[1])
class Ours:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in folders:
            spec, where = importlib.util.spec_from_file_location, [folders[name]]
            return spec(name, where[0] + "/__init__.py", submodule_search_locations=where)
sys.meta_path.insert(0, Ours)
del sys.argv[:2]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def command(file: Path, arguments: Iterable[str], packages: Iterable[Path]) -> list[str]:
    """Return how a file is run as a program that may import from these folders of packages.

    Like -I, but one variable of the sandbox counts: its fixed hash seed makes the same ONNX form every time.
    """
    folders = {package.name: str(package) for package in packages}
    return [sys.executable, "-P", "-s", "-B", "-c", START.strip(), json.dumps(folders), str(file), *arguments]
