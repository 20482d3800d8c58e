"""`pin`, `unpin`, `hold` and `unhold`: marks that a person sets. One journal line each, nothing else."""

from __future__ import annotations

from venvship.model.history import EventName
from venvship.system.faults import root_faults
from venvship.workspace.holding import hold_switch
from venvship.workspace.views import ReleaseView, view_release
from venvship.workspace.workspace import Workspace


def pin(workspace: Workspace, name: str, *, pinned: bool) -> ReleaseView:
    """Protect a release from prune, or stop to.

    Raises:
        ReleaseError: There is no such release.
        BusyError: Another command is switching or removing.
        RootError: The root or its journal is unusable.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        # Under switch.mutex, so that a prune that has already decided cannot remove what was just pinned.
        with hold_switch(workspace, "pin" if pinned else "unpin"):
            history = workspace.history()
            release_id = workspace.resolve(name, history)
            if history.records[release_id].pinned != pinned:
                workspace.record(EventName.PINNED if pinned else EventName.UNPINNED, release=release_id)
        return view_release(workspace.layout, release_id, workspace.history())


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
