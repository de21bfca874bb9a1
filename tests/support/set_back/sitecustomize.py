"""Sets the clock back for a Python process that has this folder on its path: it lives so long ago.

The file that SET_BACK names says by how many milliseconds; without it the clock is the machine's. Nothing of the
program knows: it is what starting it on a machine of yesterday would be.
"""

import os
import time
from pathlib import Path

_file = Path(os.environ.get("SET_BACK", ""))
if _file.is_file():
    _by = int(_file.read_text()) * 1_000_000
    _real = time.time_ns
    time.time_ns = lambda: _real() - _by
    time.time = lambda: (_real() - _by) / 1e9
