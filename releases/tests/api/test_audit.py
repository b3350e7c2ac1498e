"""The audit trail through the API."""

from __future__ import annotations

from releases.models import AuditRow


def test_the_trail_is_found_by_each_filter(manager_calls, environments):
    manager_calls.post("/api/models/", {"name": "flight-eta"})

    def found(query: str) -> list[str]:
        return [row["action"] for row in manager_calls.get(f"/api/audit/?{query}").json()["results"]]

    assert found("model=flight-eta") == found("action=model.create") == ["model.create"]
    assert found("actor=release-manager&since=2020-01-01T00:00:00Z") == ["model.create", "token.issue"]
    assert found("actor=nobody") == found("until=2020-01-01T00:00:00Z") == found("environment=dev") == []


def test_the_chain_is_whole_until_somebody_changes_a_row(manager_calls, environments):
    manager_calls.post("/api/models/", {"name": "flight-eta"})
    shown = manager_calls.get("/api/audit/check/").json()
    assert (shown["whole"], shown["rows"], shown["first_break"]) == (True, 2, None)
    assert shown["last_hash"] == AuditRow.objects.order_by("-id")[0].hash
    first = AuditRow.objects.order_by("id")[0]
    AuditRow.objects.filter(pk=first.pk).update(actor_name="somebody else")
    broken = manager_calls.get("/api/audit/check/").json()
    assert (broken["whole"], broken["first_break"]) == (False, first.pk)
