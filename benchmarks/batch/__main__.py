"""Run: `.venv/bin/python -m benchmarks.batch [--rows 1000000] [--rounds 5] [--package 2] [speed|workers|memory]`.

Each is measured in processes of its own, in turn, round after round; what counts is the median, and the ratio within a
round. `--mlflow PYTHON` adds `mlflow models predict` on the same file, by the Python of an environment of its own that
has mlflow, joblib and the same scikit-learn.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.batch import loops, material, ours

PARTS = ("speed", "workers", "memory")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    asked = _arguments()
    if asked.only:
        return _only(asked)
    with tempfile.TemporaryDirectory(prefix="batch-") as name:
        folder = Path(asked.folder or name)
        folder.mkdir(exist_ok=True)
        material.rows(folder / f"{asked.rows}.csv", asked.rows)
        for part in asked.parts or PARTS:
            {"speed": _speed, "workers": _workers, "memory": _memory}[part](asked, folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--package", type=int, default=2)
    parser.add_argument("--folder", default="")
    parser.add_argument("--mlflow", default="", help="a Python with mlflow, joblib and the same scikit-learn")
    parser.add_argument("--only", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _speed(asked: argparse.Namespace, folder: Path) -> None:
    """One process of each in turn."""
    names = ["slipway", *loops.LOOPS, *(["mlflow"] if asked.mlflow else [])]
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(asked.rounds):
        for name in names:
            rate = _mlflow(asked, folder) if name == "mlflow" else _measured(asked, folder, name)[0]
            found[name].append(rate)
    print(f"{asked.rows:,} flights, package {asked.package}, one process, median of {asked.rounds} rounds in turn")
    for name in names:
        ratio = statistics.median(mine / each for mine, each in zip(found["slipway"], found[name], strict=True))
        rates = found[name]
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        print(f"  {name:<10}{statistics.median(rates):>12,.0f} rows/s  ({spread})  slipway is {ratio:.2f} times that")


def _workers(asked: argparse.Namespace, folder: Path) -> None:
    """Two worker processes against one, in turn."""
    target, _, _ = material.package(folder, asked.package)
    source, ratios, rates = folder / f"{asked.rows}.csv", [], []
    pool = [ours.Worker(folder / "cache") for _ in range(2)]
    for _ in range(asked.rounds):
        times = []
        for count in (1, 2):
            begin = time.perf_counter()
            ours.together(folder / f"job-{count}", source, target, pool[:count])
            times.append(time.perf_counter() - begin)
        ratios.append(times[0] / times[1])
        rates.append(asked.rows / times[1])
    for worker in pool:
        worker.close()
    same = len({(folder / f"job-{count}" / "output").read_bytes() for count in (1, 2)}) == 1
    print(f"two workers: {statistics.median(ratios):.2f} times one ({min(ratios):.2f} to {max(ratios):.2f}), ", end="")
    print(f"{statistics.median(rates):,.0f} rows/s, {'the same bytes' if same else 'OTHER BYTES'}")


def _memory(asked: argparse.Namespace, folder: Path) -> None:
    """The peak of the process with ten times the rows."""
    peaks = []
    for rows in (asked.rows // 10, asked.rows):
        material.rows(folder / f"{rows}.csv", rows)
        peaks.append(_measured(argparse.Namespace(**{**vars(asked), "rows": rows}), folder, "slipway")[1])
    more = 100 * (peaks[1] / peaks[0] - 1)
    print(
        f"memory: {peaks[0]:.0f} MiB with {asked.rows // 10:,} rows, {peaks[1]:.0f} with {asked.rows:,} ({more:+.1f} %)"
    )


def _measured(asked: argparse.Namespace, folder: Path, name: str) -> tuple[float, float]:
    """Return rows a second and the peak in MiB of a process of its own."""
    words = ["--only", name, "--rows", str(asked.rows), "--package", str(asked.package), "--folder", str(folder)]
    material.package(folder, asked.package)
    command = [sys.executable, "-m", "benchmarks.batch", *words]
    done = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
    rate, peak = done.stdout.split()[-2:]
    return float(rate), float(peak)


SAVE = (
    "import sys, joblib, mlflow.sklearn; model = joblib.load(sys.argv[1]);"
    "mlflow.sklearn.save_model(model, sys.argv[2], serialization_format='cloudpickle')"
)


def _mlflow(asked: argparse.Namespace, folder: Path) -> float:
    """Return the rows a second of `mlflow models predict`, its start included as every batch of it has one."""
    _, _, dumped = material.package(folder, asked.package)
    model, source = folder / f"mlflow-{asked.package}", folder / f"{asked.rows}.csv"
    run = {"env": os.environ | ONE_THREAD, "capture_output": True, "text": True, "check": True}
    if not model.exists():
        subprocess.run([asked.mlflow, "-c", SAVE, str(dumped), str(model)], **run)
    words = ["-m", str(model), "-i", str(source), "-t", "csv", "-o", str(folder / "mlflow.json")]
    begin = time.perf_counter()
    subprocess.run([asked.mlflow, "-m", "mlflow", "models", "predict", *words, "--env-manager", "local"], **run)
    return asked.rows / (time.perf_counter() - begin)


def _only(asked: argparse.Namespace) -> None:
    folder = Path(asked.folder)
    source = folder / f"{asked.rows}.csv"
    target, onnx, joblib = material.package(folder, asked.package)
    begin = time.perf_counter()
    if asked.only == "slipway":
        ours.alone(folder / "job", source, target)
    else:
        loops.LOOPS[asked.only](source, folder / f"{asked.only}.csv", onnx, joblib)
    seconds = time.perf_counter() - begin
    print(asked.rows / seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
