"""A held mutex as a value.

A function that is only right while a mutex is held takes the value, so that a call without it is a type
error. Only the context managers here make one, and it must not leave their `with` block. Commands take the
mutexes in the order of ADR 3: build, then switch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from venvship.workspace import underway
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
def _hold(workspace: Workspace, name: str, operation: str | None, wait: float | None) -> Iterator[None]:
    runtime = workspace.runtime
    seconds = runtime.wait if wait is None else wait
    with workspace.mutex(name).hold(wait=seconds, interrupted=runtime.signals.raise_if_received):
        if operation is None:
            yield
            return
        with underway.announced(
            workspace.layout,
            name,
            operation,
            actor=runtime.actor,
            since=runtime.clock(),
            journal_mutex=workspace.journal_mutex,
        ):
            yield
