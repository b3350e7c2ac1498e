"""Read settings from the environment; a bad value fails at start, by the variable's name."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

from serving.gateway.tls import trusting

TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def env_str(name: str, default: str) -> str:
    """Return the variable, or the default where it is not set."""
    return os.environ.get(name, default)


def env_bool(name: str, default: bool) -> bool:
    """Return a switch; raises ImproperlyConfigured for anything but 1/0, true/false, yes/no, on/off."""
    word = os.environ.get(name, str(default)).strip().lower()
    if word in TRUE | FALSE:
        return word in TRUE
    raise ImproperlyConfigured(f"{name} must be 1 or 0 (got {word!r}).")


def env_int(name: str, default: int, *, least: int = 0) -> int:
    """Return a whole number of at least `least`; raises ImproperlyConfigured otherwise."""
    text = os.environ.get(name, str(default))
    if not text.strip().isdecimal() or int(text) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {least} (got {text!r}).")
    return int(text)


def env_float(name: str, default: float) -> float:
    """Return a number of at least zero; raises ImproperlyConfigured otherwise."""
    text = os.environ.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ImproperlyConfigured(f"{name} must be a number of at least 0 (got {text!r}).")
    return value


def env_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """Return one of the words, in capitals; raises ImproperlyConfigured otherwise."""
    word = os.environ.get(name, default).strip().upper()
    if word in choices:
        return word
    raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)} (got {word!r}).")


def env_zone(name: str, default: str) -> str:
    """Return the name of a time zone; raises ImproperlyConfigured for one that this machine does not know."""
    zone = os.environ.get(name, default).strip()
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ImproperlyConfigured(f"{name} must be a time zone such as Europe/Berlin (got {zone!r}).") from error
    return zone


def env_list(name: str, default: str) -> list[str]:
    """Return the comma-separated words of the variable."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def env_url(name: str, default: str) -> str:
    """Return an address without its last slash, or nothing; raises ImproperlyConfigured for anything else."""
    text = os.environ.get(name, default).rstrip("/")
    if text and not text.startswith(("http://", "https://")):
        raise ImproperlyConfigured(f"{name} must begin with https:// or http:// (got {text!r}).")
    return text


def env_certificate(name: str, default: str) -> str:
    """Return the path of a PEM certificate, or nothing; raises ImproperlyConfigured when it is none."""
    path = os.environ.get(name, default)
    if path:
        try:
            trusting(Path(path).expanduser())
        except OSError as error:  # that of TLS is one too
            raise ImproperlyConfigured(f"{name} must be the path of a PEM certificate (got {path!r}).") from error
    return str(Path(path).expanduser().resolve()) if path else ""


def env_path(name: str, default: Path) -> Path:
    """Return an absolute path."""
    return Path(os.environ.get(name) or default).expanduser().resolve()


def env_secret(name: str, folder: Path | None) -> str:
    """Return a secret from NAME, else from the file NAME_FILE, else from `folder`, where it is made once (mode 600).

    Without a folder a secret that nobody gave is empty: what it guards is switched off.
    """
    if value := os.environ.get(name):
        return value
    if given := os.environ.get(f"{name}_FILE"):
        return _read(name, Path(given))
    if folder is None:
        return ""
    path = folder / name.lower().replace("_", "-")
    return _read(name, path) if path.exists() else make_secret(path)


def make_secret(path: Path, value: str | None = None) -> str:
    """Write a secret (random where none is given) that only its owner can read; the first writer wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(value or secrets.token_urlsafe(48))
    try:
        os.link(draft, path)  # atomic, and fails when another process was first
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def _read(name: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: cannot read the secret from {path} ({error.strerror}).") from error
