"""`python -m serving.gateway`: one gateway process, with its settings in the environment."""

from __future__ import annotations

import gc
import logging
import os

# What the imports make stays for good: looking through it again and again takes a tenth of the start.
gc.disable()

from serving.gateway.process import main  # noqa: E402

__all__ = ["main"]

if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # A model that hangs in its thread must not hold the process.
    os._exit(code)
