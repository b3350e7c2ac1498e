"""The text that Prometheus reads (exposition format 0.0.4), from plain families of samples: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

# As they stand between the braces; written once for all samples that share them.
Labels = str
# A suffix of the family's name (a histogram has some), labels, a value.
Sample = tuple[str, Labels, float]


def labels(**values: str) -> Labels:
    """Return labels by name, in this order."""
    return ",".join([f'{name}="{text.translate(ESCAPES)}"' for name, text in values.items()])


def joined(*parts: Labels) -> Labels:
    """Return the labels of all parts."""
    return ",".join([part for part in parts if part])


@dataclass(slots=True)
class Family:
    """All samples of one name; `about` is one line for people."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, labels: Labels, value: float, suffix: str = "") -> None:
        self.samples.append((suffix, labels, value))

    def histogram(self, labels: Labels, edges: Iterable[float], counts: Iterable[int], total: float) -> None:
        """Add a histogram; `counts` has one number per edge and one for what lies above, not cumulative."""
        below = 0
        for edge, count in zip([*map(number, edges), "+Inf"], counts, strict=True):
            below += count
            self.add(joined(labels, f'le="{edge}"'), below, "_bucket")
        self.add(labels, total, "_sum")
        self.add(labels, below, "_count")


def text(families: Iterable[Family]) -> bytes:
    """Return the whole page; a family without samples is left out."""
    return "".join(line for family in families if family.samples for line in _lines(family)).encode()


def number(value: float) -> str:
    """Return a value as Prometheus reads it, a whole one without a point, and no digit lost."""
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)


def _lines(family: Family) -> Iterator[str]:
    about = family.about.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {family.name} {about}\n# TYPE {family.name} {family.kind}\n"
    for suffix, shown, value in family.samples:
        braces = f"{{{shown}}}" if shown else ""
        yield f"{family.name}{suffix}{braces} {number(value)}\n"
