"""pandas without pyarrow; to be imported before anything else brings pandas in.

pandas loads pyarrow where it finds it: 45 MB, half a second, and a table with texts takes twice as long. Only the
process that reads Parquet needs it.
"""

from __future__ import annotations

import sys

if "pyarrow" in sys.modules:
    import pandas as pd
else:
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
    try:
        import pandas as pd
    finally:
        # scikit-learn takes a name that is left here for the module.
        del sys.modules["pyarrow"]

__all__ = ["pd"]
