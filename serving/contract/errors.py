"""The refusal of a request that breaks a model's contract, in words that never repeat what was sent."""

from __future__ import annotations

from typing import TypedDict

MOST_DETAILS = 20


class Detail(TypedDict):
    """One broken rule in words, with the row's number (None: the whole request) and the field (None: the whole row)."""

    row: int | None
    field: str | None
    rule: str


class ContractError(Exception):
    """A request was refused; `str()` is a sentence for people, `details` holds up to 20 broken rules."""

    def __init__(self, details: list[Detail], *, rows: str = "instances") -> None:
        self.details = details[:MOST_DETAILS]
        more = len(self.details) - 1
        super().__init__(sentence(self.details[0], rows) + (f" (and {more} more)" if more > 0 else ""))


def sentence(detail: Detail, rows: str) -> str:
    """Return `instances[2].distance: must be greater than 0`."""
    where = "" if detail["row"] is None else f"{rows}[{detail['row']}]"
    name = ".".join(part for part in (where, detail["field"]) if part)
    return f"{name}: {detail['rule']}" if name else detail["rule"]


def whole(rule: str) -> ContractError:
    """Return the refusal of a request as a whole."""
    return ContractError([Detail(row=None, field=None, rule=rule)])


def named(field: str, rule: str) -> ContractError:
    """Return the refusal of one field, in every row."""
    return ContractError([Detail(row=None, field=field, rule=rule)])
