"""What a release does about the environment that the lockfile asks for: the table, as code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from venvship.errors import HeldError
from venvship.model.history import History
from venvship.model.release import State
from venvship.model.settings import Settings, health_digest
from venvship.operations.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do about an environment.

    Attributes:
        action: `unchanged` (it is current's), `reactivate` an intact release of it, `build`, or `refuse`.
        release_id: The release that is current, or to be promoted again.
        refusal: Why it is refused.
    """

    action: Literal["unchanged", "reactivate", "build", "refuse"]
    release_id: str | None = None
    refusal: HeldError | None = None


def plan(
    workspace: Workspace,
    history: History,
    settings: Settings,
    environment: str,
    *,
    rebuild: bool = False,
    force: bool = False,
) -> Plan:
    """Decide.

    Args:
        workspace: The root; reads only.
        history: The folded journal.
        settings: Whose checks and hooks a refusal is held against.
        environment: The environment's digest.
        rebuild: Build even if there is an intact release of this environment.
        force: Go on even if the environment is bad or held.
    """
    current = workspace.layout.current()
    record = history.records.get(current) if current else None
    if record and record.environment_digest == environment and not rebuild:
        return Plan(action="unchanged", release_id=current)
    hold = history.root_hold
    if hold is not None and workspace.runtime.unattended:
        return Plan(
            action="refuse", refusal=_held(f"releases are held by {hold.by}: {hold.reason}", hold.since)
        )
    refusal = history.refusal(environment, health_digest(settings))
    if refusal is not None and not force:
        message = f"this lockfile was released as {refusal.release} and was bad: {refusal.reason}"
        return Plan(action="refuse", refusal=_held(message, refusal.since))
    intact = None if rebuild else _intact(workspace, history, environment)
    return Plan(action="reactivate", release_id=intact) if intact else Plan(action="build")


def _intact(workspace: Workspace, history: History, environment: str) -> str | None:
    """The newest release of an environment that could be promoted again."""
    for release_id in workspace.releases(history):
        record = history.records[release_id]
        if (
            record.environment_digest == environment
            and record.state in {State.SEALED, State.PROVEN}
            and not workspace.problem(release_id)
        ):
            return release_id
    return None


def _held(message: str, since: datetime) -> HeldError:
    return HeldError(
        f"{message} (since {since:%Y-%m-%d %H:%M} UTC)",
        hint="change the lockfile, or go on anyway: venvship release --force",
    )
