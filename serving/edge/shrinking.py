"""Dynamic quantisation: weights of matrix products as 8-bit numbers; a process of its own, as it may take long."""

from __future__ import annotations

import logging
import sys
from pathlib import Path


def shrink(source: Path, target: Path) -> None:
    """Write the quantised model (onnxruntime's dynamic quantisation, weights as QInt8, a scale per channel)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.disable(logging.WARNING)
    quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)


if __name__ == "__main__":
    shrink(Path(sys.argv[1]), Path(sys.argv[2]))
