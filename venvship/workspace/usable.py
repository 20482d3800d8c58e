"""Could a release run here? Its place, its files, and its interpreter."""

from __future__ import annotations

import os
from typing import Final, Literal

from venvship.errors import HostError, ReleaseError, VenvshipError
from venvship.model.history import History
from venvship.model.interpreter import Identity
from venvship.model.release import Manifest
from venvship.root import RootLayout
from venvship.workspace.interpreter_identity import NotAskedError
from venvship.workspace.place import place_problem
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.verified import known_damage

ANEW: Final = (
    "`venvship relocate` makes the releases usable here; `venvship release` builds the one of the lockfile"
)
"""The hint for a release that was built for another directory."""


def release_problem(workspace: ReadingWorkspace, release_id: str) -> str | None:
    """The first problem that a quick look finds with a release; `None` for none. Reads no contents.

    Raises:
        HostError: The host has nothing left to look with, which says nothing about the release.
    """
    # Late: only a switch looks at the files.
    from venvship.workspace.quick_look import quick_problem

    layout = workspace.layout
    try:
        manifest = workspace.manifest(release_id)
    except HostError:
        raise
    except VenvshipError as error:
        return error.message
    return (
        place_problem(layout, manifest)
        or quick_problem(layout, manifest)
        or interpreter_problem(layout, manifest)
    )


def start_problem(layout: RootLayout, manifest: Manifest) -> str | None:
    """Why no process may be started from a release, as far as a few names tell; `None` for no reason.

    For reads, and for decisions that are made every few minutes; a switch takes a quick look as well.

    Args:
        layout: The root.
        manifest: The release's, held against its anchor.
    """
    return place_problem(layout, manifest) or interpreter_problem(layout, manifest)


def start_problem_of(workspace: ReadingWorkspace, release_id: str) -> str | None:
    """`start_problem` by id; a manifest that cannot be read, or was changed, is a reason too."""
    try:
        return start_problem(workspace.layout, workspace.manifest(release_id))
    except VenvshipError as error:
        return error.message


def seeming_problem(workspace: ReadingWorkspace, release_id: str) -> str | None:
    """Why a rollback does not go to a release, as far as a few names tell; `None` for no reason.

    `usable_problem` without a look at all names. Both know the damage that `verify` has found.
    """
    return start_problem_of(workspace, release_id) or known_damage(workspace, release_id)


def host_problem(workspace: ReadingWorkspace, release_id: str) -> str | None:
    """Why a release cannot be used here, whatever its files are like: its path, or its interpreter.

    Raises:
        InterruptedByError: A signal came while an interpreter was asked.
    """
    return start_problem_of(workspace, release_id) or _identity_problem(
        workspace, release_id, ask=True, in_doubt="warn"
    )


def awaits_relocation(workspace: ReadingWorkspace, history: History, current: str | None) -> bool:
    """Whether a relocation was killed between its line in the journal and its link.

    Then `current` names a release that cannot be used here, and the one that took its place can be. Where
    the named one can be used, an operator has switched to it: the root was moved back to its old path, say.

    Args:
        workspace: The root; reads only.
        history: The folded journal.
        current: The release that `current` names; `None` for none.

    Raises:
        InterruptedByError: A signal came while an interpreter was asked.
    """
    if current is None or history.expected is None or not history.has_live_heir(current):
        return False
    return host_problem(workspace, history.expected) is None and host_problem(workspace, current) is not None


def require_startable(workspace: ReadingWorkspace, release_id: str) -> None:
    """Refuse a release from which no process may be started; see `start_problem`.

    Without an anchor it does not warn, unlike `require_usable`: services and cron jobs start with `run`.

    Raises:
        ReleaseError: It was built for another directory, its interpreter is gone, or its manifest is damaged
            or not the one that was sealed.
    """
    problem = start_problem_of(workspace, release_id)
    if problem:
        hint = ANEW if workspace.place_problem(release_id) else None
        raise ReleaseError(f"{release_id} cannot be used: {problem}", hint=hint, release=release_id)


def interpreter_problem(layout: RootLayout, manifest: Manifest) -> str | None:
    """Why the interpreter of a release cannot be reached; `None` if it is there."""
    python = layout.release_path(manifest.id) / "bin" / "python"
    try:
        os.stat(python)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        trouble = "is gone" if missing else f"cannot be reached: {error.strerror}"
    else:
        return None
    return f"its interpreter {manifest.environment.python.get('path', '?')} {trouble}"


