"""What can go wrong in a verb, in words for people; pages and REST give each its own HTTP status."""

from __future__ import annotations


class Refused(Exception):
    """The input is wrong (400). `field` names it."""

    def __init__(self, message: str, field: str = "non_field_errors") -> None:
        super().__init__(message)
        self.message, self.field = message, field


class Conflict(Exception):
    """The input is fine but the state forbids it (409). `legal` lists what may be done instead."""

    def __init__(self, message: str, legal: list[str] | None = None) -> None:
        super().__init__(message)
        self.message, self.legal = message, legal or []


class LostRace(Conflict):
    """Somebody else changed it first; look again."""


class Forbidden(Exception):
    """The person has no right to this (403)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
