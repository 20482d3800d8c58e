"""Is there room in memory for a second set of the service's processes?"""

from __future__ import annotations

import re

from venvship.system.proc import PROC, descendants
from venvship.workspace.slots import Slots


def memory_problem(slots: Slots, *, available: int | None = None) -> str:
    """Why a second slot must not be started: the live one's share of memory is more than what is free.

    The share is the proportional one (PSS, proc(5)) of the process that listens and of all that it started.
    What the host does not tell stops nothing.

    Args:
        slots: The slots.
        available: The bytes that are available; by default as the kernel estimates them (`MemAvailable`).

    Returns:
        The reason with both figures; `""` if there is room, or it cannot be told.
    """
    live = slots.live()
    listener = slots.listener(live) if live is not None else 0
    if not listener:
        return ""
    needed = sum(map(_share, (listener, *descendants(listener))))
    free = _available() if available is None else available
    if free is None or needed <= free:
        return ""
    return f"not enough memory: slot {live} uses {needed >> 20:,} MiB, and {free >> 20:,} MiB are available"


def _share(pid: int) -> int:
    """The bytes of one process; 0 where they cannot be read: gone, or another user's."""
    return _kibibytes(f"{PROC}/{pid}/smaps_rollup", "Pss") or 0


def _available() -> int | None:
    return _kibibytes(f"{PROC}/meminfo", "MemAvailable")


def _kibibytes(path: str, field: str) -> int | None:
    """A field of a file of /proc that is in units of 1,024 bytes, in bytes."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            found = re.search(rf"^{field}:\s+(\d+) kB", file.read(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
