"""The contract in the browser: the same rows are refused by the same rules in the same words as by the server."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from serving.contract import ContractError, Decoder, Signature
from serving.tests.builders import flight

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = [ROOT / "static" / "js" / f"edge-{name}.js" for name in ("json", "contract")]
ASK = """([signature, bodies]) => {
  const { Refusal, fieldsOf, parse, read } = window.slipwayEdge;
  const fields = fieldsOf(parse(signature));
  return bodies.map((body) => {
    try {
      return [read(body, fields).length];
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return error.details.map(({ row, field, rule }) => [row, field, rule]);
    }
  });
}"""
EVERY_TYPE = Signature.from_json(
    {
        "inputs": [
            {"name": "flag", "type": "boolean", "required": True},
            {"name": "small", "type": "integer", "required": True},
            {"name": "big", "type": "long", "required": True},
            {"name": "single", "type": "float", "required": False},
            {"name": "double", "type": "double", "required": True},
            {"name": "word", "type": "string", "required": False},
        ],
        "outputs": [],
        "params": None,
        "metadata": {
            "constraints": {
                "small": {"ge": -3, "le": 7},
                "big": {"values": [1, 9007199254740993]},
                "single": {"gt": 0.5, "lt": 1e6},
                "double": {"ge": 1.5e-7},
                "word": {"values": ["a", "ä", " "]},
            }
        },
    }
)
TENSOR = Signature.from_json(
    {
        "inputs": [{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2, 2]}}],
        "outputs": [],
    }
)
# As they stand in JSON: what is whole, what is a fraction, and how large decides.
VALUES = [
    *("0", "1", "-0", "7", "8", "-4", "1.0", "1.5", "-1.5", "1e3", "1E-7", "0.5", "0.50000001", "1e6", "999999.9"),
    *("2147483647", "2147483648", "-2147483649", "9007199254740993", "9007199254740992", "9223372036854775808"),
    *("1e39", "-1e39", "1e308", "1e400", "9" * 400, "3.4028234663852886e38", "1.4999999e-7", "1.5e-7"),
    *(
        "true",
        "false",
        "null",
        '"a"',
        '"\\u00e4"',
        '" "',
        '"b"',
        '""',
        "[]",
        "[1]",
        "{}",
        "NaN",
        "Infinity",
        "-Infinity",
    ),
]
NAMES = ["flag", "small", "big", "single", "double", "word", "more", "\\u200b", "x" * 61, "Grüße"]
GOOD = {"flag": "true", "small": "1", "big": "9007199254740993", "single": "0.75", "double": "2", "word": '"a"'}


def drawn(count: int) -> list[str]:
    """Requests of one or two rows, most of them wrong in a thing or two; the same ones every time."""
    draw = random.Random(6)
    return [f'{{"instances": [{", ".join(_row(draw) for _ in range(draw.choice((1, 1, 2))))}]}}' for _ in range(count)]


def _row(draw: random.Random) -> str:
    if draw.random() < 0.2:
        return f"[{', '.join(draw.choice(VALUES) for _ in range(draw.randrange(4, 8)))}]"
    row = dict(GOOD)
    for _ in range(draw.randrange(3)):
        row[draw.choice(NAMES)] = draw.choice(VALUES)
    for _ in range(draw.randrange(2)):
        row.pop(draw.choice(list(row)))
    pairs = [f'"{name}": {value}' for name, value in row.items()]
    if draw.random() < 0.1:
        pairs.append(f'"{draw.choice(NAMES)}": 1')
    return f"{{{', '.join(pairs)}}}"


def tensors() -> list[str]:
    parts = [*VALUES[:8], "[1, 2]", "[1, 2, 3]", "[[1, 2], [3, 4]]", "[[1, null], [3, 4]]", '[["a", 2], [3, 4]]']
    parts += ["[[1e39, 2], [3, 4]]", '{"x": [[1, 2], [3, 4]]}', '{"x": [1]}', '{"y": 1}', '{"x": 1, "x": 2}']
    return [f'{{"instances": [{part}]}}' for part in parts]


FORMS = [
    *("{}", "[]", "1", '"a"', '{"instances": 1}', '{"instances": []}', '{"instances": [1]}', '{"instances": [null]}'),
    *('{"instances": [{}], "more": 1}', '{"instances": [{}], "instances": [{}]}', '{"instances": [{}, []]}'),
    f'{{"instances": [{", ".join(["1"] * 10_001)}]}}',
]


def expected(signature: Signature, body: str) -> list[Any]:
    try:
        return [Decoder(signature).decode_v1(body.encode()).rows]
    except ContractError as problem:
        return [[each["row"], each["field"], each["rule"]] for each in problem.details]


@pytest.fixture(scope="module")
def page(browser: Browser) -> Any:
    opened = browser.new_page()
    for script in SCRIPTS:
        opened.add_script_tag(path=script)
    yield opened
    opened.close()


@pytest.mark.browser
@pytest.mark.needs("browser")
@pytest.mark.parametrize(
    ("signature", "bodies"),
    [(EVERY_TYPE, drawn(1500) + FORMS), (flight(), drawn(200) + FORMS), (TENSOR, tensors() + FORMS)],
    ids=["every type", "flights", "a tensor"],
)
def test_the_browser_refuses_what_the_server_refuses(page: Page, signature: Signature, bodies: list[str]) -> None:
    found = page.evaluate(ASK, [json.dumps(signature.to_json()), bodies])
    wanted = [expected(signature, body) for body in bodies]
    wrong = [
        (body[:300], ours, theirs) for body, ours, theirs in zip(bodies, found, wanted, strict=True) if ours != theirs
    ]
    assert not wrong, wrong[:3]
    if signature is not TENSOR:
        assert sum(len(each) > 1 for each in wanted) > 20, "the rows are to be wrong in many ways"


@pytest.mark.browser
@pytest.mark.needs("browser")
def test_the_browser_writes_numbers_as_python_does(page: Page) -> None:
    draw = random.Random(7)
    numbers = [0.5, 1e6, 999999.5, 1e-4, 9.99999e-5, 123456.7, 1234567.0, 1e22, 5e-324, 1e300, -0.0, 0.0, 100.0, 2.5]
    numbers += [draw.uniform(-1, 1) * 10 ** draw.randrange(-12, 20) for _ in range(500)]
    found = page.evaluate("(numbers) => numbers.map(window.slipwayEdge.general)", numbers)
    assert found == [f"{number:g}" for number in numbers]


@pytest.mark.browser
@pytest.mark.needs("browser")
@pytest.mark.parametrize(
    "text", ["", "{", "[1,]", "{1: 2}", "01", "+1", "1.", ".5", "'a'", '"\n"', "[1] 2", "tru", "[" * 9999]
)
def test_what_is_no_json_is_none_in_the_browser(page: Page, text: str) -> None:
    refused = page.evaluate(
        "(text) => { try { window.slipwayEdge.parse(text); return false; } catch (error) "
        "{ return error instanceof window.slipwayEdge.NoJson; } }",
        text,
    )
    assert refused
