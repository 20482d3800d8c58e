"""Decide to which release a rollback goes, and refuse one that it must not go to. Changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from venvship.errors import NothingToRollBackToError
from venvship.model.history import PassedOver
from venvship.model.release import State
from venvship.operations.switching.barrier import require_no_barrier
from venvship.printable import lines
from venvship.workspace.reading import KnownHistory, ReadingWorkspace
from venvship.workspace.releases import resolve_release
from venvship.workspace.usable import ANEW, require_usable, usable_problem
from venvship.workspace.verified import known_damage
from venvship.workspace.way_back import command_back, find_way_back


class RollbackTarget(NamedTuple):
    """The release that a rollback goes to.

    Attributes:
        release_id: Its id.
        last_live: The last time at which it was known to be live; `None` if it never was.
        passed_over: The nearer releases that the rollback passes over; none if a release was named.
    """

    release_id: str
    last_live: datetime | None = None
    passed_over: tuple[PassedOver, ...] = ()


def choose_target(
    workspace: ReadingWorkspace,
    known: KnownHistory,
    current: str | None,
    name: str | None,
    *,
    force: bool = False,
) -> RollbackTarget:
    """Choose the release that a rollback goes to.

    A named release must be usable, and may be bad, or one that `verify` has found damaged: a person may know
    that the damage does not matter, and have no other. `find_way_back` chooses without a name.

    Args:
        workspace: The root; reads only.
        known: The history.
        current: The release that is current.
        name: The release, if one was named.
        force: Whether a one-way release between them is no reason to refuse.

    Raises:
        NoWayBackError: A one-way release lies between.
        NothingToRollBackToError: There is none.
        ReleaseError: The named release does not exist, or is not usable.
        ForeignLinkError: The name refers to `current`, which is not ours.
        RootError: `current` or `releases/` cannot be read.
        InterruptedByError: A signal came while an interpreter was asked.
    """
    workspace.layout.with_manifest()  # or the error: no release is damaged because none can be reached
    if name is not None:
        release_id = _named(workspace, known, name)
        _require_no_barrier(known, current, release_id, name=release_id, force=force)
        return RollbackTarget(release_id, known.history.last_live(release_id))

    problems: dict[str, str] = {}

    def problem_of(release_id: str) -> str | None:
        problem = usable_problem(workspace, release_id, ask=True)
        if problem:
            problems[release_id] = problem
        return problem

    found = find_way_back(workspace, known, current, problem_of)
    for release_id in problems.keys() - {passed.id for passed in found.passed_over}:
        # A better release than the target, further down. The others are told with the target.
        workspace.warn("release-skipped", f"{release_id} cannot be used: {problems[release_id]}")
    if found.release_id is not None:
        _require_no_barrier(known, current, found.release_id, name="", force=force)
        workspace.warn_without_anchor(found.release_id)
        last_live = known.history.last_live(found.release_id)
        return RollbackTarget(found.release_id, last_live, found.passed_over)
    if not known.whole:
        raise NothingToRollBackToError(
            lines(
                "the journal is damaged, and previous names no usable release",
                *(f"passed over {passed.id}: {passed.reason}" for passed in found.passed_over),
            ),
            hint="name one: venvship rollback RELEASE; `venvship list` shows them",
        )
    if current is None and not known.history.switches:
        raise NothingToRollBackToError("nothing was ever live, so there is nothing to go back to")
    message = lines(
        f"there is no earlier proven or unchecked, usable release than {current or 'nothing'}",
        *(f"passed over {passed.id}: {passed.reason}" for passed in found.passed_over),
    )
    if any(map(workspace.place_problem, known.history.lineage)):
        raise NothingToRollBackToError(message, hint=ANEW)
    command = command_back(workspace, known)
    raise NothingToRollBackToError(
        message,
        hint=(f"to the release that was live before: {command.line}; " if command else "")
        + "`venvship list` shows all releases",
    )


def _require_no_barrier(
    known: KnownHistory, current: str | None, target: str, *, name: str, force: bool
) -> None:
    command = f"venvship rollback --force {name}".rstrip()
    require_no_barrier(known.history, current, target, command=command, force=force)


def _named(workspace: ReadingWorkspace, known: KnownHistory, name: str) -> str:
    if not known.whole and workspace.layout.has_manifest(name):
        release_id = name  # the journal cannot tell whether it is a release; its manifest and files can
    else:
        release_id = resolve_release(workspace.layout, name, known.history)
    require_usable(workspace, release_id, in_doubt="warn")
    damage = known_damage(workspace, release_id)
    if damage is not None:
        workspace.warn("damage-found", f"{release_id} is {damage}")
    if known.history.state(release_id) is State.BAD:
        workspace.warn("bad-release", f"{release_id} is known to be bad")
    return release_id
