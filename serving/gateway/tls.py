"""The gateway's certificate: checked at start, and how Slipway's own calls trust its holder and nobody else."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """A certificate with its chain, and its key; both PEM files."""

    chain: Path
    key: Path

    def check(self) -> None:
        """Raise ValueError, in words that go on after a setting's name, when a server could not answer with it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for path in (self.chain, self.key):
            try:
                path.read_bytes()
            except OSError as error:
                raise ValueError(f"{path} cannot be read ({error.strerror})") from error
        try:
            # Without an answer to the question for a password OpenSSL would ask at the terminal, and wait.
            context.load_cert_chain(self.chain, self.key, password=lambda: b"")
        except (ssl.SSLError, OSError, ValueError) as error:
            why = "the key has a password" if _locked(self.key) else "they are no PEM certificate and its key"
            raise ValueError(f"{self.chain} and {self.key} cannot be used: {why}") from error


def trusting(chain: Path) -> ssl.SSLContext:
    """Return the terms on which our own calls reach a gateway with this certificate, whatever its address: it must
    hold the certificate's key. Others need a certificate in the gateway's public name. Raises OSError and SSLError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(chain)
    # The file begins with the gateway's own certificate, which is trusted as it stands.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _locked(key: Path) -> bool:
    return b"ENCRYPTED" in key.read_bytes()
