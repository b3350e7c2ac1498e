"""Write a model as skops so that the same model gives the same bytes, and so the same package digest, on each run."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

# skops names objects and files by memory address or at random, and stamps the zip with the time of day.
EPOCH = (1980, 1, 1, 0, 0, 0)


def write(model: object, path: Path) -> None:
    """Write the fitted scikit-learn model to `path`, compressed, in a form that is equal for equal models."""
    import skops.io  # heavy: brings scikit-learn

    path.write_bytes(canonical(skops.io.dumps(model)))


def canonical(dump: bytes) -> bytes:
    """Return the skops bytes with ids counted from 1 in the schema's order, files named after them, and no dates."""
    with zipfile.ZipFile(io.BytesIO(dump)) as source:
        schema, files = _renamed(json.loads(source.read("schema.json")))
        members = {"schema.json": json.dumps(schema, indent=1).encode()}
        members |= {new: source.read(old) for old, new in files.items()}
    return pack(members)


def pack(members: dict[str, bytes]) -> bytes:
    """Return a deflated zip of the members, sorted by name and without dates: the same members, the same bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, members[name])
    return target.getvalue()


def _renamed(schema: Any) -> tuple[Any, dict[str, str]]:
    """Return the schema with new ids and file names, and which old file became which new one."""
    ids: dict[int, int] = {}
    files: dict[str, str] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        renamed = {key: walk(value) for key, value in node.items()}
        if isinstance(node.get("__id__"), int):
            renamed["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
        if "__loader__" in node and isinstance(node.get("file"), str):
            name = f"{len(files) + 1}{Path(node['file']).suffix}"
            renamed["file"] = files.setdefault(node["file"], name)
        return renamed

    return walk(schema), files
