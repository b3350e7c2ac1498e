"""What people write by hand: one process that reads, asks the model, writes; each in blocks, so that memory stays flat.

None of them checks a value, routes a row, names the package or survives its own death.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

BLOCK = 50_000
INT, FLOAT, TEXT = ("month", "hour"), ("distance",), ("carrier", "origin", "dest")


def straight(source: Path, target: Path, onnx: Path, _: Path) -> None:
    """csv.reader, ONNX Runtime, csv.writer."""
    ask, names = _session(onnx)
    with source.open(newline="") as lines, target.open("w", newline="") as sink:
        reader, writer = csv.reader(lines), csv.writer(sink)
        header = next(reader)
        writer.writerow([*header, "prediction"])
        while block := list(islice(reader, BLOCK)):
            columns = dict(zip(header, zip(*block, strict=True), strict=True))
            found = ask({name: _column(name, columns[name]) for name in names})
            writer.writerows([*row, value] for row, value in zip(block, found.tolist(), strict=True))


def arrow(source: Path, target: Path, onnx: Path, _: Path) -> None:
    """pyarrow.csv in and out, ONNX Runtime between: the quickest that the libraries allow, on one core."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    pa.set_cpu_count(1)
    ask, names = _session(onnx)
    reading = arrow_csv.ReadOptions(use_threads=False, block_size=2 * 2**20)
    writer = None
    with arrow_csv.open_csv(source, reading) as batches:
        for batch in batches:
            feeds = {name: _column(name, batch.column(name).to_numpy(zero_copy_only=False)) for name in names}
            made = batch.append_column("prediction", pa.array(ask(feeds)))
            writer = writer or arrow_csv.CSVWriter(target, made.schema)
            writer.write_batch(made)
    if writer:
        writer.close()


def pandas(source: Path, target: Path, _: Path, dumped: Path) -> None:
    """pandas.read_csv, joblib.load, predict, to_csv: the notebook that became a job."""
    import joblib
    import pandas as pd

    model, first = joblib.load(dumped), True
    for block in pd.read_csv(source, chunksize=BLOCK):
        block["prediction"] = model.predict(block.astype({"distance": "float64"}))
        block.to_csv(target, mode="w" if first else "a", header=first, index=False)
        first = False


LOOPS: dict[str, Callable[[Path, Path, Path, Path], None]] = {"straight": straight, "arrow": arrow, "pandas": pandas}


def _session(onnx: Path) -> tuple[Callable[[dict[str, np.ndarray]], np.ndarray], list[str]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    kinds = {item.name: item.type for item in session.get_inputs()}
    output = session.get_outputs()[0].name

    def ask(columns: dict[str, np.ndarray]) -> np.ndarray:
        feeds = {name: _fed(values, kinds[name]) for name, values in columns.items()}
        return np.asarray(session.run([output], feeds)[0]).ravel()

    return ask, names


def _fed(values: np.ndarray, kind: str) -> np.ndarray:
    dtypes = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    return values.astype(dtypes.get(kind, object), copy=False).reshape(-1, 1)


def _column(name: str, values: object) -> np.ndarray:
    return np.array(values, object if name in TEXT else np.int64 if name in INT else np.float64)
