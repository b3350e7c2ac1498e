"""LitServe: decode, predict, encode; batches of 32 rows that wait a millisecond, or none."""

import os
import sys
from pathlib import Path
from typing import Any

import joblib
import litserve
import numpy as np

BATCHING = os.environ["BATCHING"] == "1"


class Model(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = joblib.load(Path(os.environ["MODEL_FOLDER"]) / "model.joblib")

    def decode_request(self, request):  # LitServe reads annotations: without one it hands the JSON over as it is
        return np.asarray(request["row"])

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def unbatch(self, output: np.ndarray) -> list[Any]:
        return list(output)

    def predict(self, x: np.ndarray) -> Any:
        return self.model.predict(x if BATCHING else x.reshape(1, -1))

    def encode_response(self, output: Any) -> dict[str, int]:
        return {"label": int(output if BATCHING else output[0])}


if __name__ == "__main__":
    api = Model(max_batch_size=32, batch_timeout=0.001) if BATCHING else Model()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    where = {"host": "127.0.0.1", "port": int(sys.argv[1])}
    server.run(**where, num_api_servers=1, generate_client_file=False, log_level="warning")
