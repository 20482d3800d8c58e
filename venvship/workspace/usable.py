"""Could a release run here? Its files, and its interpreter."""

from __future__ import annotations

import os
from typing import Literal

from venvship.errors import ReleaseError, VenvshipError
from venvship.model.interpreter import Identity
from venvship.model.release import Manifest
from venvship.root import RootLayout
from venvship.workspace.interpreter_identity import NotAskedError
from venvship.workspace.reading import ReadingWorkspace


def release_problem(layout: RootLayout, release_id: str) -> str | None:
    """The first problem that a quick look finds with a release; `None` for none. Reads no contents."""
    # Late: only a switch looks at the files.
    from venvship.workspace.quick_look import quick_problem

    return quick_problem(layout, release_id) or interpreter_problem(layout, release_id)


def interpreter_problem(layout: RootLayout, release_id: str) -> str | None:
    """Why the interpreter of a release cannot be reached; `None` if it is there."""
    python = layout.release_path(release_id) / "bin" / "python"
    try:
        os.stat(python)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        trouble = "is gone" if missing else f"cannot be reached: {error.strerror}"
    else:
        return None
    try:
        path = layout.manifest(release_id).environment.python.get("path", "?")
    except VenvshipError as error:
        return error.message
    return f"its interpreter {path} {trouble}"


def require_usable(
    workspace: ReadingWorkspace, release_id: str, *, in_doubt: Literal["refuse", "warn"] = "refuse"
) -> Manifest:
    """Refuse a release that could not run.

    Args:
        workspace: The root.
        release_id: The release.
        in_doubt: How to treat an interpreter that is there and cannot be asked at this moment, on a host that
            has no process or no time left for that. A rollback goes on.

    Raises:
        ReleaseError: A file is missing or changed, or its interpreter is gone or has another identity.
        InterruptedByError: A signal came while its interpreter was asked.
    """
    problem = release_problem(workspace.layout, release_id)
    if problem:
        raise ReleaseError(
            f"{release_id} cannot be used: {problem}",
            hint=f"venvship verify {release_id} lists what is damaged",
            release=release_id,
        )
    manifest = workspace.layout.manifest(release_id)
    try:
        problem = _other_identity(workspace, manifest)
    except NotAskedError as error:
        problem = str(error)
        if in_doubt == "warn":
            workspace.warn("interpreter-not-asked", f"{release_id}: {problem}; it is taken to be the same")
            problem = None
    if problem:
        raise ReleaseError(f"{release_id} cannot be used: {problem}", release=release_id)
    return manifest


def _other_identity(workspace: ReadingWorkspace, manifest: Manifest) -> str | None:
    """The identity of the interpreter at the recorded path, in words, if it is another one than it was."""
    path = manifest.environment.python.get("path", "")
    wanted = Identity.of(manifest.environment.python)
    found = workspace.identities.ask(path)
    if isinstance(found, Identity) and found.serves(wanted):
        return None
    return f"its interpreter {path} is {found} now, and was {wanted}"
