"""Figures in words, badges, drawings, and every component rendered once."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.template import engines
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from dashboard import drawings, figures
from dashboard.icons import ICONS
from dashboard.states import LOOKS, look
from dashboard.tests.gallery.sample import DIGEST

NOW = datetime(2026, 11, 22, 14, 2, 31, tzinfo=UTC)


def rendered(source: str, **context: object) -> str:
    return engines["django"].from_string(source).render(context).replace("\u00a0", " ")


@pytest.fixture
def gallery(settings, client: Client) -> Client:
    settings.ROOT_URLCONF = "dashboard.tests.gallery.urls"
    settings.MIDDLEWARE = ["dashboard.middleware.content_security_policy"]
    templates = [{**settings.TEMPLATES[0], "OPTIONS": {**settings.TEMPLATES[0]["OPTIONS"]}}]
    templates[0]["OPTIONS"]["context_processors"] = ["django.template.context_processors.request"]
    settings.TEMPLATES = templates
    return client


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ 0.0374|ms }}", "37.4 ms"),
        ("{{ 0.000086|ms }}", "86 µs"),
        ("{{ 1.2381|ms }}", "1.24 s"),
        ("{{ 0.0009|ms }}", "0.90 ms"),
        ("{{ none|ms }}", "–"),
        ("{{ 125|took }}", "2 min 5 s"),
        ("{{ 12000|took }}", "3 h 20 min"),
        ("{{ 412.4|rate }}", "412 req/s"),
        ("{{ 0.05|rate }}", "3.0 req/min"),
        ("{{ 0|rate }}", "0 req/s"),
        ("{{ 0.0004|percent }}", "0.04 %"),
        ("{{ 0.00001|percent }}", "&lt; 0.01 %"),
        ("{{ 0|percent }}", "0 %"),
        ("{{ 25.0|share }}", "25 %"),
        ("{{ 99.96|share }}", "99.96 %"),
        ("{{ 99.9999|share }}", "&gt; 99.99 %"),
        ("{{ 1234567|count }}", "1,234,567"),
        ("{{ 12345678|count }}", "12.3 M"),
        ("{{ 1|bytes }}", "1 byte"),
        ("{{ 14200000|bytes }}", "14.2 MB"),
        ("{{ 'sha256:9f2c1b7e04d85a6c71ae'|short_digest }}", "9f2c1b…71ae"),
        ("{{ 'flight-eta'|short_digest }}", "flight-eta"),
    ],
)
def test_a_filter_gives_the_right_words(source: str, words: str) -> None:
    assert rendered(source) == words


@pytest.mark.parametrize(
    ("past", "words"),
    [
        (2, "just now"),
        (12, "12 s ago"),
        (185, "3 min ago"),
        (7300, "2 h ago"),
        (86_400, "1 day ago"),
        (-200, "in 3 min"),
    ],
)
def test_a_moment_is_told_relative_to_now(past: int, words: str) -> None:
    assert figures.relative(NOW - timedelta(seconds=past), NOW).replace("\u00a0", " ") == words


def test_a_moment_long_ago_is_told_by_its_date() -> None:
    assert figures.relative(NOW - timedelta(days=40), NOW) == "13 Oct 2026"


def test_ago_carries_the_exact_moment_for_machines_and_on_hover() -> None:
    html = rendered("{{ at|ago }}", at=NOW)
    assert 'datetime="2026-11-22T14:02:31+00:00"' in html
    assert 'title="22 Nov 2026, 14:02:31 UTC"' in html
    assert "data-ago" in html


def test_moments_may_come_as_seconds_or_as_text() -> None:
    assert rendered("{{ at|exact }}", at=NOW.timestamp()) == "22 Nov 2026, 14:02:31 UTC"
    assert rendered("{{ at|exact }}", at=NOW.isoformat()) == "22 Nov 2026, 14:02:31 UTC"
    assert rendered("{{ at|ago }}{{ at|exact }}{{ at|clock }}", at=None) == "–––"
    assert ">14:02<" in rendered("{{ at|clock }}", at=NOW)


@given(st.floats(min_value=1e-6, max_value=1e4))
def test_a_latency_read_back_is_within_a_twentieth(seconds: float) -> None:
    figure, unit = figures.duration_parts(seconds)
    read = float(figure.replace(",", "")) * {"µs": 1e-6, "ms": 1e-3, "s": 1}[unit]
    assert abs(read - seconds) <= max(0.05 * seconds, 5e-7)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.none() | st.text(max_size=3))
def test_no_number_breaks_a_filter(value: object) -> None:
    for words in (figures.duration, figures.took, figures.rate, figures.percent, figures.share, figures.count):
        assert words(value)


def test_a_badge_has_a_word_and_an_icon_beside_its_colour() -> None:
    html = rendered('{{ "live"|state_badge }}')
    assert "tone-good" in html
    assert "<svg" in html
    assert "Live" in html


def test_a_badge_takes_other_words_and_escapes_them() -> None:
    assert "Canary 25 %" in rendered('{% state_badge "shifting" "Canary 25 %" %}')
    assert "<b>" not in rendered("{% state_badge state %}", state="<b>odd")


def test_a_state_without_a_look_is_shown_quietly_by_its_own_word() -> None:
    assert look("half_done") == ("quiet", "dot", "Half done")


def test_every_state_has_an_icon_that_was_drawn_and_a_known_tone() -> None:
    for state in LOOKS.values():
        assert state.icon in ICONS
        assert state.tone in {"good", "warn", "bad", "accent", "quiet"}


def test_an_icon_nobody_drew_is_an_error_for_the_developer() -> None:
    with pytest.raises(KeyError):
        rendered('{% icon "unicorn" %}')


def test_a_sparkline_needs_no_style_and_says_what_it_shows() -> None:
    html = rendered('{% sparkline values "requests" %}', values=[0, 2, None, 4])
    assert 'aria-label="requests"' in html
    assert "style=" not in html
    assert rendered("{% sparkline values %}", values=[1]) == ""


@given(st.lists(st.floats(min_value=0, max_value=1e9) | st.none(), min_size=2, max_size=90))
def test_a_sparkline_stays_inside_its_box(values: list[float | None]) -> None:
    for point in drawings.line_points(values).split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= drawings.WIDTH
        assert 0 <= y <= drawings.HEIGHT


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=6))
def test_the_bars_of_a_split_never_leave_the_whole(weights: list[float]) -> None:
    laid = drawings.bars([{"weight": weight} for weight in weights])
    assert sum(float(bar["width"]) for bar in laid) <= 100.01


def test_a_digest_is_short_and_copied_whole() -> None:
    html = rendered("{% digest value %}", value=DIGEST)
    assert f'data-copy="{DIGEST}"' in html
    assert "9f2c1b…71ae" in html


def test_a_figure_cannot_close_its_script() -> None:
    figure = {"title": "</script><script>alert(1)</script>"}
    html = rendered('{% figure_json figure "x" %}', figure=figure)
    assert html.count("</script>") == 1
    assert json.loads(re.sub(r"<[^>]+>", "", html)) == figure


def test_every_component_renders_and_the_page_is_whole(gallery: Client) -> None:
    page = gallery.get("/")
    html = page.content.decode()
    assert page.status_code == 200
    assert html.rstrip().endswith("</html>")
    assert len(set(ids := re.findall(r'\sid="([^"]+)"', html))) == len(ids), "an id stands twice"
    assert "{#" not in html
    assert "{%" not in html
    assert not re.search(r"\sstyle=|\son[a-z]+=", html)


def test_the_current_page_is_marked_in_the_navigation(gallery: Client) -> None:
    current = re.findall(r'<a href="([^"]+)" aria-current="page"', gallery.get("/").content.decode())
    assert current == ["/models/"]


def test_what_the_person_may_not_do_is_not_in_the_navigation(gallery: Client, monkeypatch) -> None:
    assert 'href="/keys/"' in gallery.get("/").content.decode()
    monkeypatch.setattr("dashboard.tests.gallery.urls._frame", dict)
    assert 'href="/keys/"' not in gallery.get("/").content.decode()


def test_a_field_with_an_error_names_it_for_screen_readers(gallery: Client) -> None:
    html = gallery.get("/").content.decode()
    field = next(tag for tag in re.findall(r"<textarea[^>]*>", html) if "aria-invalid" in tag)
    for described in re.search(r'aria-describedby="([^"]+)"', field)[1].split():
        assert f'id="{described}"' in html


def test_a_question_is_a_page_of_its_own_with_a_form(gallery: Client) -> None:
    html = gallery.get("/confirm/").content.decode()
    assert "data-dialog-content" in html
    assert '<form class="form" method="post" action="/"' in html
    assert "csrfmiddlewaretoken" in html


@pytest.mark.parametrize("status", [400, 403, 404, 409, 500])
def test_an_error_page_says_what_to_do_next(gallery: Client, status: int) -> None:
    page = gallery.get(f"/error/{status}/")
    assert page.status_code == status
    assert 'class="button primary"' in page.content.decode()


@pytest.mark.parametrize("name", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"])
def test_the_pages_that_django_looks_for_draw_without_a_request(name: str) -> None:
    assert "Go to the board" in engines["django"].get_template(name).render({})
