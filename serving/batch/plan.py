"""What a batch job has settled before its first row is answered, and what its process is told and says (pure)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from serving.routing import Target

Form = Literal["csv", "jsonl", "parquet"]
PREDICTION, PACKAGE, PROBABILITY = "prediction", "package", "probability_"


class Unusable(Exception):
    """An input or a package that no row can be answered with; the text says what is wrong and what to do."""


class Chunk(msgspec.Struct, frozen=True):
    """Rows `first` to before `first + rows` of the input, of which the first row is 1.

    They are the bytes from `start` to before `stop` of the file, or, of a Parquet file, its part `number`.
    """

    number: int
    start: int
    stop: int
    first: int
    rows: int


class Prepared(msgspec.Struct, frozen=True):
    """The input in chunks. `digest` is the SHA-256 (hex) of what was unpacked, `ending` the end of a line of CSV."""

    digest: str
    size: int
    rows: int
    chunks: list[Chunk]
    columns: list[str] = []
    ending: str = "\n"


class Outputs(msgspec.Struct, frozen=True):
    """What the packages answer with: `width` numbers a row, or one of `classes`, with probabilities or without."""

    width: int = 1
    classes: list[str] | None = None
    probable: bool = False

    def names(self) -> list[str]:
        """Return the columns that a table gets, without the package's."""
        if self.classes is not None:
            return [PREDICTION, *(PROBABILITY + name for name in self.classes if self.probable)]
        return [PREDICTION] if self.width == 1 else [f"{PREDICTION}_{i + 1}" for i in range(self.width)]


class Plan(msgspec.Struct, frozen=True):
    """All that decides the bytes of the result: the same plan gives the same ones.

    `generation` and `targets` (those with weight) are the route as it was at the job's start; `sticky` names the field
    whose value picks the package, as it does for REST.
    """

    form: Form
    packed: bool
    digest: str
    model: str
    generation: int
    targets: list[Target]
    sticky: str | None = None
    columns: list[str] = []
    ending: str = "\n"
    outputs: Outputs = Outputs()

    def added(self) -> list[str]:
        """Return the columns that the output has beside the input's own."""
        return [*self.outputs.names(), PACKAGE]


class Wrong(msgspec.Struct, frozen=True):
    """A row that was not answered: its number in the input, from 1, the field (empty: the whole row) and the rule."""

    row: int
    field: str
    rule: str


class Answered(msgspec.Struct, frozen=True):
    """A chunk that is written: how many rows were answered, how many were wrong, and how many each package answered."""

    rows: int
    wrong: int
    packages: dict[str, int]
    tally: str = ""


class Order(msgspec.Struct, tag=True):
    """What a process is asked to do in the folder of a job."""

    folder: str


class Prepare(Order):
    form: Form
    packed: bool
    rows: int
    most_bytes: int


class Look(Order):
    form: Form
    targets: list[Target]
    columns: list[str]


class Answer(Order):
    plan: Plan
    chunk: Chunk


class Compare(Order):
    """Answer the chunk with the first and the second target, and tally how they differ."""

    plan: Plan
    chunk: Chunk
    atol: float
    rtol: float


class Assemble(Order):
    """`output`: with the answers, not only with the wrong rows."""

    plan: Plan
    chunks: list[int]
    output: bool


class Reply(msgspec.Struct):
    """`refused` says in words why an order cannot be carried out, whoever tries it."""

    done: Any = None
    refused: str = ""


Orders = Prepare | Look | Answer | Compare | Assemble
