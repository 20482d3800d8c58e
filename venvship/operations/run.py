"""`run`: resolve a release once, take its lease, and become the command."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from venvship.errors import (
    CommandNotExecutableError,
    CommandNotFoundError,
    OperationWarning,
    ReleaseError,
)
from venvship.system.first_line import program_problem
from venvship.system.leases import take_lease
from venvship.system.process import exec_replace
from venvship.workspace.lease_holder import lease_locked
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import resolve_release
from venvship.workspace.usable import require_startable


def run(
    workspace: ReadingWorkspace,
    command: Sequence[str],
    *,
    name: str = "current",
    warn: Callable[[OperationWarning], None],
) -> NoReturn:
    """Replace this process by a command that runs from a release's real path.

    A switch a moment later does not reach it: nothing it sees goes through `current`. The lease that keeps
    prune away lives on a descriptor that the command inherits.

    Arguments and errors: `Root.run`.
    """
    workspace.layout.refuse_foreign_root()
    history = workspace.known_history().history
    release_id = resolve_release(workspace.layout, name, history)
    require_startable(workspace, release_id)
    variables = workspace.variables(workspace.settings_or_kept())
    context = workspace.context(release_id, variables, previous=workspace.layout.previous(), event="run")
    environment = context.environment()
    # Checks and hooks stand in the release; this command stays where the person stands.
    environment.pop("PWD")
    if "PWD" in workspace.runtime.environ:
        environment["PWD"] = workspace.runtime.environ["PWD"]
    path = _find(command[0], environment["PATH"])
    if path is None:
        raise CommandNotFoundError(f"{command[0]}: not found")
    # The lease comes last: its descriptor is inherited by every child, and must not outlive a failure.
    with _leased(workspace, release_id):
        for warning in workspace.warnings:
            warn(warning)
        try:
            exec_replace(path, command, environment)
        except OSError as error:
            problem = program_problem(path, env=environment, cwd=os.getcwd())
            raise CommandNotExecutableError(f"{path}: {problem or error.strerror}") from error


@contextlib.contextmanager
def _leased(workspace: ReadingWorkspace, release_id: str) -> Iterator[None]:
    """Take the lease of a release, and free it where the command does not start. Without one, warn."""
    try:
        lease = take_lease(str(workspace.layout.lease(release_id)))
    except OSError as error:
        workspace.warn(
            "no-lease", f"no lease for {release_id}: {error.strerror}; prune may not see this process"
        )
        yield
        return
    if lease is None:
        raise _removed(release_id)
    try:
        if not workspace.layout.has_release(release_id):
            raise _removed(release_id)
        if lease.blocked:
            workspace.warn("lease-locked", lease_locked(workspace.layout, release_id))
        yield
    finally:
        os.close(lease.fd)


def _removed(release_id: str) -> ReleaseError:
    return ReleaseError(f"{release_id} is being removed at this moment")


def _find(program: str, search: str) -> str | None:
    import shutil

    if os.sep in program:
        return program if os.path.exists(program) else None
    return shutil.which(program, path=search)
