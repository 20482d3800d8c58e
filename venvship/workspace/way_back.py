"""The way that a rollback without a name takes: decided in one place, for all commands that name it."""

from __future__ import annotations

from typing import NamedTuple

from venvship.errors import ForeignLinkError
from venvship.model.history import PassedOver, ProblemOf, WayBack
from venvship.model.one_way import barrier_before
from venvship.model.release import State
from venvship.workspace.reading import KnownHistory, ReadingWorkspace
from venvship.workspace.releases import is_known
from venvship.workspace.usable import awaits_relocation, seeming_problem, start_problem_of
from venvship.workspace.verified import known_damage


def find_way_back(
    workspace: ReadingWorkspace, known: KnownHistory, current: str | None, problem_of: ProblemOf
) -> WayBack:
    """Find the release that a rollback without a name goes to.

    `History.way_back` decides it. Without the whole journal, which has the lineage, it is the release that
    `previous` names.

    Args:
        workspace: The root; reads only.
        known: The history.
        current: The release that is current.
        problem_of: Why a release cannot be made current. A rollback looks at the files; a report, which has
            to be quick, does not: `seeming_problem`.
    """
    if known.whole:
        if awaits_relocation(workspace, known.history, current):
            current = known.history.expected
        return known.history.way_back(current, problem_of, workspace.runtime.clock())
    previous = workspace.layout.previous()
    if previous is None or previous == current:
        return WayBack(None)
    problem = problem_of(previous)
    if problem is None:
        return WayBack(previous)
    return WayBack(None, (PassedOver(previous, f"cannot be used: {problem}"),))


def seeming_way_back(workspace: ReadingWorkspace, known: KnownHistory) -> WayBack:
    """The way back of the current release, without a look at the files of the target."""
    return find_way_back(
        workspace, known, known.current, lambda release_id: seeming_problem(workspace, release_id)
    )


def require_current(workspace: ReadingWorkspace) -> str | None:
    """The id of the current release, whose directory is there; `None` for nothing.

    Raises:
        ForeignLinkError: `current` is not our link, or points to a release that is gone.
    """
    current = workspace.layout.current()
    if current is not None and not workspace.layout.has_release(current):
        command = command_back(workspace, workspace.known_history())
        raise ForeignLinkError(
            f"{workspace.layout.current_link} points to {current}, which is gone",
            hint=f"go back to {command.release_id}: {command.line}"
            if command
            else "there is no release to go back to: remove the link",
        )
    return current


class CommandBack(NamedTuple):
    """A command that goes back from the current release, and works.

    Attributes:
        line: The command line.
        release_id: The release that it goes to.
        state: The state of that release.
    """

    line: str
    release_id: str
    state: State


def command_back(workspace: ReadingWorkspace, known: KnownHistory) -> CommandBack | None:
    """The command that goes back from the current release; `None` if there is no release to go to.

    A rollback without a name, if that has a target; otherwise a command with the name of the release that was
    live before.
    """
    history, current = known.history, known.current
    target = seeming_way_back(workspace, known).release_id
    if target is not None:
        insists = " --force" if barrier_before(history, current, target) is not None else ""
        return CommandBack(f"venvship rollback{insists}", target, history.state(target))
    before = history.was_current(1)
    if before is None or before == current or not is_known(before, history):
        return None
    if start_problem_of(workspace, before) is not None:
        return None
    name = "@{1}" if current == history.expected else before
    # A promotion takes back what fails. For a known-bad release, and under a hold of the root, it may need
    # `--force`, and it refuses one that is known to be damaged; a rollback by name goes there.
    asks = history.state(before) is State.BAD or bool(history.root_holds)
    asks = asks or known_damage(workspace, before) is not None
    insists = "--force " if barrier_before(history, current, before) is not None else ""
    command = f"venvship {'rollback' if asks else 'promote'} {insists}{name}"
    return CommandBack(command, before, history.state(before))


def or_go_back(workspace: ReadingWorkspace, known: KnownHistory | None = None) -> str:
    """The end of a hint: the command that leaves a release which does not pass; `""` if there is none.

    Args:
        workspace: The root; reads only.
        known: The history; `None` to read it now.
    """
    command = command_back(workspace, known or workspace.known_history(unreadable="warn"))
    return f"; or go back to {command.release_id}: {command.line}" if command else ""
