"""The servers under test, each with the same model: Slipway's gateway, MLServer, KServe's Python server."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from benchmarks.conformance.material import SIGNATURE, Iris
from benchmarks.race import venvs
from benchmarks.race.peers.mlserver import NEEDS as MLSERVER_NEEDS
from benchmarks.race.servers import free_port
from serving import exchange
from serving.routing import Route, RouteTable
from serving.tests.forms import ROW, package, pipeline
from serving.tests.processes import GatewayProcess, Valkey, wait_for

ROOT = Path(__file__).parents[2]
VENVS = ROOT / "var" / "benchmarks" / "venvs"
# A process of a server may take so long to import scikit-learn, pandas and FastAPI on a busy machine.
PATIENCE = 120.0
KSERVE_NEEDS = ("kserve==0.21.0", "scikit-learn==1.9.1")
Start = Callable[[Iris, Path], Any]


def _said(name: str, iris: Iris, host: str, base: str = "", **names: Any) -> dict[str, Any]:
    outputs = {"label": "predict", "probabilities": "predict_proba", **names}
    asked = {"rows": iris.rows, "labels": iris.labels, "chances": iris.chances}
    return {"name": name, "host": host, "base": base, "model": "iris", "version": "1", "input": "x", **outputs, **asked}


@contextmanager
def slipway(iris: Iris, folder: Path, **settings: str) -> Iterator[dict[str, Any]]:
    """A gateway process with the model, and with a second one of three columns."""
    store = folder / "artefacts"
    store.mkdir(parents=True)
    with ExitStack() as stack:
        valkey = Valkey()
        stack.callback(valkey.close)
        flights = package(store, 7)
        target = pipeline(store, 1, iris.model, SIGNATURE, classes=[0, 1, 2])
        routes = {"iris": Route("iris", (target,)), "flights": Route("flights", (flights,))}
        exchange.put_environments(valkey.redis, ["dev"])
        exchange.put_table(valkey.redis, RouteTable("dev", 1, routes, keyless=True))
        gateway = GatewayProcess(valkey.url, folder / "data", more=settings).start()
        stack.callback(gateway.stop)
        wait_for(gateway.ready)
        kinds = {"distance": "INT64", "hour": "FP64", "origin": "BYTES"}
        inputs = [{"name": name, "datatype": kind, "data": [ROW[name]] * 2} for name, kind in kinds.items()]
        columns = {"model": "flights", "inputs": inputs, "output": "minutes", "values": [7.0, 7.0]}
        names = {"label": "label", "probabilities": "probabilities", "columns": columns}
        yield _said("Slipway", iris, f"127.0.0.1:{gateway.port}", "/dev", **names)


@contextmanager
def mlserver(iris: Iris, folder: Path) -> Iterator[dict[str, Any]]:
    """MLServer with its scikit-learn runtime; in one process, since its pool does not start with newer loops."""
    port = free_port()
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    model = {
        "name": "iris",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(iris.dump(folder / "model.joblib")), "version": "1"},
    }
    (folder / "settings.json").write_text(json.dumps({**settings, "parallel_workers": 0, "debug": False}))
    (folder / "model-settings.json").write_text(json.dumps(model))
    home = venvs.make(VENVS, MLSERVER_NEEDS)
    with _running([str(home / "mlserver"), "start", str(folder)], folder, port, "/v2/models/iris/ready"):
        yield _said("MLServer", iris, f"127.0.0.1:{port}", v1=False)


@contextmanager
def kserve(iris: Iris, folder: Path) -> Iterator[dict[str, Any]]:
    """KServe's Python server with the smallest model that its documentation shows."""
    port, home = free_port(), venvs.make(VENVS, KSERVE_NEEDS)
    app = Path(__file__).with_name("apps") / "kserve_model.py"
    command = [str(home / "python"), str(app), str(iris.dump(folder / "model.joblib")), f"--http_port={port}"]
    with _running(command, folder, port, "/v2/models/iris/ready"):
        yield _said("KServe", iris, f"127.0.0.1:{port}", label="output-0")


@contextmanager
def _running(command: list[str], folder: Path, port: int, path: str) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        _await(f"http://127.0.0.1:{port}{path}", process, log)
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"The server does not answer:\n{log.read_text()[-2000:]}")


SERVERS = {"Slipway": slipway, "MLServer": mlserver, "KServe": kserve}
