"""The plan for the environment that the lockfile asks for: the table of actions, as code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from venvship.errors import HeldError, NoWayBackError
from venvship.model.environment import Environment
from venvship.model.history import History
from venvship.model.hold import Asker, Hold, HoldKind
from venvship.model.one_way import behind_one_way
from venvship.model.release import State
from venvship.model.settings import Settings
from venvship.model.settings_form import health_digest
from venvship.model.spelling import ago
from venvship.operations.planning.regressions import regression
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import release_ids
from venvship.workspace.runtime import Runtime
from venvship.workspace.usable import start_problem_of, usable_problem

REUSABLE: Final = frozenset({State.SEALED, State.REJECTED, State.UNCHECKED, State.PROVEN})
"""The states of a release that is promoted again where its environment is asked for.

One that was rejected has to pass its candidate checks and the prepare hook first, like any other.
"""


class PlanOptions(NamedTuple):
    """The options of the command line that change a plan.

    Attributes:
        rebuild: Build even if there is a usable release of this environment.
        force: Go on even if the environment is bad or held.
        promote: Make the release live; otherwise only have it built, which no hold of the root concerns.
    """

    rebuild: bool = False
    force: bool = False
    promote: bool = True


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
    unchanged, problem = False, None
    if current and record and record.environment_digest == environment.digest and not options.rebuild:
        if workspace.runtime.unattended:
            problem = start_problem_of(workspace, current)
        else:
            problem = usable_problem(workspace, current, ask=True)
            if problem is None:
                workspace.warn_without_anchor(current)
        unchanged = problem is None
    asks = asker(workspace.runtime, settings, force=options.force)
    hold = None
    if options.promote:
        hold = history.stopping(asks, environment.digest, workspace.runtime.clock())
    if hold is not None and (asks.is_script or not unchanged):
        return Plan(action="refuse", hold=hold)
    if unchanged:
        return Plan(action="unchanged", release_id=current)
    refusal = history.refusal(environment.digest, health_digest(settings))
    if refusal is None and asks.unattended:
        refusal = regression(workspace, history, environment)
    if options.promote and refusal is None:
        refusal = behind_one_way(history, environment.digest)
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


def asker(runtime: Runtime, settings: Settings, *, force: bool = False) -> Asker:
    """Who asks for a release, for `History.stopping`."""
    return Asker(
        unattended=runtime.unattended,
        person=runtime.person and not runtime.unattended,
        force=force,
        resumes=settings.update.resume_on_new_lockfile,
    )


def described(hold: Hold, now: datetime) -> str:
    """A hold of the root for people: since when, by whom and why."""
    since = f"held since {hold.since:%Y-%m-%d %H:%M} UTC ({ago(hold.since, now)}) by {hold.by}"
    return f"{since}: {hold.reason}" if hold.reason else since


def refused(hold: Hold, runtime: Runtime, *, waits: str = "") -> HeldError:
    """The error that a hold stands for: since when, by whom, why, and how to go on.

    Args:
        hold: The hold.
        runtime: Who asks, and when.
        waits: The thing that a hold of the root keeps `update` from, for people.
    """
    if hold.kind is HoldKind.ONE_WAY:
        return NoWayBackError(
            f"this environment is one of before {hold.release}, which was released one-way: its prepare hook "
            "has changed what an earlier release may not work with. Nothing was switched",
            hint=hold.end,
            release=hold.release,
        )
    if hold.kind is HoldKind.REGRESSION:
        return HeldError(
            f"the lockfile brings back what a security update has fixed: {hold.reason}. Nothing was released",
            hint="pin the fix there, or a later version; or release the lockfile as it is: venvship release",
            release=hold.release,
        )
    if hold.scope == "environment":
        return HeldError(
            f"held since {hold.since:%Y-%m-%d %H:%M} UTC: this environment was released as {hold.release} "
            f"and did not pass: {hold.reason}",
            hint="change the lockfile or the code, or override with `venvship release --force`",
        )
    message = described(hold, runtime.clock())
    if runtime.unattended:
        return HeldError(message + (f"; waiting: {waits}" if waits else ""), hint=hold.end)
    if not runtime.person:
        return HeldError(
            f"{message}. Without a terminal, a command does not end a person's hold",
            hint="type the command at a terminal, or override with --force; an environment that was rolled "
            "back needs --force at a terminal, too",
        )
    return HeldError(
        f"{message}. The environment of this release is one that was rolled back",
        hint="release another lockfile, or override with --force",
    )


def announce_end(workspace: ReadingWorkspace, history: History) -> None:
    """Report the switch hold that the release about to be made ends or replaces, if it stays live."""
    hold = history.root_holds.get(HoldKind.SWITCH)
    if hold is not None and not workspace.runtime.unattended:
        now = workspace.runtime.clock()
        workspace.tell("hold", f"ends if the release stays live: {described(hold, now)}")


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
