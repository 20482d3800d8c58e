"""What keeps an unattended release from going on: a hold, which is told once, or a pause after a failure."""

from __future__ import annotations

from typing import Final

from venvship.errors import HeldError, PausedError
from venvship.model.environment import Environment
from venvship.model.event import EventName
from venvship.model.history import History
from venvship.model.hold import Hold
from venvship.model.settings import Settings
from venvship.model.spelling import format_time, not_before
from venvship.model.update_attempts import Attempts, fold_attempts, refusal_facts
from venvship.operations.planning.environment import diff_to_environment
from venvship.operations.planning.plan import Plan, plan, refused
from venvship.workspace.workspace import Workspace

MOST_WAITING: Final = 5
"""The number of packages that the report of a hold names; the rest is counted."""


def waits(workspace: Workspace, environment: Environment) -> str:
    """How the release that waits would change the packages, for a mail."""
    diff = diff_to_environment(workspace, workspace.layout.current(), environment)
    parts = diff.phrases()
    rest = [f"and {len(parts) - MOST_WAITING} more"] if len(parts) > MOST_WAITING else []
    return ", ".join([*parts[:MOST_WAITING], *rest])


def told(workspace: Workspace, hold: Hold, environment: str, *, waits: str) -> HeldError:
    """The error of a refusal. The journal remembers the report before it is made.

    Raises:
        OSError: The journal could not be written. The next update tries again.
    """
    error = refused(hold, workspace.runtime, waits=waits)
    error.told = update_attempts(workspace).was_told(hold, workspace.runtime.clock())
    if not error.told:
        workspace.record(
            EventName.REFUSED,
            release=hold.release,
            reason=hold.reason,
            facts=refusal_facts(hold, environment),
        )
    return error


def unattended_plan(
    workspace: Workspace, history: History, settings: Settings, environment: Environment
) -> Plan:
    """The plan for an environment that may be released unattended, and now.

    Raises:
        HeldError: It, or the root, is held.
        PausedError: It is too early for another attempt.
        VenvshipError: See `plan`.
    """
    found = plan(workspace, history, settings, environment)
    if found.hold is not None:
        raise told(workspace, found.hold, environment.digest, waits=waits(workspace, environment))
    if found.action != "unchanged":
        require_no_pause(workspace, environment.digest)
    return found


def require_no_pause(workspace: Workspace, environment: str) -> None:
    """Refuse an attempt too soon after one that failed.

    Raises:
        PausedError: It is too early.
    """
    failures = update_attempts(workspace).failures.get(environment)
    if failures is None or not failures.is_paused(workspace.runtime.clock()):
        return
    tried = "the last attempt failed" if failures.count == 1 else f"{failures.count} attempts failed"
    raise PausedError(
        f"not tried again before {not_before(failures.until)}: {tried}: {failures.reason}",
        hint="to try now: venvship release",
        until=format_time(failures.until),
        attempts=failures.count,
    )


def update_attempts(workspace: Workspace) -> Attempts:
    """What was tried unattended in this root, and what was told."""
    return fold_attempts(workspace.journal.read().events)
