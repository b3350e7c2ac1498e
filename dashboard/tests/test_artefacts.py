from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

HEX = "a" * 64


@pytest.fixture
def folder(settings, tmp_path: Path) -> Path:
    settings.ARTEFACTS, settings.GATEWAY_TOKEN = tmp_path / "artefacts", "a-token"
    folder = settings.ARTEFACTS / HEX
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights" * 1000)
    (tmp_path / "secret").write_text("not for you")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "folder").mkdir()
    return folder


def get(path: str, authorization: str = "Bearer a-token"):
    return Client(headers={"Authorization": authorization}).get(f"/artefacts/{path}")


def test_a_gateway_with_the_token_gets_the_file_as_a_stream(folder):
    answer = get(f"{HEX}/model.onnx")
    assert answer.status_code == 200
    assert answer.streaming
    assert b"".join(answer.streaming_content) == b"weights" * 1000
    assert answer["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer wrong", "a-token", "Basic a-token", "Bearer a-tokenx"]
)
def test_without_the_right_token_there_is_nothing_at_the_address(folder, authorization):
    assert get(f"{HEX}/model.onnx", authorization).status_code == 404


def test_without_a_token_in_the_settings_nobody_gets_anything(folder, settings):
    settings.GATEWAY_TOKEN = ""
    assert get(f"{HEX}/model.onnx").status_code == 404
    assert get(f"{HEX}/model.onnx", "Bearer ").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        f"{HEX}/../../secret",
        f"{HEX}/%2e%2e/%2e%2e/secret",
        f"{HEX}/..%2f..%2fsecret",
        f"{HEX}//etc/passwd",
        f"{HEX}/link",
        f"{HEX}/folder",
        f"{HEX}/folder/deeper",
        f"{HEX}/missing",
        f"{HEX}/.hidden",
        f"{HEX}/model.onnx%00",
        f"{HEX}/model.onnx%0a",
        f"{'A' * 64}/model.onnx",
        "../secret",
        "%2e%2e/secret",
        "short/model.onnx",
    ],
)
def test_no_path_leaves_the_folder_of_the_artefact(folder, path):
    assert get(path).status_code == 404
