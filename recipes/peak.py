"""Peak memory of the process itself."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_memory() -> float:
    """Largest resident set of this process, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux keeps the parent's peak in `ru_maxrss` when a process starts another program.
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 2**20 if sys.platform == "darwin" else size / 2**10
