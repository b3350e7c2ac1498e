"""A virtual environment for each peer, made once below `var/benchmarks/venvs`: none is a requirement of ours."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

UV = Path(sys.executable).parent / "uv"


def make(folder: Path, requirements: tuple[str, ...]) -> Path:
    """Return the `bin` folder of the environment with these requirements, installed when it is not there yet."""
    name = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:10]
    place = folder / f"{requirements[0].partition('==')[0].partition('[')[0]}-{name}"
    if not (place / "complete").exists():
        print(f"  installing {', '.join(requirements)}", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        _run(UV, "venv", "--quiet", "--python", sys.executable, place)
        _run(UV, "pip", "install", "--quiet", *requirements, VIRTUAL_ENV=str(place))
        (place / "complete").touch()
    return place / "bin"


def _run(*command: str | Path, **more: str) -> None:
    subprocess.run([str(word) for word in command], check=True, env={**os.environ, **more})
