"""The plan for the environment that the lockfile asks for: the table of actions, as code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from venvship.errors import HeldError
from venvship.model.environment import Environment
from venvship.model.history import History, Hold
from venvship.model.release import State
from venvship.model.settings import Settings
from venvship.model.settings_form import health_digest
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import release_ids
from venvship.workspace.usable import start_problem, usable_problem

REUSABLE: Final = frozenset({State.SEALED, State.REJECTED, State.UNCHECKED, State.PROVEN})
"""The states of a release that is promoted again where its environment is asked for.

One that was rejected has to pass its candidate checks and the prepare hook first, like any other.
"""


class PlanOptions(NamedTuple):
    """The options of the command line that change a plan.

    Attributes:
        rebuild: Build even if there is a usable release of this environment.
        force: Go on even if the environment is bad or held.
        promote: Make the release live; otherwise only have it built.
        upgrade: The lockfile is our own, of `update --upgrade`; a new environment lifts no hold then.
    """

    rebuild: bool = False
    force: bool = False
    promote: bool = True
    upgrade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The action for an environment.

    Attributes:
        action: `unchanged` (it is current's, or is built already and is not to be promoted), `reactivate` a
            usable release of it, `build`, or `refuse`.
        release_id: The release that is there already.
        hold: The hold that refuses it.
    """

    action: Literal["unchanged", "reactivate", "build", "refuse"]
    release_id: str | None = None
    hold: Hold | None = None


def plan(
    workspace: ReadingWorkspace,
    history: History,
    settings: Settings,
    environment: Environment,
    options: PlanOptions = PlanOptions(),  # noqa: B008 - immutable
) -> Plan:
    """Decide what a release does about an environment.

    For a person it looks at the files of the live release before it calls it unchanged. For `update`, which
    runs every few minutes, it looks at a few names.

    Args:
        workspace: The root; reads only.
        history: The folded journal.
        settings: A refusal ends when their checks and hooks change.
        environment: The environment that the lockfile asks for.
        options: The options of the command line.

    Raises:
        RootError: `current` is not ours, or `releases/` cannot be read.
        InterruptedByError: A signal came while an interpreter was asked.
    """
    current = workspace.layout.current()
    record = history.records.get(current) if current else None
    problem: str | None = None
    if current and record and record.environment_digest == environment.digest and not options.rebuild:
        if workspace.runtime.unattended:
            problem = start_problem(workspace.layout, current)
        else:
            problem = usable_problem(workspace, current, ask=True)
        if problem is None:
            return Plan(action="unchanged", release_id=current)
    hold = history.root_hold if workspace.runtime.unattended else None
    if hold is not None and hold_applies(hold, environment.digest, upgrade=options.upgrade):
        return Plan(action="refuse", hold=hold)
    refusal = history.refusal(environment.digest, health_digest(settings))
    if refusal is not None and not options.force:
        return Plan(action="refuse", hold=refusal)
    if problem is not None:
        workspace.warn("current-unusable", f"{current} is live and cannot be used: {problem}")
    usable = None if options.rebuild else _usable(workspace, history, environment.digest)
    if usable is None:
        return Plan(action="build")
    # One that was refused before is tried again: the check or the host may have been the cause.
    built = not options.promote and history.state(usable) is not State.REJECTED
    return Plan(action="unchanged" if built else "reactivate", release_id=usable)


def hold_applies(hold: Hold, environment_digest: str, *, upgrade: bool) -> bool:
    """Whether a hold of the root also applies to an unattended release of this environment.

    A lockfile of another environment, written by somebody else, is a decision that came after the hold; one
    that we made ourselves (`upgrade`) is none.
    """
    return upgrade or not hold.is_overtaken(environment_digest)


def refused(hold: Hold) -> HeldError:
    """The error that a hold stands for: since when, why, and how to go on."""
    since = f"held since {hold.since:%Y-%m-%d %H:%M} UTC"
    if hold.scope == "root":
        return HeldError(
            f"{since} by {hold.by}: {hold.reason}", hint="to allow unattended releases again: venvship unhold"
        )
    return HeldError(
        f"{since}: this lockfile was released as {hold.release} and did not pass: {hold.reason}",
        hint="change the lockfile, or override with `venvship release --force`",
    )


def _usable(workspace: ReadingWorkspace, history: History, environment: str) -> str | None:
    """The newest release of an environment that could be promoted again."""
    for release_id in release_ids(workspace.layout, history):
        record = history.records[release_id]
        if (
            record.environment_digest == environment
            and record.state in REUSABLE
            and not usable_problem(workspace, release_id, ask=True)
        ):
            return release_id
    return None
