"""Release or prune with the clock some days back:  python -m tests.bench.in_the_past ROOT DAYS release|prune

A process of its own: what it takes must not weigh on the bench, whose size its children begin with.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta

from venvship.api import Root, default_runtime


def main(path: str, days: float, what: str) -> None:
    """Do it."""
    environ = {"PATH": os.defpath, "HOME": path, "LC_ALL": "C.UTF-8", "VENVSHIP_SYSLOG": ""}
    runtime = default_runtime(
        environ=environ | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"},
        clock=lambda: datetime.now(UTC) - timedelta(days=days),
    )
    root = Root.open(path, runtime=runtime)
    if what == "release":
        root.release(rebuild=True)
    else:
        root.prune(keep=2)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
