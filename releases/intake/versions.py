"""Compare the library versions that the package was made with to those that will serve it."""

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

LIBRARIES = ("scikit-learn", "skops", "numpy", "scipy", "pandas", "onnx", "onnxruntime", "skl2onnx")


def compare(made_with: Mapping[str, str]) -> dict[str, Any]:
    """name → {"package", "server", "same"}, for the libraries that matter; None where one side does not say."""
    return {name: _entry(made_with.get(name), version) for name, version in server().items()}


def server() -> dict[str, str | None]:
    """What is installed here."""
    return {"python": platform.python_version()} | {name: _installed(name) for name in LIBRARIES}


def sentence(compared: Mapping[str, Mapping[str, Any]]) -> str:
    """The line of the report."""
    known = {name: both for name, both in compared.items() if both["package"]}
    if not known:
        return "the package does not say with which versions it was made"
    other = [f"{name} {both['package']} (here {both['server']})" for name, both in known.items() if not both["same"]]
    return (
        f"made with other versions: {', '.join(other)}"
        if other
        else f"all {len(known)} stated versions are the same here"
    )


def _entry(package: str | None, server: str | None) -> dict[str, Any]:
    return {"package": package, "server": server, "same": None if package is None else package == server}


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
