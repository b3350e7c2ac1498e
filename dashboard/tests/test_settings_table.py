"""docs/settings.md names every variable that is read, with the default that it really has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \|", re.MULTILINE)
PROCESS = "## A gateway of its own"


def table(gateway: bool) -> dict[str, str]:
    control, _, data = (ROOT / "docs/settings.md").read_text().partition(PROCESS)
    return dict(ROW.findall(data if gateway else control))


def calls(path: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.Call)]


def read_by_settings() -> dict[str, ast.expr]:
    """Return variable -> the expression of its default."""
    found = {}
    for call in calls("dashboard/settings.py"):
        if isinstance(call.func, ast.Name) and call.func.id.startswith("env_"):
            assert isinstance(call.args[0], ast.Constant)
            found[str(call.args[0].value)] = call.args[1]
    return found


def as_written(value: object) -> str:
    if value in ("", None):
        return "empty"
    return f"`{int(value)}`" if isinstance(value, bool) else f"`{value}`"


def read_by_gateway() -> set[str]:
    text = (ROOT / "serving/gateway/config.py").read_text()
    return set(re.findall(r'environ(?:\.get\(|\[|, )"([A-Z_]+)"', text))


def test_every_variable_of_the_settings_stands_in_the_table_and_no_other() -> None:
    assert set(table(gateway=False)) == set(read_by_settings())


@pytest.mark.parametrize("name", sorted(read_by_settings()))
def test_the_table_shows_the_true_default(name: str) -> None:
    default = read_by_settings()[name]
    if isinstance(default, ast.Constant):
        assert table(gateway=False)[name] == as_written(default.value)
    else:
        assert not table(gateway=False)[name].startswith("`0`")


def test_every_variable_of_a_gateway_stands_in_its_table_and_no_other() -> None:
    assert len(read_by_gateway()) > 7
    assert set(table(gateway=True)) == read_by_gateway()
