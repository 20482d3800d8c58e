"""How the lockfile on disk compares with the live release, for `status`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from venvship.errors import LockfileError, VenvshipError
from venvship.model.environment import RecordedEnvironment
from venvship.model.release import PackageChange, python_change
from venvship.model.settings import Settings
from venvship.operations.planning.environment import (
    is_of,
    lockfile_paths,
    needs_export,
    of_equal_wheels,
    read_environment,
)
from venvship.operations.planning.known_interpreter import find_interpreter
from venvship.operations.planning.project import open_project
from venvship.workspace.reading import ReadingWorkspace


class LockfileState(NamedTuple):
    """The comparison of the lockfile with a release.

    Attributes:
        changed: Whether a release made now would be of another environment: by the lockfile, by the settings
            of a build, or by the interpreter. `None` if that cannot be told, or there is no release.
        problem: Why the lockfile cannot be read, in a line; `None` if it can, or need not be.
        environment: The digest of the environment that it asks for; `None` if unknown.
        python: The interpreters of the release and of the settings, if they make other environments.
        bytes_changed: Whether the bytes of the lockfile differ from those that the release was made from.
    """

    changed: bool | None = None
    problem: str | None = None
    environment: str | None = None
    python: PackageChange | None = None
    bytes_changed: bool = False


def compare_lockfile(
    workspace: ReadingWorkspace, settings: Settings, release_id: str | None
) -> LockfileState:
    """Compare the lockfile with a release. It is parsed only if its bytes or the settings have changed.

    Args:
        workspace: The root.
        settings: Where the lockfile is, and how to read it.
        release_id: The release; `None` for none.
    """
    paths = lockfile_paths(workspace, settings)
    try:
        # The recorded one even where this user may not run it: the comparison only needs the facts.
        known = workspace.layout.interpreter()
        settled = known is not None and known[0] == settings.python
        interpreter = known[1] if known is not None and settled else find_interpreter(workspace, settings)
        manifest = workspace.manifest(release_id) if release_id is not None else None
        recorded = manifest.environment if manifest is not None else None
        project, read = open_project(workspace, settings), workspace.trusted.read
        if manifest is not None and is_of(manifest, paths, settings, interpreter, read=read, project=project):
            return LockfileState(changed=False, environment=manifest.environment.digest)
        if needs_export(paths):
            return _unexported(paths[0], recorded, read if project is None else project.reading(read))
        environment = read_environment(paths, settings, interpreter, read=read, project=project)
        environment = of_equal_wheels(workspace, settings, environment)
    except LockfileError as error:
        return LockfileState(problem=error.message.splitlines()[0])
    except VenvshipError as error:
        workspace.warn_of(error)
        return LockfileState()
    if recorded is None:
        return LockfileState(environment=environment.digest)
    changed = environment.digest != recorded.digest
    python = python_change(recorded.python, environment.recorded.python) if changed else None
    return LockfileState(
        changed=changed,
        environment=environment.digest,
        python=python,
        bytes_changed=environment.lockfile.sha256 != recorded.lockfile_sha256,
    )


def _unexported(
    path: str, recorded: RecordedEnvironment | None, read: Callable[[str], bytes]
) -> LockfileState:
    """The state of a uv.lock that was not read for the live release: a read does not run uv.

    Raises:
        LockfileError: It cannot be read.
    """
    # Late: most roots have a lockfile of another kind, or one that has not changed.
    from venvship.model.lockfiles.lockfile import read_lockfile

    lockfile = read_lockfile([path], read=read, sdists=())
    changed = recorded is not None and lockfile.sha256 != recorded.lockfile_sha256
    return LockfileState(changed=True if changed else None, bytes_changed=changed)
