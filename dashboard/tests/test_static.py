"""What the pages load is ours: no other host, nothing inline, every vendored file known by its hash."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
STYLES = sorted((ROOT / "static").rglob("*.css"))
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
VENDORED = [ROOT / "static" / "vendor", ROOT / "dashboard" / "tests" / "browser" / "vendor"]
LISTED = dict(
    re.findall(r"^\| `([^`]+)` .*\| `([0-9a-f]{64})` \|$", (VENDORED[0] / "VENDORED.md").read_text(), re.MULTILINE)
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_comments(path: Path) -> str:
    return re.sub(r"\{#.*?#\}", "", path.read_text())


@pytest.mark.parametrize("path", TEMPLATES, ids=named)
def test_a_template_loads_nothing_from_another_host(path: Path) -> None:
    resources = r"""(?:src|srcset|poster|data)\s*=\s*["'](?:https?:)?//|<link[^>]+href\s*=\s*["'](?:https?:)?//"""
    assert not re.search(resources, without_comments(path), re.IGNORECASE)


@pytest.mark.parametrize("path", TEMPLATES, ids=named)
def test_a_template_has_no_inline_style_script_or_handler(path: Path) -> None:
    text = without_comments(path)
    assert not re.search(r"<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:|\shx-on", text, re.IGNORECASE)
    for attributes in re.findall(r"<script\b([^>]*)>", text):
        assert "src=" in attributes or 'type="application/json"' in attributes


@pytest.mark.parametrize("path", TEMPLATES, ids=named)
def test_a_comment_in_a_template_ends_on_its_own_line(path: Path) -> None:
    for line in path.read_text().splitlines():
        assert line.count("{#") == line.count("#}"), "Django's short comments cannot span lines"


@pytest.mark.parametrize("path", STYLES, ids=named)
def test_a_style_sheet_loads_nothing_from_another_host(path: Path) -> None:
    assert not re.search(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//""", path.read_text())


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_a_script_of_ours_runs_under_the_strict_policy(path: Path) -> None:
    assert not re.search(r"\beval\(|new Function|setAttribute\(\s*[\"']style|https?://|innerHTML\s*=", path.read_text())


@pytest.mark.parametrize("path", [*STYLES, *SCRIPTS, *(ROOT / "static" / "vendor").rglob("*.js")], ids=named)
def test_no_file_points_to_a_source_map(path: Path) -> None:
    assert "sourceMappingURL" not in path.read_text()


def test_every_vendored_file_is_listed_with_its_hash() -> None:
    files = [path for folder in VENDORED for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"]
    assert {named(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files} == LISTED


def test_the_charts_style_sheet_has_all_the_rules_of_plotly() -> None:
    assert (ROOT / "static/vendor/plotly/plotly.css").read_text().count("{") == 66


def test_collectstatic_works_with_manifest_storage(tmp_path: Path, settings) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STATICFILES_DIRS = [ROOT / "static"]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    assert (tmp_path / "staticfiles.json").exists()
    assert re.fullmatch(r"/?static/css/tokens\.[0-9a-f]{12}\.css", staticfiles_storage.url("css/tokens.css"))
    hashed = next(tmp_path.glob("css/tokens.*.css")).read_text()
    assert re.search(r"inter-latin-wght-normal\.[0-9a-f]{12}\.woff2", hashed)


def test_the_first_load_of_a_page_with_charts_is_small() -> None:
    brotli = pytest.importorskip("brotli")
    ours = [*STYLES, *SCRIPTS, *(ROOT / "static" / "vendor").rglob("*.js")]
    packed = sum(len(brotli.compress(path.read_bytes(), quality=9)) for path in ours)
    font = (ROOT / "static/vendor/inter/inter-latin-wght-normal.woff2").stat().st_size
    assert packed + font < 500_000
