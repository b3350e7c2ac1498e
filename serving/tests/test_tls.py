"""The gateway over TLS, by both servers, with a self-made certificate; and what a wrong one is told at start."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trustme

from serving import exchange
from serving.gateway.tls import Certificate, trusting
from serving.tests.builders import table
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, Valkey, wait_for

BODY = {"instances": [ROW]}
Make = Callable[[str], Certificate]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """Make a certificate of an authority of its own."""

    def make(name: str) -> Certificate:
        folder = tmp_path / name
        folder.mkdir()
        authority = trustme.CA()
        issued = authority.issue_cert("predict.example.com")
        chain, key, root = folder / "chain.pem", folder / "key.pem", folder / "root.pem"
        chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        authority.cert_pem.write_to_path(root)
        return Certificate(chain, key)

    return make


@pytest.mark.parametrize("server", ["granian", "uvicorn"])
def test_both_servers_speak_tls(valkey: Valkey, store: Path, tmp_path: Path, made: Make, server: str) -> None:
    certificate = made("ours")
    more = {
        "GATEWAY_SERVER": server,
        "GATEWAY_TLS_CERT": str(certificate.chain),
        "GATEWAY_TLS_KEY": str(certificate.key),
    }
    exchange.put_table(valkey.redis, table(package(store, 1)))
    gateway = GatewayProcess(valkey.url, tmp_path / "data", more=more).start()
    gateway.client = httpx.Client(
        base_url=f"https://127.0.0.1:{gateway.port}", verify=trusting(certificate.chain), trust_env=False
    )
    try:
        wait_for(gateway.ready)
        wait_for(lambda: gateway.beat(valkey.redis).get("address") == f"https://127.0.0.1:{gateway.port}")
        assert gateway.predict(ROW).json() == {"predictions": [1.0]}
        options = gateway.client.options("/dev/v1/models/eta:predict")
        assert (options.status_code, options.headers["allow"]) == (204, "OPTIONS, POST")
        assert "content-length" not in options.headers
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{gateway.port}/v2/health/live", trust_env=False)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"https://127.0.0.1:{gateway.port}/v2/health/live", trust_env=False)
        stranger = trusting(made("theirs").chain)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"https://127.0.0.1:{gateway.port}/v2/health/live", verify=stranger, trust_env=False)
        old = trusting(certificate.chain)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"https://127.0.0.1:{gateway.port}/v2/health/live", verify=old, trust_env=False)
    finally:
        gateway.kill()


def test_a_client_that_knows_the_authority_and_the_name_needs_nothing_else(
    valkey: Valkey, tmp_path: Path, made: Make
) -> None:
    certificate = made("ours")
    more = {"GATEWAY_TLS_CERT": str(certificate.chain), "GATEWAY_TLS_KEY": str(certificate.key)}
    gateway = GatewayProcess(valkey.url, tmp_path / "data", more=more).start()
    context = ssl.create_default_context(cafile=certificate.chain.with_name("root.pem"))
    address = f"https://127.0.0.1:{gateway.port}/v2/health/live"

    def answers() -> bool:
        try:
            with httpx.Client(verify=context, trust_env=False) as client:
                return client.get(address, extensions={"sni_hostname": "predict.example.com"}).status_code == 200
        except httpx.ConnectError as error:
            if "CERTIFICATE" in str(error):
                raise
            return False

    try:
        wait_for(answers)
    finally:
        gateway.client.close()
        gateway.kill()


def test_a_wrong_certificate_is_named_at_start(made: Make, tmp_path: Path) -> None:
    certificate, other = made("ours"), made("theirs")
    locked = tmp_path / "locked.pem"
    locked.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    for wrong, words in (
        (Certificate(tmp_path / "nowhere.pem", certificate.key), "nowhere.pem cannot be read"),
        (Certificate(certificate.key, certificate.key), "no PEM certificate and its key"),
        (Certificate(certificate.chain, other.key), "no PEM certificate and its key"),
        (Certificate(certificate.chain, locked), "the key has a password"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong.check()
    certificate.check()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"GATEWAY_TLS_CERT": "/nowhere/chain.pem"}, "GATEWAY_TLS_CERT and GATEWAY_TLS_KEY belong together"),
        ({"GATEWAY_TLS_KEY": "/nowhere/key.pem"}, "GATEWAY_TLS_CERT and GATEWAY_TLS_KEY belong together"),
        ({"GATEWAY_TLS_CERT": "/nowhere/a.pem", "GATEWAY_TLS_KEY": "/nowhere/b.pem"}, "/nowhere/a.pem cannot be read"),
    ],
)
def test_the_process_ends_with_one_sentence(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    given = {"GATEWAY_NAME": "x", "GATEWAY_BIND": "127.0.0.1:1", "GATEWAY_ENVIRONMENTS": "dev"}
    given |= {"GATEWAY_DATA": str(tmp_path), "REDIS_URL": "unix:///nowhere", **settings}
    command = [sys.executable, "-m", "serving.gateway"]
    done = subprocess.run(command, env=given, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (78, True, False)
