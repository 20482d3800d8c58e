"""The words for a lockfile that a failed lock did not write."""

from __future__ import annotations

import os


def untouched(lockfile: str) -> str:
    """That the lockfile is as it was, or that there is still none."""
    return f"{lockfile} is as it was" if os.path.lexists(lockfile) else f"{lockfile} was not written"
