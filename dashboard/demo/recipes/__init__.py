"""What the demo registers: one dict of recipes, each of which trains a model and writes its upload folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dashboard.demo.recipes import breast_cancer, flight_eta, travel_time


@dataclass(frozen=True)
class Recipe:
    """One package of a demo model: its expected number, what it is in a few words, and how it is made."""

    model: str
    number: int
    title: str
    write: Callable[[Path], Path]


DESCRIPTIONS = {
    "flight-eta": "How many minutes a flight from New York is in the air.",
    "breast-cancer": "Whether a tumour is malignant or benign, from 30 measurements of a biopsy image.",
    "travel-time": "Time = distance / speed.",
}
FLIGHT_ETA = tuple(
    Recipe("flight-eta", number, title, partial(flight_eta.write, number=number))
    for number, title in flight_eta.TITLES.items()
)
BREAST_CANCER = Recipe("breast-cancer", 1, "logistic regression on standardised measurements", breast_cancer.write)
TRAVEL_TIME = Recipe("travel-time", 1, "a formula as an ONNX graph", travel_time.write)
