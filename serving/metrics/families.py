"""What the totals of a gateway are called by Prometheus: pure."""

from __future__ import annotations

from collections.abc import Mapping

from serving.metrics.prometheus import Family, Labels, joined, labels
from serving.metrics.totals import EDGES, Name, Total, Totals

SHORT = len("sha256:") + 12
Numbers = Mapping[tuple[str, str], int]


def of(totals: Totals, numbers: Numbers) -> list[Family]:
    """Return the families of all counts since the start; `numbers` are the packages' by model and digest."""
    picked = [(_labels(name, numbers), total) for name, total in sorted(totals.items()) if name[3]]
    away = [(name, total) for name, total in sorted(totals.items()) if not name[3]]
    return [*_counts(picked), *_times(picked), _errors(picked), _turned_away(away)]


def package(model: str, digest: str, numbers: Numbers) -> Labels:
    """Return the labels that name a package."""
    known = numbers.get((model, digest))
    return labels(package="" if known is None else str(known), digest=digest[:SHORT])


def _labels(name: Name, numbers: Numbers) -> Labels:
    environment, model, arm, digest, mode, protocol = name
    where, how = labels(environment=environment, model=model), labels(arm=arm, mode=mode, protocol=protocol)
    return joined(where, package(model, digest, numbers), how)


Picked = list[tuple[Labels, Total]]


def _counts(picked: Picked) -> list[Family]:
    requests = Family("slipway_requests_total", "counter", "Requests for which a package was picked.")
    refused = Family("slipway_refused_total", "counter", "Requests that broke the package's contract (4xx).")
    rows = Family("slipway_rows_total", "counter", "Rows predicted.")
    flying = Family("slipway_requests_in_flight", "gauge", "Requests without an outcome yet.")
    for which, total in picked:
        requests.add(which, total.starts)
        refused.add(which, total.refused)
        rows.add(which, total.rows)
        flying.add(which, total.running)
    return [requests, refused, rows, flying]


def _times(picked: Picked) -> list[Family]:
    words = "Seconds from the complete body to the answer, errors included; a timeout lies above the highest edge."
    whole = Family("slipway_request_duration_seconds", "histogram", words)
    queued = Family("slipway_queue_seconds_total", "counter", "Seconds that requests waited for their model.")
    computed = Family("slipway_model_seconds_total", "counter", "Seconds that the model took, a shared call for each.")
    for which, total in picked:
        whole.histogram(which, EDGES, total.latency, total.seconds)
        queued.add(which, total.queued)
        computed.add(which, total.computed)
    return [whole, queued, computed]


def _errors(picked: Picked) -> Family:
    errors = Family("slipway_errors_total", "counter", "Requests that ended in an error of the package, by kind.")
    for which, total in picked:
        for kind, count in sorted(total.errors.items()):
            errors.add(joined(which, labels(kind=kind)), count)
    return errors


def _turned_away(away: list[tuple[Name, Total]]) -> Family:
    family = Family("slipway_turned_away_total", "counter", "Requests refused before a package was picked.")
    for (environment, model, _, _, _, protocol), total in away:
        where = labels(environment=environment, model=model, protocol=protocol)
        for reason, count in sorted(total.errors.items()):
            status, _, kind = reason.partition(" ")
            family.add(joined(where, labels(status=status, kind=kind)), count)
    return family
