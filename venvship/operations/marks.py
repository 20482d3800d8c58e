"""`pin`, `unpin`, `hold` and `unhold`: marks that an operator sets. Each is one line of the journal."""

from __future__ import annotations

from dataclasses import dataclass

from venvship.errors import OperationWarning
from venvship.model.event import EventName
from venvship.model.update_attempts import fold_attempts
from venvship.operations.reporting.report import StatusResult, status
from venvship.system.faults import root_faults
from venvship.workspace.holding import hold_switch
from venvship.workspace.releases import resolve_release
from venvship.workspace.views import ReleaseView, view_release
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PinResult:
    """The result of `Root.pin` and `Root.unpin`.

    Attributes:
        release: The release.
        changed: Whether a later command can see a difference.
        warnings: The warnings of the operation.
    """

    release: ReleaseView
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `pin --json` and `unpin --json`."""
        return {"release": self.release.to_json(), "changed": self.changed}


def pin(workspace: Workspace, name: str, *, pinned: bool) -> PinResult:
    """Protect a release from prune, or leave it to prune again.

    Arguments and errors: `Root.pin`.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        # Under switch.mutex, so that a prune that has already decided cannot remove what was just pinned.
        with hold_switch(workspace, "pin" if pinned else "unpin"):
            history = workspace.history()
            release_id = resolve_release(workspace.layout, name, history)
            if history.records[release_id].pinned != pinned:
                workspace.record(EventName.PINNED if pinned else EventName.UNPINNED, release=release_id)
        return PinResult(view_release(workspace.layout, release_id, workspace.history()))


def hold(workspace: Workspace, *, message: str = "") -> StatusResult:
    """Stop unattended releases of this root until `unhold`.

    Arguments and errors: `Root.hold`.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        workspace.record(EventName.HELD, release=workspace.layout.current(), reason=message or "held by hand")
    return status(workspace)


def unhold(workspace: Workspace) -> StatusResult:
    """Allow unattended releases again, of every environment.

    Arguments and errors: `Root.unhold`.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        history = workspace.history()
        held = history.root_hold is not None or bool(history.environment_holds or history.bad_in_a_row)
        if held or fold_attempts(workspace.journal.read().events).failures:
            workspace.record(EventName.UNHELD, release=workspace.layout.current())
    return status(workspace)
