"""`state/operation.json`: what is under way, who runs it, since when.

It is a sign on the door, not the lock: the mutexes decide, the journal remembers, and this file only lets a
busy command and `status` say something useful. It is written under the journal's mutex, because a build
and a rollback may be under way at the same time and both have a line in it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from venvship.errors import VenvshipError
from venvship.model.release import FORMAT, format_time, readable
from venvship.root import RootLayout, read_json
from venvship.system import files, proc

if TYPE_CHECKING:
    from venvship.workspace.workspace import Workspace


class Operation(NamedTuple):
    """One operation that announced itself."""

    operation: str
    actor: str
    pid: int
    since: str
    running: bool

    def to_json(self) -> dict[str, Any]:
        """The form in which `status --json` shows it."""
        return {
            "operation": self.operation,
            "actor": self.actor,
            "pid": self.pid,
            "since": self.since,
            "running": self.running,
        }


@contextlib.contextmanager
def announced(workspace: Workspace, mutex: str, operation: str) -> Iterator[None]:
    """Hang out the sign while a mutex is held.

    Crash: the entry stays, and names a pid and start time that no longer run; the next holder replaces it.
    """
    pid = os.getpid()
    entry = {
        "operation": operation,
        "actor": workspace.runtime.actor,
        "pid": pid,
        "started": proc.start_ticks(pid),
        "since": format_time(workspace.runtime.clock()),
    }
    _update(workspace, mutex, entry)
    try:
        yield
    finally:
        _update(workspace, mutex, None)


def _update(workspace: Workspace, mutex: str, entry: dict[str, Any] | None) -> None:
    path = workspace.layout.operation_file
    # A sign that cannot be hung out, on a full disk say, must not stop a rollback.
    with contextlib.suppress(OSError, VenvshipError), workspace.journal_mutex.hold(wait=5):
        try:
            data = read_json(path) or {}
        except VenvshipError:
            data = {}  # garbage: the sign is made anew
        data["format"] = FORMAT
        data.pop(mutex, None)
        if entry is not None:
            data[mutex] = entry
        # Not durable: after a power cut nothing is under way.
        files.write_json(path, data, durable=False)


def under_way(layout: RootLayout, mutex: str | None = None) -> Operation | None:
    """Read the sign.

    Args:
        layout: The root.
        mutex: Only of this mutex's holder; otherwise the switch's before the build's.

    Returns:
        What was announced last and not taken down; `None` for nothing, or a sign that cannot be read.
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
    """Say who holds a mutex; `""` where the sign does not tell."""
    operation = under_way(layout, mutex)
    if operation is None:
        return ""
    return (
        f"{operation.operation} is under way since {readable(operation.since)}, "
        f"by {operation.actor}, process {operation.pid}"
    )
