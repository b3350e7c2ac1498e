"""Ray Serve: one replica of a deployment behind its proxy."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=100)
class Model:
    def __init__(self, folder: str) -> None:
        self.model = joblib.load(Path(folder) / "model.joblib")

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.001)
    async def label(self, rows: list[Any]) -> list[int]:
        return self.model.predict(np.asarray(rows)).tolist()

    async def __call__(self, request: Request) -> dict[str, int]:
        return {"label": await self.label((await request.json())["row"])}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Model.bind(os.environ["MODEL_FOLDER"]))
    while True:
        time.sleep(3600)
