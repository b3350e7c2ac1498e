"""Documents that can be wrong are checked: the state diagram, the commands of the README, the paths of pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from releases.lifecycle import MOVES
from releases.models import Environment, Intake, MLModel, Package, Release

ROOT = Path(settings.BASE_DIR)
ARROW = re.compile(r"^\s+(\w+) --> (\w+): (\w+)$", re.MULTILINE)


def test_the_state_diagram_is_the_table() -> None:
    drawn = {(action, old): new for old, new, action in ARROW.findall((ROOT / "docs/architecture.md").read_text())}
    assert drawn == MOVES


def test_every_path_that_architecture_names_exists() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    paths = re.findall(r"`((?:dashboard|releases|serving|testing|templates)/[\w/.]+?)/?`", text)
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_make_target_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"`?make ([a-z]+)", (ROOT / "README.md").read_text()))
    made = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"up", "test", "drill"} <= named <= made


def test_every_command_that_the_documents_name_exists() -> None:
    texts = [path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]]
    named = {name for text in texts for name in re.findall(r"manage\.py (\w+)", text)}
    ours = {path.stem for path in (ROOT / "dashboard/management/commands").glob("[a-z]*.py")}
    assert {"up", "traffic", "register"} <= named
    assert named - ours <= {"migrate", "createsuperuser", "changepassword"}


def test_relative_links_between_documents_lead_somewhere() -> None:
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for link in re.findall(r"\]\((?!http)([^)#]+)", path.read_text()):
            assert (path.parent / link).exists(), f"{path.name} links to {link}"


@pytest.mark.parametrize(
    ("thing", "name", "arguments"),
    [
        (MLModel(name="m"), "model", ["m"]),
        (Package(model=MLModel(name="m"), number=3), "package", ["m", 3]),
        (Intake(pk=7), "intake", [7]),
        (Environment(name="dev"), "environment", ["dev"]),
        (Release(pk=9), "release", [9]),
    ],
)
def test_the_domain_names_the_pages_paths_rightly(thing: object, name: str, arguments: list[object]) -> None:
    assert thing.get_absolute_url() == reverse(name, args=arguments)
