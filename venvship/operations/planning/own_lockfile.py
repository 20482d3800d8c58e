"""Read the lockfile that a command asks for, or the root's own. For commands that write: no read runs uv."""

from __future__ import annotations

import os
from collections.abc import Sequence

from venvship.errors import VenvshipError
from venvship.model.environment import Environment
from venvship.model.interpreter import Interpreter
from venvship.model.settings import Settings
from venvship.operations.planning.asked_lockfile import missing_explained
from venvship.operations.planning.environment import (
    is_of,
    lockfile_paths,
    of_equal_wheels,
    read_environment,
)
from venvship.operations.planning.exporting import exporter
from venvship.operations.planning.project import Project, in_checkout, open_project
from venvship.workspace.reading import ReadingWorkspace


def read_asked(
    workspace: ReadingWorkspace,
    settings: Settings,
    interpreter: Interpreter,
    named: Sequence[str] = (),
    project: Project | None = None,
    *,
    record: bool = False,
) -> Environment:
    """Read the lockfiles that the command line names, else those of the settings.

    Args:
        workspace: The root.
        settings: As for `read_environment`.
        interpreter: The root's.
        named: The lockfiles of the command line; absolute.
        project: The project, opened.
        record: As for `exporter`.

    Raises:
        LockfileError: It is refused, or missing.
        CheckoutError: The project cannot be released.
        UntrustedError: Others can write it.
    """
    with missing_explained(workspace, settings, named):
        paths = named or lockfile_paths(workspace, settings)
        return read_environment(
            paths,
            settings,
            interpreter,
            read=workspace.trusted.read,
            project=project,
            export=exporter(workspace, settings, interpreter, record=record),
        )


def lockfile_environment(workspace: ReadingWorkspace, settings: Settings) -> str | None:
    """The environment of the root's own lockfile as it is now, best effort: nothing may fail because of it.

    Returns:
        Its digest; `""` if it cannot be told, as for a lockfile that `release` would refuse; `None` if the
        root has no lockfile.
    """
    paths = lockfile_paths(workspace, settings)
    committed = in_checkout(settings)
    if not committed and not any(os.path.lexists(path) for path in paths):
        return None
    try:
        known = workspace.layout.interpreter()
        if known is None or known[0] != settings.python:
            return ""
        if not committed and not all(map(os.path.isfile, paths)):
            return ""
        project = open_project(workspace, settings)
        current = workspace.layout.current()
        if current is not None and workspace.layout.has_manifest(current):
            manifest = workspace.manifest(current)
            if is_of(manifest, paths, settings, known[1], read=workspace.trusted.read, project=project):
                return manifest.environment.digest
        environment = read_environment(
            paths,
            settings,
            known[1],
            read=workspace.trusted.read,
            project=project,
            export=exporter(workspace, settings, known[1]),
        )
        return of_equal_wheels(workspace, settings, environment).digest
    except (VenvshipError, OSError, ValueError, ImportError):
        return ""
