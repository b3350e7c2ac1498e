"""The same call as curl, Python and JavaScript: each works when pasted as it stands.

Where a key is needed it is read from the environment variable SLIPWAY_KEY, so that no snippet ever holds a secret.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

VARIABLE = "SLIPWAY_KEY"


def tabs(url: str, instances: list[Any], *, keyless: bool, package: int | None = None) -> list[dict[str, str]]:
    """Return the tabs of the snippet component; `package` pins one by the header X-Package."""
    body = json.dumps({"instances": instances}, ensure_ascii=False)
    headers = {"Content-Type": "application/json"}
    if package is not None:
        headers["X-Package"] = str(package)
    return [
        {"label": "curl", "code": curl(url, body, headers, keyless)},
        {"label": "Python", "code": python(url, instances, headers, keyless)},
        {"label": "JavaScript", "code": javascript(url, body, headers, keyless)},
    ]


def curl(url: str, body: str, headers: dict[str, str], keyless: bool) -> str:
    lines = [f"curl -sS {shlex.quote(url)}"]
    if not keyless:
        lines.append(f'-H "Authorization: Bearer ${VARIABLE}"')
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    return " \\\n  ".join([*lines, f"-d {shlex.quote(body)}"])


def python(url: str, instances: list[Any], headers: dict[str, str], keyless: bool) -> str:
    """Only the standard library, so that nothing need be installed."""
    auth = "" if keyless else f'    "Authorization": "Bearer " + os.environ["{VARIABLE}"],\n'
    given = "".join(f"    {literal(name)}: {literal(value)},\n" for name, value in headers.items())
    modules = ["json", *([] if keyless else ["os"]), "urllib.request"]
    return (
        "".join(f"import {module}\n" for module in modules)
        + f"\nurl = {literal(url)}\n"
        + f"body = {literal({'instances': instances})}\n"
        + f"headers = {{\n{auth}{given}}}\n"
        + "request = urllib.request.Request(url, json.dumps(body).encode(), headers)\n"
        + "with urllib.request.urlopen(request) as answer:\n"
        + "    print(json.load(answer))"
    )


def javascript(url: str, body: str, headers: dict[str, str], keyless: bool) -> str:
    """For Node 18 and newer, and for a browser's console where no key is needed."""
    auth = "" if keyless else f"    Authorization: `Bearer ${{process.env.{VARIABLE}}}`,\n"
    given = "".join(f"    {json.dumps(name)}: {json.dumps(value)},\n" for name, value in headers.items())
    return (
        f"fetch({json.dumps(url)}, {{\n"
        '  method: "POST",\n'
        f"  headers: {{\n{auth}{given}  }},\n"
        f"  body: JSON.stringify({body}),\n"
        "})\n"
        "  .then((answer) => answer.json())\n"
        "  .then(console.log);"
    )


def literal(value: Any) -> str:
    """Return a JSON value as Python writes it, with double quotes as everywhere in the snippets."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(name)}: {literal(each)}' for name, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