def usable_problem(workspace: ReadingWorkspace, release_id: str, *, ask: bool) -> str | None:
    """Why `current` may not be pointed to a release; `None` if it may.

    Every decision about the target of a switch asks this, and so does every decision about the release that
    `previous` names, so that `previous` names the release that a rollback goes to. An interpreter that cannot
    be asked at this moment, on a host that has no process or no time left for that, is taken to be the same.

    Args:
        workspace: The root; reads only.
        release_id: The release.
        ask: Whether to run an interpreter whose identity this process does not know. Not after a switch, when
            venvship can be gone and signals wait: an unknown identity counts as the same then.

    Raises:
        HostError: The host has nothing left to look with; only with `ask`, since a switch is to be completed.
        InterruptedByError: A signal came while an interpreter was asked.
    """
    try:
        problem = release_problem(workspace, release_id)
    except HostError as error:
        if ask:
            raise
        problem = error.message
    return (
        problem
        or known_damage(workspace, release_id)
        or _identity_problem(workspace, release_id, ask=ask, in_doubt="warn")
    )


def require_undamaged(workspace: ReadingWorkspace, release_id: str) -> None:
    """Refuse a release that `verify` has found damaged, and that still is.

    Raises:
        ReleaseError: It is.
    """
    damage = known_damage(workspace, release_id)
    if damage is not None:
        raise ReleaseError(
            f"{release_id} cannot be used: it is {damage}",
            hint=f"venvship verify {release_id} lists all of it; to go there all the same: "
            f"venvship rollback {release_id}",
            release=release_id,
        )


def require_usable(
    workspace: ReadingWorkspace, release_id: str, *, in_doubt: Literal["refuse", "warn"] = "refuse"
) -> Manifest:
    """Refuse a release that could not run. Warn of one without an anchor.

    Args:
        workspace: The root.
        release_id: The release.
        in_doubt: How to treat an interpreter that cannot be asked at this moment: refuse the release, or take
            it to be the same, as `usable_problem` does. A rollback goes on.

    Raises:
        ReleaseError: It was built for another directory, a file is missing or changed, its manifest is not
            the one that was sealed, or its interpreter is gone or has another identity.
        HostError: The host has nothing left to look with.
        InterruptedByError: A signal came while its interpreter was asked.
    """
    damage = release_problem(workspace, release_id)
    if damage:
        hint = f"to list the damaged files: venvship verify {release_id}"
        if workspace.place_problem(release_id):
            hint = ANEW
        elif damage == _interpreter_problem_of(workspace, release_id):
            hint = "install that interpreter again, or set another `python` in venvship.toml and release anew"
        raise ReleaseError(f"{release_id} cannot be used: {damage}", hint=hint, release=release_id)
    problem = _identity_problem(workspace, release_id, ask=True, in_doubt=in_doubt)
    if problem:
        raise ReleaseError(f"{release_id} cannot be used: {problem}", release=release_id)
    workspace.warn_without_anchor(release_id)
    return workspace.manifest(release_id)


def _interpreter_problem_of(workspace: ReadingWorkspace, release_id: str) -> str | None:
    try:
        return interpreter_problem(workspace.layout, workspace.manifest(release_id))
    except VenvshipError:
        return None


def _identity_problem(
    workspace: ReadingWorkspace, release_id: str, *, ask: bool, in_doubt: Literal["refuse", "warn"]
) -> str | None:
    """Why the interpreter at the recorded path does not serve a release, which was built for its identity."""
    try:
        python = workspace.manifest(release_id).environment.python
    except VenvshipError as error:  # it could be read a moment ago; a rollback goes on
        return error.message
    path, wanted = python.get("path", ""), Identity.of(python)
    try:
        found = workspace.identities.ask(path) if ask else workspace.identities.known(path)
    except NotAskedError as error:
        if in_doubt == "refuse":
            return str(error)
        workspace.warn("interpreter-not-asked", f"{release_id}: {error}; it is taken to be the same")
        return None
    if found is None or (isinstance(found, Identity) and found.serves(wanted)):
        return None
    return f"its interpreter {path} is {found} now, and was {wanted}"
