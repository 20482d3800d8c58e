"""A held mutex as a value.

A function that is only right while a mutex is held takes the value, so that a call without it is a type
error. Only the context managers here make one, and it must not leave their `with` block. Commands take the
mutexes in the order of ADRs 3 and 53: build, then switch, then slots.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from venvship.errors import VenvshipError
from venvship.model.spelling import FORMAT, format_time
from venvship.system import files, proc
from venvship.system.json_files import read_json
from venvship.workspace.workspace import Workspace


class BuildHeld(NamedTuple):
    """A root whose build.mutex this process holds: nobody else builds or locks there."""

    workspace: Workspace


class SwitchHeld(NamedTuple):
    """A root whose switch.mutex this process holds: nobody else moves its links or removes its releases."""

    workspace: Workspace


@contextlib.contextmanager
def hold_build(
    workspace: Workspace, operation: str | None, *, wait: float | None = None
) -> Iterator[BuildHeld]:
    """Hold build.mutex for the length of a `with` block.

    Args:
        workspace: The root.
        operation: The command that `state/operation.json` names meanwhile; `None` for a moment that is not
            worth a line there.
        wait: Seconds to wait for it; by default as long as the runtime says.

    Raises:
        BusyError: Another process holds it.
        InterruptedByError: A signal came while waiting.
        RootError: The mutex cannot be taken at all.
    """
    with _hold(workspace, "build", operation, wait):
        yield BuildHeld(workspace)


@contextlib.contextmanager
def hold_switch(
    workspace: Workspace, operation: str | None, *, wait: float | None = None
) -> Iterator[SwitchHeld]:
    """Hold switch.mutex for the length of a `with` block.

    Args:
        workspace: The root.
        operation: As for `hold_build`.
        wait: As for `hold_build`.

    Raises:
        BusyError: Another process holds it.
        InterruptedByError: A signal came while waiting.
        RootError: The mutex cannot be taken at all.
    """
    with _hold(workspace, "switch", operation, wait):
        yield SwitchHeld(workspace)


@contextlib.contextmanager
def hold_mutex(workspace: Workspace, name: str, wait: float) -> Iterator[None]:
    """Hold a mutex of the root for the length of a `with` block, and show on a terminal what is waited for.

    Args:
        workspace: The root.
        name: `"build"`, `"switch"`, `"slots"` or `"turn-back"`.
        wait: Seconds to wait for it.

    Raises:
        BusyError: Another process holds it.
        InterruptedByError: A signal came while waiting.
        RootError: The mutex cannot be taken at all.
    """
    waited_for: list[str] = []

    def waiting(who: str) -> None:
        waited_for.append(who)
        workspace.begin("wait", who)

    with workspace.mutex(name).hold(
        wait=wait, interrupted=workspace.runtime.signals.raise_if_received, waiting=waiting
    ):
        if waited_for:
            workspace.end("wait")
        yield


@contextlib.contextmanager
def _hold(workspace: Workspace, name: str, operation: str | None, wait: float | None) -> Iterator[None]:
    runtime = workspace.runtime
    seconds = runtime.wait if wait is None else wait
    with (
        hold_mutex(workspace, name, seconds),
        _announced(workspace, name, operation) if operation is not None else contextlib.nullcontext(),
    ):
        yield


@contextlib.contextmanager
def _announced(workspace: Workspace, mutex: str, operation: str) -> Iterator[None]:
    """Keep an entry in `state/operation.json` while a mutex is held.

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
    # An entry that cannot be written, for example on a full disk, must not stop a rollback.
    with contextlib.suppress(OSError, VenvshipError), workspace.journal_mutex.hold(wait=5):
        try:
            data = read_json(path, workspace.layout.ask) or {}
        except VenvshipError:
            data = {}  # garbage: the file is written anew
        data["format"] = FORMAT
        data.pop(mutex, None)
        if entry is not None:
            data[mutex] = entry
        # Not durable: after a power cut nothing is under way.
        files.write_json(path, data, durable=False)
