"""Serving forms: written whole or not at all, refused at the first altered byte, fetched only when complete."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serving import artefacts
from serving.artefacts import ArtefactError, fetch, folder_of, verify
from serving.tests.forms import package


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "artefacts"
    folder.mkdir()
    return folder


def test_the_same_form_written_twice_is_one_folder(store: Path) -> None:
    assert package(store, 1).artefact == package(store, 1).artefact
    assert len(list(store.iterdir())) == 1
    assert package(store, 2).artefact != package(store, 1).artefact


def test_a_form_holds_what_its_manifest_lists(store: Path) -> None:
    target = package(store, 1)
    manifest = verify(folder_of(store, target.artefact), target.artefact)
    assert (manifest.package, manifest.runtime, manifest.kind) == (target.digest, "onnx", "regressor")
    assert manifest.columns == ["distance", "hour", "origin"]
    assert [file.path for file in manifest.files] == ["example.json", "model.onnx", "signature.json"]


@pytest.mark.parametrize("name", ["model.onnx", "signature.json", "manifest.json"])
def test_an_altered_byte_is_found(store: Path, name: str) -> None:
    target = package(store, 1)
    path = folder_of(store, target.artefact) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ArtefactError, match=r"not the file that was accepted|does not have the digest"):
        verify(path.parent, target.artefact)


def test_a_missing_or_an_extra_file_is_found(store: Path) -> None:
    target = package(store, 1)
    folder = folder_of(store, target.artefact)
    (folder / "more.py").touch()
    with pytest.raises(ArtefactError, match=r"more\.py"):
        verify(folder, target.artefact)
    (folder / "more.py").unlink()
    (folder / "model.onnx").unlink()
    with pytest.raises(ArtefactError, match=r"model\.onnx"):
        verify(folder, target.artefact)


def test_fetching_from_a_folder_keeps_what_is_whole_and_mends_what_is_not(store: Path, tmp_path: Path) -> None:
    target = package(store, 1)
    copy = fetch(target.url, target.artefact, tmp_path / "copy")
    (copy / "model.onnx").write_bytes(b"broken")
    assert verify(fetch(target.url, target.artefact, tmp_path / "copy"), target.artefact)


def test_a_fetch_that_fails_leaves_nothing_behind(store: Path, tmp_path: Path) -> None:
    target = package(store, 1)
    (folder_of(store, target.artefact) / "model.onnx").write_bytes(b"another model")
    with pytest.raises(ArtefactError):
        fetch(target.url, target.artefact, tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_an_artefact_over_the_limit_is_refused(store: Path, tmp_path: Path) -> None:
    target = package(store, 1)
    with pytest.raises(ArtefactError, match="larger than the 10 bytes"):
        fetch(target.url, target.artefact, tmp_path / "copy", most=10)


def test_a_manifest_cannot_name_a_file_outside(store: Path, tmp_path: Path) -> None:
    manifest = artefacts.Manifest(
        package="p", runtime="onnx", kind="regressor", model_file="m", files=[artefacts.File("../m", 0, "")]
    )
    data = artefacts._canonical(manifest)
    (store / "manifest.json").write_bytes(data)
    with pytest.raises(ArtefactError, match="outside its folder"):
        fetch(store.as_uri(), artefacts._digest(data), tmp_path / "copy")


class Guarded(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers["Authorization"] == "Bearer token":
            super().do_GET()
        else:
            self.send_error(401)

    def log_message(self, *_: Any) -> None:
        pass


class Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served(store: Path) -> Iterator[Any]:
    servers = []

    def serve(handler: Any) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_fetching_over_http_sends_the_token(store: Path, tmp_path: Path, served: Any) -> None:
    target = package(store, 1)
    base = served(partial(Guarded, directory=str(store)))
    url = f"{base}/{target.artefact.removeprefix('sha256:')}"
    assert verify(fetch(url, target.artefact, tmp_path / "copy", token="token"), target.artefact)
    with pytest.raises(ArtefactError, match="cannot be fetched"):
        fetch(url, target.artefact, tmp_path / "other", token="wrong")


def test_a_redirect_is_not_followed(tmp_path: Path, served: Any) -> None:
    with pytest.raises(ArtefactError, match="cannot be fetched"):
        fetch(served(Elsewhere), "sha256:" + "0" * 64, tmp_path, token="token")
