"""docs/api.md names every address and every method that the schema has, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from drf_spectacular.generators import SchemaGenerator

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
ROW = re.compile(r"^\| `(/api/[^`?]*)[^`]*` \| ([A-Z, ]+) \|", re.MULTILINE)


def test_the_page_of_the_api_names_every_call():
    schema = SchemaGenerator().get_schema(request=None, public=True)
    calls = {path: {method.upper() for method in methods} for path, methods in schema["paths"].items()}
    written = {
        address.replace("<", "{").replace(">", "}"): set(methods.split(", "))
        for address, methods in ROW.findall(PAGE.read_text())
    }
    assert written == calls
