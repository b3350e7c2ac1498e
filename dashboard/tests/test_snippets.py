from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dashboard import snippets

ROWS = [
    {"distance": 1400.5, "origin": "JFK", "late": True, "note": None},
    {"distance": 1, "origin": 'it\'s a "test" $HOME `id` \\n !x é 東 </script>', "late": False, "note": "a\nb"},
]


class Gateway(BaseHTTPRequestHandler):
    """Keeps what it was asked, answers a prediction."""

    seen: list[tuple[str, dict[str, str], object]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, dict(self.headers), json.loads(body)))
        answer = b'{"predictions":[42]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[str]:
    Gateway.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/dev/v1/models/flight-eta:predict"
    server.shutdown()
    thread.join()
    server.server_close()


RUN = {"curl": ["sh", "-c"], "Python": [sys.executable, "-c"], "JavaScript": ["node", "-e"]}
# Nobody needs Node for Slipway: where it is not there, two of the three snippets are pasted.
RUNNERS = [
    label for label, program in (("curl", "curl"), ("Python", "sh"), ("JavaScript", "node")) if shutil.which(program)
]


def paste(tabs: list[dict[str, str]], label: str) -> str:
    """Run one snippet as it stands, with the key in the variable that it names."""
    code = next(tab["code"] for tab in tabs if tab["label"] == label)
    environment = {"PATH": os.environ["PATH"], "SLIPWAY_KEY": "sk_secret", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run([*RUN[label], code], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("label", RUNNERS)
def test_a_pasted_snippet_sends_exactly_these_rows_with_the_key(gateway, label):
    output = paste(snippets.tabs(gateway, ROWS, keyless=False, package=4), label)
    assert "42" in output
    ((path, headers, body),) = Gateway.seen
    assert path == "/dev/v1/models/flight-eta:predict"
    assert body == {"instances": ROWS}
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["authorization"] == "Bearer sk_secret"
    assert headers["content-type"] == "application/json"
    assert headers["x-package"] == "4"


@pytest.mark.parametrize("label", RUNNERS)
def test_where_no_key_is_needed_the_snippet_works_without_any_preparation(gateway, label):
    tabs = snippets.tabs(gateway, [[1.5, 2.0]], keyless=True)
    assert "SLIPWAY_KEY" not in str(tabs)
    paste(tabs, label)
    ((_, headers, body),) = Gateway.seen
    assert body == {"instances": [[1.5, 2.0]]}
    assert "authorization" not in {name.lower() for name in headers}
    assert "x-package" not in {name.lower() for name in headers}


def test_no_snippet_ever_holds_a_secret():
    tabs = snippets.tabs("http://127.0.0.1:1/", ROWS, keyless=False)
    assert all("sk_" not in tab["code"] for tab in tabs)
    assert all("SLIPWAY_KEY" in tab["code"] for tab in tabs)
