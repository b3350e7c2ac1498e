"""Run with the clients' Python: MLflow's own scoring client, and requests as MLflow's users write them.

Arguments: where the root door is (`user:key@host:port`), the address of a model's own door, a CSV of flights, and how
many rows. Prints, as JSON, the predictions that came back by each way, and what the client said of a bad request.
"""

import io
import json
import sys
from typing import Any

import pandas as pd
import requests
from mlflow.models import convert_input_example_to_serving_input
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

COLUMNS = ["distance", "month", "hour", "carrier", "origin", "dest"]
PART = 1000


def main(door: str, base: str, file: str, count: str) -> dict[str, Any]:
    rows = pd.read_csv(file)[COLUMNS].head(int(count))
    host, _, port = door.rpartition(":")
    client = ScoringServerClient(host, int(port))
    client.wait_server_ready(timeout=10)
    by_client = [client.invoke(part).get_predictions() for part in parts(rows)]
    ways = {
        "client, data frame": pd.concat(by_client)[0].tolist(),
        "client, list": client.invoke(rows.to_dict("records"), params={"unknown": 1})["predictions"],
        "client, ndarray of predictions": client.invoke(rows).get_predictions("ndarray").tolist(),
        "serving input": post(base, convert_input_example_to_serving_input(rows), "application/json"),
        "split": post(base, json.dumps({"dataframe_split": json.loads(rows.to_json(orient="split"))})),
        "records": post(base, json.dumps({"dataframe_records": rows.to_dict("records")})),
        "CSV": post(base, rows.to_csv(index=False), "text/csv"),
        "Parquet": post(base, parquet(rows), "application/vnd.apache.parquet"),
    }
    return {"version": client.get_version(), "ways": ways, "refused": refused(client, rows)}


def parts(rows: pd.DataFrame) -> list[pd.DataFrame]:
    return [rows[start : start + PART] for start in range(0, len(rows), PART)]


def post(base: str, body: Any, kind: str = "application/json; charset=utf-8") -> list[float]:
    reply = requests.post(f"{base}/invocations", data=body, headers={"Content-Type": kind}, timeout=30)
    reply.raise_for_status()
    return reply.json()["predictions"]


def parquet(rows: pd.DataFrame) -> bytes:
    body = io.BytesIO()
    rows.to_parquet(body)
    return body.getvalue()


def refused(client: ScoringServerClient, rows: pd.DataFrame) -> str:
    """Half a month would be a whole one for MLflow's own server."""
    try:
        client.invoke(rows.head(2).assign(month=[1, 1.5]))
    except Exception as error:
        return str(error)
    return ""


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
