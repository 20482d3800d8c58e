"""Recognise the live release as the one of the lockfile and the project on disk, without parsing either.

A lockfile in a checkout is not even read: the commit stands for it. Another one is read and hashed.
"""

from __future__ import annotations

from venvship.errors import FormatError, ReleaseError
from venvship.model.history import History
from venvship.model.interpreter import Interpreter
from venvship.model.release import Manifest
from venvship.model.settings import Settings
from venvship.operations.planning.environment import is_of, lockfile_paths
from venvship.operations.planning.project import Project
from venvship.workspace.usable import start_problem
from venvship.workspace.way_back import require_current
from venvship.workspace.workspace import Workspace


def live_manifest(
    workspace: Workspace,
    settings: Settings,
    history: History,
    interpreter: Interpreter,
    project: Project | None,
) -> Manifest | None:
    """The manifest of the live release if it was made from the lockfile and the project on disk.

    Neither is parsed: their digests are compared with those that the manifest has. `None` proves nothing; see
    `is_of`.

    Args:
        workspace: The root.
        settings: As for `read_environment`.
        history: The folded journal.
        interpreter: The root's.
        project: The project, opened; `None` without one.

    Raises:
        RootError: `current` is not ours.
        UntrustedError: Others can write the lockfile.
        CheckoutError: git refuses.
    """
    current = require_current(workspace)
    record = history.records.get(current) if current else None
    if current is None or record is None:
        return None
    try:
        manifest = workspace.manifest(current)
    except (ReleaseError, FormatError):
        return None
    paths = lockfile_paths(workspace, settings)
    same = manifest.environment.digest == record.environment_digest
    read = workspace.trusted.read
    if not same or not is_of(manifest, paths, settings, interpreter, read=read, project=project):
        return None
    return None if start_problem(workspace.layout, manifest) else manifest
