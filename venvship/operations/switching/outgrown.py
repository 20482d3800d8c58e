"""The end of holds of packages that a release has left behind: a version beyond the one held back is live."""

from __future__ import annotations

from collections.abc import Sequence

from venvship.errors import VenvshipError
from venvship.model.event import EventName
from venvship.model.package_hold import PackageHold, end_facts, ended_reason
from venvship.workspace.workspace import Workspace


def end_outgrown(workspace: Workspace, release_id: str) -> None:
    """End the holds of versions that the live release has, or has gone beyond; best effort.

    A hold that stays since the journal cannot be read or written, or since the process dies before, stops
    nothing: the lockfile is beyond it. The next promotion ends it.

    Args:
        workspace: The root.
        release_id: The release that was promoted, and stays.
    """
    try:
        holds = workspace.history().held_packages(workspace.runtime.clock())
        backs = [hold for hold in holds if hold.version is not None]
        if not backs:
            return
        live = {package.name: package.version for package in workspace.manifest(release_id).packages}
    except VenvshipError:
        return
    ended = [hold for hold in backs if _has_passed(live.get(hold.package), str(hold.version))]
    if ended:
        workspace.record_if_possible(
            EventName.PACKAGE_UNHELD,
            release=None,
            reason=ended_reason(ended, f"{release_id} is live"),
            facts=end_facts(ended),
        )


def end_by_hand(workspace: Workspace, ended: Sequence[PackageHold]) -> None:
    """Record that a person ended holds of packages; nothing without any.

    Raises:
        StateError: The journal is damaged.
        BusyError: The journal's mutex could not be had.
        OSError: It could not be written.
    """
    if ended:
        reason = ended_reason(ended, "ended by hand")
        workspace.record(EventName.PACKAGE_UNHELD, release=None, reason=reason, facts=end_facts(ended))


def _has_passed(live: str | None, held: str) -> bool:
    from packaging.version import InvalidVersion, Version  # late: most roots hold no package

    try:
        return live is not None and Version(live) >= Version(held)
    except InvalidVersion:
        return live == held
