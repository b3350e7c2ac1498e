from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from releases.actions import audit
from releases.lifecycle import MOVES
from releases.models import AuditRow
from releases.queries import activity

pytestmark = pytest.mark.django_db


def text(answer) -> str:
    return answer.content.decode()


def record(number: int = 1, **values) -> list[AuditRow]:
    given = {"action": "model.create", "subject": "thing", "actor": None} | values
    subject = given.pop("subject")
    return [
        audit.record(given["action"], f"{subject} {n}", **{k: v for k, v in given.items() if k != "action"})
        for n in range(number)
    ]


@pytest.fixture
def client(signed_in, redis):
    return signed_in("viewer")


def subjects(page: str) -> list[str]:
    return re.findall(r"thing \d+", page)


def test_nothing_has_happened_yet(client):
    assert "Nothing has happened yet" in text(client.get("/activity/"))


def test_rows_stand_newest_first_with_who_what_and_why(client, manager):
    record(2)
    record(1, action="release.abort", actor=manager, reason="It was slow", model="flight-eta", environment="staging")
    page = text(client.get("/activity/"))
    assert subjects(page) == ["thing 0", "thing 1", "thing 0"]
    assert "release-manager" in page
    assert "It was slow" in page
    assert 'href="/models/flight-eta/"' in page
    assert 'href="/environments/staging/"' in page


def test_a_row_leads_to_its_subject(client, environments):
    audit.record("environment.change", environments["staging"], actor=None)
    assert 'changed the settings of <a href="/environments/staging/">staging</a>' in text(client.get("/activity/"))


def test_pages_go_on_from_a_row_and_back_without_gap_or_double(client):
    record(120)
    pages, address = [], "/activity/"
    while address:
        page = text(client.get(address))
        pages.append(subjects(page))
        older = re.search(r'rel="next" href="([^"]+)"', page)
        address = "/activity/" + older.group(1).replace("&amp;", "&") if older else ""
    assert [len(page) for page in pages] == [50, 50, 20]
    assert [each for found in pages for each in found] == [f"thing {number}" for number in reversed(range(120))]
    newer = re.search(r'rel="prev" href="([^"]+)"', page).group(1)
    assert subjects(text(client.get("/activity/" + newer))) == pages[1]


def test_rows_that_come_in_between_do_not_shift_the_pages(client):
    rows = record(60)
    record(30, subject="late")
    page = activity.page(activity.Filter(), before=rows[50].pk)
    assert [row.pk for row in page.rows] == [row.pk for row in reversed(rows[:50])]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"model": "flight-eta"}, 1),
        ({"environment": "staging"}, 2),
        ({"person": "release-manager"}, 1),
        ({"person": "slipway"}, 3),
        ({"action": "release"}, 2),
        ({"action": "release.abort"}, 1),
        ({"action": "release", "environment": "staging", "person": "slipway"}, 1),
        ({"model": "nothing"}, 0),
        ({"since": "2026-01-02"}, 3),
        ({"until": "2026-01-01"}, 1),
        ({"since": "2026-01-02", "until": "2026-01-02"}, 1),
    ],
)
def test_rows_are_filtered(client, manager, query, found):
    day = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)
    record(at=day, action="release.create", environment="staging")
    record(at=day + timedelta(days=1), action="release.abort", actor=manager, environment="staging")
    record(at=day + timedelta(days=2), model="flight-eta")
    record(at=day + timedelta(days=3))
    assert len(subjects(text(client.get("/activity/", query)))) == found


def test_a_filter_without_a_match_says_so_and_offers_everything(client):
    record()
    page = text(client.get("/activity/?model=nothing"))
    assert "Nothing matches" in page
    assert "Show everything" in page


@pytest.mark.parametrize(
    "query",
    [
        {"before": "abc"},
        {"before": "-1"},
        {"before": "9" * 40},
        {"after": "1' OR 1=1"},
        {"after": "²"},
        {"action": "%"},
        {"person": "<script>alert(1)</script>"},
        {"model": "\x00"},
    ],
)
def test_odd_addresses_are_harmless(client, query):
    record()
    answer = client.get("/activity/", query)
    assert answer.status_code in (200, 400)
    assert "<script>alert" not in text(answer)


@pytest.mark.parametrize("query", [{"since": "soon"}, {"since": "2026-02-02", "until": "2026-02-01"}])
def test_dates_that_make_no_sense_are_said(client, query):
    answer = client.get("/activity/", query)
    assert answer.status_code == 400
    assert "errorlist" in text(answer)


def test_reasons_and_subjects_are_never_markup(client):
    record(
        subject="<script>alert(1)</script>",
        reason="<img src=x onerror=alert(1)>",
        model="a/../b",
        details={"<b>": "<i>"},
    )
    page = text(client.get("/activity/"))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>" not in page


def test_a_whole_chain_is_said_to_be_whole(client):
    record(3)
    assert "The chain of 3 rows is whole." in text(client.get("/activity/?check=1"))


def test_a_changed_row_is_found(client):
    rows = record(3)
    AuditRow.objects.filter(pk=rows[1].pk).update(reason="nothing to see here")
    page = text(client.get("/activity/?check=1"))
    assert f"The chain is broken at row {rows[1].pk}." in page


def test_htmx_gets_the_check_alone(client):
    record()
    part = text(client.get("/activity/?check=1", headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert "is whole" in part


def test_every_action_that_is_recorded_has_words(settings):
    folders = (
        "releases/actions",
        "releases/modes/batch",
        "releases/modes/edge",
        "releases/modes/stream",
        "testing",
        "testing/uat",
    )
    sources = [p.read_text() for folder in folders for p in (settings.BASE_DIR / folder).glob("*.py")]
    recorded = {
        name for source in sources for name in re.findall(r'(?:audit\.record|_tell|_record)\(\s*"([a-z.]+)"', source)
    }
    recorded |= {name for source in sources for name in re.findall(r'"(package\.[a-z]+)"', source)}
    recorded |= {f"release.{action}" for action, _ in MOVES} | {"release.create", "release.step"}
    recorded |= {f"release.{action}" for action in ("pause", "resume", "weight", "steps", "promote", "postpone")}
    assert recorded == activity.WORDS.keys()


def test_many_rows_are_read_without_counting_them(client, django_assert_max_num_queries):
    now = timezone.now()
    names = ("model", "environment", "actor_name")
    AuditRow.objects.bulk_create(
        (
            AuditRow(
                at=now, action="model.create", subject=f"thing {n}", hash=str(n), **dict.fromkeys(names, f"x{n % 7}")
            )
            for n in range(2_000)
        ),
        batch_size=5000,
    )
    with django_assert_max_num_queries(9) as captured:
        client.get("/activity/?model=x1")
    (read,) = [query["sql"] for query in captured if "releases_auditrow" in query["sql"]]
    assert "LIMIT 51" in read
    assert "COUNT(" not in read
