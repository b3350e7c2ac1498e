"""Origins as browsers send them, and nothing else."""

from __future__ import annotations

import pytest

from releases.errors import Refused
from releases.origins import MOST, origin, origins

pytestmark = pytest.mark.same_everywhere


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://shop.example.com", "https://shop.example.com"),
        (" HTTPS://Shop.Example.COM/ ", "https://shop.example.com"),
        ("https://shop.example.com:443", "https://shop.example.com"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_has_one_form(text: str, wanted: str) -> None:
    assert origin(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "https://*",
        "https://*.example.com",
        "https://",
        "shop.example.com",
        "ftp://shop.example.com",
        "https://shop.example.com/path",
        "https://shop.example.com?x",
        "https://shop.example.com#x",
        "https://user@shop.example.com",
        "https://shop.example.com:99999",
        "https://shop.example.com:x",
        "https://shop_.example.com\r\nx: y",
        "https://bücher.example",
        "https://" + "a" * 300,
        "javascript:alert(1)",
        "http://[::1",
    ],
)
def test_what_no_browser_would_send_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        origin(text)
    assert refused.value.field == "origins"


def test_empty_ones_and_repeats_are_left_out_and_their_number_is_bounded() -> None:
    assert origins(["https://a.example", "", " https://A.example/ "]) == ["https://a.example"]
    with pytest.raises(Refused, match="at most"):
        origins([f"https://{number}.example" for number in range(MOST + 1)])
