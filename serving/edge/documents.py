"""What is signed for devices: a bundle's manifest, and what a channel offers. Stdlib and `cryptography` alone.

A document is a text of JSON; its signature is made over the very bytes, so nothing has to be written the same twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = 1
# What is signed begins with one of these, so that no document can stand for one of the other kind.
BUNDLE, CHANNEL = b"slipway edge bundle 1\n", b"slipway edge channel 1\n"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MODEL, CONTRACT, GOLDEN = "model.onnx", "signature.json", "golden.json"
_HEX = re.compile(r"[0-9a-f]{64}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


class EdgeError(Exception):
    """A document, a bundle or a copy that a device must not use; the text says why."""


@dataclass(frozen=True)
class File:
    """One file of a bundle: its name, bytes and SHA-256 (hex)."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a bundle holds, which package it was made of, and how near its answers must come to the golden ones.

    `tolerance` is the largest difference of a number to its golden answer, as a part of the largest golden number.
    """

    model: str
    package: int
    digest: str
    variant: str
    kind: str
    classes: list[Any] | None
    onnx: dict[str, Any] | None
    tolerance: float
    files: tuple[File, ...]

    def to_bytes(self) -> bytes:
        return _bytes({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest whose signature was verified; raises EdgeError for one that this runner cannot use."""
        try:
            found = _object(data, "manifest")
            files = tuple(File(str(each["path"]), int(each["size"]), str(each["sha256"])) for each in found["files"])
            names = ("model", "package", "digest", "variant", "kind", "classes", "onnx", "tolerance")
            made = cls(**{name: found[name] for name in names}, files=files)
        except (KeyError, TypeError, ValueError) as error:
            raise EdgeError(f"The manifest cannot be read: {type(error).__name__}.") from error
        for file in made.files:
            if not _NAME.match(file.path) or file.path in (MANIFEST, SIGNATURE):
                raise EdgeError("The manifest names a file outside its folder.")
        if {MODEL, CONTRACT, GOLDEN} - {file.path for file in made.files}:
            raise EdgeError("The manifest lacks the model, its signature or its golden rows.")
        return made


@dataclass(frozen=True)
class Bundle:
    """A bundle that a channel offers: the SHA-256 of its manifest, and the number of the package."""

    id: str
    package: int


@dataclass(frozen=True)
class Offer:
    """What a channel offers. `serial` only grows; `coming` is for `share` (0 to 1) of the devices, by `seed`.

    Without any bundle the model is off: devices stop to answer.
    """

    model: str
    channel: str
    serial: int
    bundle: Bundle | None = None
    coming: Bundle | None = None
    share: float = 0.0
    seed: str = ""

    def to_bytes(self) -> bytes:
        return _bytes({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Offer:
        """Read an offer whose signature was verified; raises EdgeError for one that this runner cannot use."""
        try:
            found = _object(data, "channel")
            serial, share = int(found["serial"]), float(found["share"])
            bundles = {name: _bundle(found[name]) for name in ("bundle", "coming")}
            return cls(str(found["model"]), str(found["channel"]), serial, **bundles, share=share, seed=found["seed"])
        except (KeyError, TypeError, ValueError) as error:
            raise EdgeError(f"The channel's document cannot be read: {type(error).__name__}.") from error

    def wanted(self, device: str) -> Bundle | None:
        """Return the bundle that a device shall have. A growing share keeps whoever has the coming one."""
        return self.coming if self.coming and place_of(self.seed, device) < self.share else self.bundle


def place_of(seed: str, device: str) -> float:
    """Return the place of a device between 0 and 1; another seed shuffles them, so nobody is always the first."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{device}".encode()).digest()[:8], "big") / 2**64


def sign(kind: bytes, data: bytes, key: Ed25519PrivateKey) -> str:
    """Return the Ed25519 signature (RFC 8032) of a document, in base64."""
    return base64.b64encode(key.sign(kind + data)).decode()


def verify(kind: bytes, data: bytes, signature: str, key: Ed25519PublicKey) -> None:
    """Raise EdgeError unless the document was signed, as one of this kind, by the holder of the key."""
    try:
        key.verify(base64.b64decode(signature, validate=True), kind + data)
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise EdgeError("The signature is not by the key that this device trusts.") from error


def public_key(text: str) -> Ed25519PublicKey:
    """Read a public key: 32 bytes in base64. Raises EdgeError."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.strip(), validate=True))
    except (binascii.Error, ValueError) as error:
        raise EdgeError("The public key must be 32 bytes in base64.") from error


def id_of(manifest: bytes) -> str:
    """Return the name of a bundle: the SHA-256 of its manifest, in hex."""
    return hashlib.sha256(manifest).hexdigest()


def is_id(text: str) -> bool:
    return bool(_HEX.match(text))


def _bytes(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise EdgeError(f"The {what} is no object.")
    if found.get("format") != FORMAT:
        raise EdgeError(
            f"The {what} has the format {found.get('format')!r}; this runner knows {FORMAT}. Bring a new one."
        )
    return found


def _bundle(found: Any) -> Bundle | None:
    if found is None:
        return None
    if not is_id(str(found["id"])):
        raise ValueError("no SHA-256")
    return Bundle(str(found["id"]), int(found["package"]))
