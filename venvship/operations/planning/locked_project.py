"""The environment of a lockfile that was made in memory, with the project in it."""

from __future__ import annotations

from dataclasses import replace

from venvship.model.interpreter import Interpreter
from venvship.model.settings import Settings
from venvship.operations.planning.environment import lockfile_paths, read_environment
from venvship.operations.planning.exporting import exporter
from venvship.operations.planning.lock import Compiled
from venvship.operations.planning.project import Project
from venvship.workspace.workspace import Workspace


def with_project(
    workspace: Workspace,
    settings: Settings,
    compiled: Compiled,
    interpreter: Interpreter,
    project: Project | None,
) -> Compiled:
    """A lockfile that was made, with the project in its environment: a release has the code as well.

    Args:
        workspace: The root.
        settings: As for `read_environment`.
        compiled: The lockfile.
        interpreter: The root's.
        project: The project, opened; `None` without one.

    Raises:
        LockfileError: The two do not go together.
        CheckoutError: The project cannot be released.
        UntrustedError: Others can write a file that is included.
    """
    if project is None:
        return compiled
    path = lockfile_paths(workspace, settings)[0]

    def read(asked: str) -> bytes:
        return compiled.content if asked == path else workspace.trusted.read(asked)

    environment = read_environment(
        [path],
        settings,
        interpreter,
        read=read,
        project=project,
        export=exporter(workspace, settings, interpreter),
    )
    return replace(compiled, environment=environment)
