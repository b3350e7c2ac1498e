"""flight-eta: five packages that learn a flight's minutes in the air from January to June, all with one signature."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.demo import skops_file
from dashboard.demo.flights import FEATURES, TARGET, TRAFFIC, TRAIN, frame
from dashboard.demo.upload import Example, lay_out

if TYPE_CHECKING:
    import pandas as pd

NUMBERS, TEXTS, ALL_TEXTS = ["distance", "month", "hour"], ["carrier", "origin"], ["carrier", "origin", "dest"]
SEED = 2013
RARE = 0.003  # package 4's trainer calls a destination with a smaller share of the rows noise
REQUIREMENTS = ["numpy", "pandas", "scikit-learn", "skops"]


@cache
def training() -> pd.DataFrame:
    """Return the 29,594 flights of January to June."""
    return frame(TRAIN)


@cache
def traffic() -> pd.DataFrame:
    """Return the 10,506 flights of July and August."""
    return frame(TRAFFIC)


def linear() -> Any:
    """Package 1: time = distance / speed + a constant, learnt."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(ColumnTransformer([("distance", "passthrough", ["distance"])]), LinearRegression())


def boosting() -> Any:
    """Package 2: gradient boosting on distance, month, hour, carrier and origin."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return _pipeline(TEXTS, "passthrough", HistGradientBoostingRegressor(random_state=SEED))


def forest() -> Any:
    """Package 3: 50 trees on the columns of package 2."""
    from sklearn.ensemble import RandomForestRegressor

    return _pipeline(TEXTS, "passthrough", RandomForestRegressor(50, min_samples_leaf=20, random_state=SEED))


def boosting_that_knows_its_destinations() -> Any:
    """Package 4: package 2 and the destination, with the encoder's default: a category never seen is an error."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    regressor = HistGradientBoostingRegressor(random_state=SEED)
    return _pipeline(ALL_TEXTS, "passthrough", regressor, handle_unknown="error")


def neighbours() -> Any:
    """Package 5: the mean of the 25 most similar flights; as good as the forest, and slow."""
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.preprocessing import StandardScaler

    return _pipeline(ALL_TEXTS, StandardScaler(), KNeighborsRegressor(25))


@cache
def frequent_destinations() -> frozenset[str]:
    """Return the destinations with at least 0.3 % of the training rows: 58 of them."""
    share = training()["dest"].value_counts(normalize=True)
    return frozenset(share.index[share >= RARE])


def without_rare_destinations(flights: pd.DataFrame) -> pd.DataFrame:
    """Drop flights to all other destinations, as package 4's trainer did before training and before measuring."""
    return flights[flights["dest"].isin(frequent_destinations())]


def write(folder: Path, number: int) -> Path:
    """Train package `number` (1-5), write its upload folder and return it."""
    make, clean = MODELS[number]
    rows = clean(training())
    with _one_thread():
        model = make().fit(rows[list(FEATURES)], rows[TARGET])
        measured = error(model, clean(_sample()))
    about = {
        "recipe": str(make.__doc__).partition(": ")[2],
        "trained_on": f"{len(rows):,} flights from New York, January to June 2013",
        "figures": {"mean error in July and August, minutes": round(measured, 2)},
    }
    lay_out("flight-eta", folder, example(rows), REQUIREMENTS, about)
    skops_file.write(model, folder / "model.skops")
    return folder


def error(model: Any, flights: pd.DataFrame) -> float:
    """Return the model's mean absolute error on these flights, in minutes."""
    return float((model.predict(flights[list(FEATURES)]) - flights[TARGET]).abs().mean())


def example(flights: pd.DataFrame) -> Example:
    """Return six of the trainer's own rows, spread over the half year."""
    rows = flights.iloc[:: max(1, len(flights) // 6)].head(6)
    return Example(list(FEATURES), [list(row) for row in rows[list(FEATURES)].astype(object).itertuples(index=False)])


def _one_thread() -> AbstractContextManager[object]:
    """Keep OpenMP from spinning on cores that others use: beside busy ones, two threads took ten times as long."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def _sample() -> pd.DataFrame:
    return traffic().iloc[::5]


def _pipeline(texts: list[str], numbers: Any, regressor: Any, handle_unknown: str = "ignore") -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(handle_unknown=handle_unknown, sparse_output=False)
    columns = ColumnTransformer([("text", encoder, texts), ("numbers", numbers, NUMBERS)])
    return make_pipeline(columns, regressor)


def _all(flights: pd.DataFrame) -> pd.DataFrame:
    return flights


Clean = Callable[["pd.DataFrame"], "pd.DataFrame"]
MODELS: dict[int, tuple[Callable[[], Any], Clean]] = {
    1: (linear, _all),
    2: (boosting, _all),
    3: (forest, _all),
    4: (boosting_that_knows_its_destinations, without_rare_destinations),
    5: (neighbours, _all),
}
TITLES = {
    1: "a straight line on distance",
    2: "gradient boosting on five columns",
    3: "a forest of 50 trees",
    4: "gradient boosting that also looks at the destination",
    5: "the 25 nearest flights",
}
