"""`hold` and `unhold`: whether unattended releases may happen. One journal line each, nothing else."""

from __future__ import annotations

from venvship.model.history import EventName
from venvship.system.faults import root_faults
from venvship.workspace.workspace import Workspace


def hold(workspace: Workspace, *, message: str = "") -> None:
    """Stop unattended releases of this root until `unhold`.

    Raises:
        RootError: The root or its journal is unusable.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        workspace.record(EventName.HELD, release=workspace.layout.current(), reason=message or "held by hand")


def unhold(workspace: Workspace) -> None:
    """Allow unattended releases again, of every environment.

    Raises:
        RootError: The root or its journal is unusable.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        workspace.record(EventName.UNHELD, release=workspace.layout.current())
