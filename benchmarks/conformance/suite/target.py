"""The server that is asked, and what its model, trained on four numbers, must answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """`base` is the path before `/v2`; `rows` are asked and `labels` and `probabilities` are scikit-learn's own.

    `columns` is a second model with columns of three types, where the server has one; `v1`: it speaks V1 too.
    """

    name: str
    host: str
    base: str
    model: str
    version: str
    input: str
    label: str
    probabilities: str
    rows: list[list[float]]
    labels: list[int]
    chances: list[list[float]]
    columns: dict[str, Any] | None = None
    v1: bool = True

    @classmethod
    def read(cls, path: str) -> Target:
        return cls(**json.loads(Path(path).read_text()))

    @property
    def address(self) -> str:
        """Host, port and base without the scheme."""
        return self.host + self.base

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def flat(self) -> list[float]:
        return [value for row in self.rows for value in row]

    @property
    def shape(self) -> list[int]:
        return [len(self.rows), len(self.rows[0])]


class NotOffered(Exception):
    """The server has nothing that this case could be asked of."""
