"""`pin`, `unpin`, `hold` and `unhold`: marks that an operator sets. Each is one line of the journal."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime

from venvship.errors import ForeignLinkError, OperationWarning, VenvshipError
from venvship.model.event import EventName
from venvship.model.history import History
from venvship.model.hold import Hold, HoldKind
from venvship.model.package_hold import PackageHold
from venvship.model.settings_form import health_digest
from venvship.model.spelling import format_time
from venvship.model.update_attempts import Failures, fold_attempts
from venvship.operations.planning.own_lockfile import lockfile_environment
from venvship.operations.reporting.report import StatusResult, status
from venvship.operations.switching.recovery import notice_switch
from venvship.system.faults import root_faults
from venvship.workspace.holding import hold_switch
from venvship.workspace.releases import resolve_release
from venvship.workspace.settings_files import NO_SETTINGS
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldResult:
    """The result of `Root.hold` and `Root.unhold`.

    Attributes:
        status: The status after it.
        ended: The holds that it ended or replaced, of the root and of environments.
        released_again: The release, bad or rolled back by a person, whose environment the lockfile on disk
            asks for: the next `update` releases it again, since its refusal, or the hold, has ended. `None`
            for none.
        ended_pauses: The pauses of `update` that it ended, each after failed attempts.
        package: The package that it was about; `None` for the root.
        ended_packages: The holds of that package that it ended or replaced.
        changed: Whether a later command can see a difference.
        warnings: The warnings of the operation.
    """

    status: StatusResult
    ended: tuple[Hold, ...] = ()
    released_again: str | None = None
    ended_pauses: tuple[Failures, ...] = ()
    package: str | None = None
    ended_packages: tuple[PackageHold, ...] = ()
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    @property
    def held(self) -> Hold | None:
        """The hold that applies after it."""
        return self.status.held

    def to_json(self) -> dict[str, object]:
        """The `data` of `hold --json` and `unhold --json`."""
        return {
            **self.status.to_json(),
            "changed": self.changed,
            "ended": [found.to_json() for found in self.ended],
            "released_again": self.released_again,
            "ended_pauses": [found.to_json() for found in self.ended_pauses],
            "ended_packages": [found.to_json() for found in self.ended_packages],
        }


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


def hold(workspace: Workspace, *, message: str = "", until: datetime | None = None) -> HoldResult:
    """Stop unattended releases of this root until `unhold`.

    Arguments and errors: `Root.hold`.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        earlier = _holds(workspace)
        workspace.record(
            EventName.HELD,
            release=workspace.layout.current(),
            reason=message or "held by hand",
            facts={"until": format_time(until)} if until is not None else None,
        )
    replaced = tuple(found for found in earlier if found.kind is HoldKind.STANDING)
    return HoldResult(status=status(workspace), ended=replaced)


def unhold(workspace: Workspace) -> HoldResult:
    """Allow unattended releases again, of every environment.

    A switch by hand that no command has noticed yet is journalled first, so that its hold ends, too.

    Arguments and errors: `Root.unhold`.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        with contextlib.suppress(ForeignLinkError):  # `status` warns of it
            notice_switch(workspace)
        ended = _holds(workspace)
        history, now = workspace.history(), workspace.runtime.clock()
        in_force = history.holds(now)
        failures = fold_attempts(workspace.journal.read().events).failures
        held = bool(in_force or history.environment_holds or history.bad_in_a_row)
        if held or failures:
            workspace.record(EventName.UNHELD, release=workspace.layout.current())
    after = status(workspace)
    again = _released_again(workspace, history, ended) if after.lockfile_changed is not False else None
    pauses = tuple(found for found in failures.values() if found.is_paused(now))
    return HoldResult(status=after, ended=ended, released_again=again, ended_pauses=pauses)


def _holds(workspace: Workspace) -> tuple[Hold, ...]:
    """The holds that are in force, as far as the journal can be read; the write reports what is wrong."""
    try:
        history = workspace.known_history(warn_of_torn=False).history
    except VenvshipError:
        return ()
    health: str | None = None
    with contextlib.suppress(*NO_SETTINGS):
        health = health_digest(workspace.settings())
    refusals = [
        found
        for digest in history.environment_holds
        if (found := history.refusal(digest, health or "")) is not None
    ]
    return (*history.holds(workspace.runtime.clock()), *refusals)


def _released_again(workspace: Workspace, history: History, ended: tuple[Hold, ...]) -> str | None:
    """The release of the lockfile's environment that one of these holds kept from coming back."""
    try:
        own = lockfile_environment(workspace, workspace.settings())
    except NO_SETTINGS:
        return None
    if own is None:
        return None
    for hold in ended:
        if hold.environment_digest == own:
            return hold.release
        if own in hold.rolled_back:
            left = (record for record in history.records.values() if record.environment_digest == own)
            return max(left, key=lambda record: record.last_live_seq).id
    return None
