"""`state/operation.json`: the operation that is under way, its user, and its beginning.

It is a sign on the door, not the lock: the mutexes decide and the journal remembers. From this file a busy
command and `status` report the holder. It is written under the journal's mutex, because a build and a
rollback may be under way at the same time and both have an entry in it.
"""

from __future__ import annotations

from typing import NamedTuple

from venvship.errors import VenvshipError
from venvship.model import json_fields as fields
from venvship.model.spelling import readable
from venvship.root import RootLayout
from venvship.system import proc
from venvship.system.json_files import read_json


class Operation(NamedTuple):
    """One operation that announced itself."""

    operation: str
    actor: str
    pid: int
    since: str
    running: bool

    def to_json(self) -> dict[str, object]:
        """The form in which `status --json` shows it."""
        return self._asdict()


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
        data = read_json(layout.operation_file, layout.ask) or {}
    except VenvshipError:
        return None
    found: list[Operation] = []
    for name in [mutex] if mutex else ["switch", "build"]:
        try:
            entry = fields.mapping(data.get(name))
            pid = fields.count(entry["pid"])
            found.append(
                Operation(
                    operation=fields.plain(entry["operation"]),
                    actor=fields.text(entry["actor"]),
                    pid=pid,
                    since=fields.plain(entry["since"]),
                    running=proc.is_running(pid, str(entry.get("started", ""))),
                )
            )
        except (KeyError, ValueError):
            continue
    running = [operation for operation in found if operation.running]
    return next(iter(running or found), None)


def describe(layout: RootLayout, mutex: str) -> str:
    """Name the holder of a mutex; `""` where the file does not."""
    if mutex == "turn-back":
        return _describe_rollback(layout)
    operation = under_way(layout, mutex)
    if operation is None:
        return ""
    return (
        f"{operation.operation} is under way since {readable(operation.since)}, "
        f"by {operation.actor}, process {operation.pid}"
    )


def _describe_rollback(layout: RootLayout) -> str:
    """Name the rollback that holds turn-back.mutex; it announces itself once it holds switch.mutex, too."""
    operation = under_way(layout, "switch")
    if operation is None or operation.operation != "rollback" or not operation.running:
        return "another rollback is under way"
    return f"a rollback by {operation.actor}, process {operation.pid}, is under way"
