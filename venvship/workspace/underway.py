"""`state/operation.json`: what is under way, who runs it, since when.

It is a sign on the door, not the lock: the mutexes decide and the journal remembers. From this file a busy
command and `status` report the holder. It is written under the journal's mutex, because a build and a
rollback may be under way at the same time and both have an entry in it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from venvship.errors import VenvshipError
from venvship.model.spelling import FORMAT, format_time, readable
from venvship.root import RootLayout, read_json
from venvship.system import files, proc
from venvship.system.mutex import Mutex


class Operation(NamedTuple):
    """One operation that announced itself."""

    operation: str
    actor: str
    pid: int
    since: str
    running: bool

    def to_json(self) -> dict[str, object]:
        """The form in which `status --json` shows it."""
        return {
            "operation": self.operation,
            "actor": self.actor,
            "pid": self.pid,
            "since": self.since,
            "running": self.running,
        }


@contextlib.contextmanager
def announced(
    layout: RootLayout, mutex: str, operation: str, *, actor: str, since: datetime, journal_mutex: Mutex
) -> Iterator[None]:
    """Keep an entry in `state/operation.json` while a mutex is held.

    Args:
        layout: The root.
        mutex: The name of the mutex that is held.
        operation: The command.
        actor: Its user.
        since: When it began; aware.
        journal_mutex: Held while the file is written.

    Crash: the entry stays, and names a pid and start time that no longer run; the next holder replaces it.
    """
    pid = os.getpid()
    entry = {
        "operation": operation,
        "actor": actor,
        "pid": pid,
        "started": proc.start_ticks(pid),
        "since": format_time(since),
    }
    _update(layout, journal_mutex, mutex, entry)
    try:
        yield
    finally:
        _update(layout, journal_mutex, mutex, None)


def _update(layout: RootLayout, journal_mutex: Mutex, mutex: str, entry: dict[str, Any] | None) -> None:
    path = layout.operation_file
    # An entry that cannot be written, for example on a full disk, must not stop a rollback.
    with contextlib.suppress(OSError, VenvshipError), journal_mutex.hold(wait=5):
        try:
            data = read_json(path) or {}
        except VenvshipError:
            data = {}  # garbage: the file is written anew
        data["format"] = FORMAT
        data.pop(mutex, None)
        if entry is not None:
            data[mutex] = entry
        # Not durable: after a power cut nothing is under way.
        files.write_json(path, data, durable=False)


def under_way(layout: RootLayout, mutex: str | None = None) -> Operation | None:
    """Read `state/operation.json`.

    Args:
        layout: The root.
        mutex: Only of this mutex's holder; otherwise the switch's before the build's.

    Returns:
        The operation that announced itself last and has not ended; `None` for none, or where the file
        cannot be read.
    """
    try:
        data = read_json(layout.operation_file) or {}
    except VenvshipError:
        return None
    found: list[Operation] = []
    for name in [mutex] if mutex else ["switch", "build"]:
        entry: Any = data.get(name)
        try:
            found.append(
                Operation(
                    operation=str(entry["operation"]),
                    actor=str(entry["actor"]),
                    pid=int(entry["pid"]),
                    since=str(entry["since"]),
                    running=proc.is_running(int(entry["pid"]), str(entry.get("started", ""))),
                )
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    running = [operation for operation in found if operation.running]
    return next(iter(running or found), None)


def describe(layout: RootLayout, mutex: str) -> str:
    """Name the holder of a mutex; `""` where the file does not."""
    operation = under_way(layout, mutex)
    if operation is None:
        return ""
    return (
        f"{operation.operation} is under way since {readable(operation.since)}, "
        f"by {operation.actor}, process {operation.pid}"
    )
