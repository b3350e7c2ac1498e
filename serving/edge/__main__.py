"""The runner of a device: `python runner.pyz install | update | predict | back | status | check`.

It needs Python 3.11, onnxruntime, numpy and cryptography. What it knows lies in one folder, `--home`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serving.contract.errors import ContractError
from serving.edge.copies import Copies, check
from serving.edge.device import Device, start
from serving.edge.documents import MANIFEST, EdgeError, Manifest, public_key
from serving.edge.server import Server, Unreachable
from serving.edge.trying import test_apart

KEY = "trusted.key"


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; returns 0, or 1 after a sentence about what went wrong."""
    options = _parser().parse_args(words)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except (EdgeError, Unreachable, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1


def _check(options: argparse.Namespace) -> int:
    """Verify a bundle's folder, and test it, without installing it."""
    manifest = check(options.folder, public_key(options.key.read_text()))
    report = test_apart(options.folder)
    _say({"model": manifest.model, "package": manifest.package, **asdict(report)})
    return 0 if report.passed else 1


def _install(options: argparse.Namespace) -> int:
    """Take a bundle from a folder. The key is trusted from now on."""
    public_key(text := options.key.read_text())
    options.home.mkdir(parents=True, exist_ok=True)
    if not (options.home / KEY).exists():
        (options.home / KEY).write_text(text)
    copies = _copies(options)
    with copies.draft() as draft:
        shutil.copytree(options.folder, draft, dirs_exist_ok=True)
        bundle = copies.add(draft)
    report = test_apart(copies.folder(bundle))
    if not report.passed:
        raise EdgeError(report.problem)
    copies.switch(bundle)
    copies.sweep()
    return _status(options)


def _update(options: argparse.Namespace) -> int:
    """Follow the channel: once, or every so many seconds."""
    token = options.token_file.read_text().strip() if options.token_file else ""
    server = Server(options.server, options.model, options.channel, token)
    device = Device(_copies(options), server, options.device)
    while True:
        try:
            _say(asdict(device.update()))
        except Unreachable as error:
            if not options.every:
                raise
            print(error, file=sys.stderr)
        if not options.every:
            return 0
        time.sleep(options.every)


def _predict(options: argparse.Namespace) -> int:
    """Answer requests from standard input, one a line: `{"instances": [row, …]}`."""
    model, status = start(_copies(options)), 0
    for line in sys.stdin.buffer:
        try:
            _say({"predictions": model.predict(line)})
        except ContractError as problem:
            status = 1
            _say({"error": str(problem), "details": problem.details})
    return status


def _back(options: argparse.Namespace) -> int:
    """Return to the copy before, without asking anybody."""
    _copies(options).back()
    return _status(options)


def _status(options: argparse.Namespace) -> int:
    copies = _copies(options)
    state = copies.state
    found: dict[str, Any] = {
        "current": None,
        "previous": state.previous or None,
        "offer": state.serial,
        "off": state.off,
    }
    if copies.has(state.current):
        manifest = Manifest.from_bytes((copies.folder(state.current) / MANIFEST).read_bytes())
        found |= {"current": state.current, "model": manifest.model, "package": manifest.package}
    _say(found)
    return 0


def _copies(options: argparse.Namespace) -> Copies:
    path = options.home / KEY
    if not path.exists():
        raise EdgeError(f"{path} is missing: install a bundle first, with the key that you trust.")
    return Copies(options.home, public_key(path.read_text()))


def _say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


# A flag is wanted, a word without dashes stands for itself.
Wanted = Sequence[tuple[str, Callable[[str], Any], str]]
PLACE: Wanted = [("folder", Path, "the unpacked bundle"), ("--key", Path, "a file with the public key that you trust")]
HOME: Wanted = [("--home", Path, "the folder of this model on this device")]
CHANNEL: Wanted = [
    ("--server", str, "Slipway's address"),
    ("--model", str, "the model's name"),
    ("--channel", str, "stable or beta"),
    ("--device", str, "this device's name"),
]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runner.pyz", description="Runs a model that Slipway released, on a device.")
    commands = parser.add_subparsers(required=True, metavar="command")
    _command(commands, "check", _check, PLACE)
    _command(commands, "install", _install, [*PLACE, *HOME])
    update = _command(commands, "update", _update, [*HOME, *CHANNEL])
    update.add_argument("--token-file", type=Path, help="a file with an API key of the environment")
    update.add_argument("--every", type=float, default=0.0, help="seconds between updates (default: once)")
    _command(commands, "predict", _predict, HOME)
    _command(commands, "back", _back, HOME)
    _command(commands, "status", _status, HOME)
    return parser


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], int], wanted: Wanted) -> Any:
    parser = commands.add_parser(name, help=str(run.__doc__).split("\n")[0])
    for flag, kind, words in wanted:
        parser.add_argument(flag, type=kind, help=words, **({"required": True} if flag.startswith("-") else {}))
    parser.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
