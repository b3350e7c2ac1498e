"""What stops a start: one clear sentence for the person at the keyboard."""

from __future__ import annotations


class Trouble(Exception):
    """The start cannot go on; the text says what is wrong and what to do."""
