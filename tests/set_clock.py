"""The daemon on a machine whose wall clock somebody sets: the first argument is a file that says by how many seconds.

Every reading of the wall clock in the process is moved, as if the machine's had been set; what is monotonic is not.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

_real = time.time
_file = Path(sys.argv.pop(1))


def _time() -> float:
    return _real() + float(_file.read_text())


if __name__ == "__main__":
    time.time = _time
    from tidegate.cloud.daemon import main

    sys.exit(main())
