"""The lockfile that a command asks for; and where it cannot be used, the next step, for `status` too."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from venvship.errors import LockfileError, LockfileMissingError, VenvshipError
from venvship.model.history import History
from venvship.model.lock_kinds import is_tool_lock, kind_of
from venvship.model.settings import Settings
from venvship.operations.planning.default_inputs import default_inputs
from venvship.operations.planning.environment import lockfile_paths, read_file
from venvship.operations.planning.project import open_project, project_path
from venvship.printable import shell_line
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import release_ids


@contextlib.contextmanager
def missing_explained(
    workspace: ReadingWorkspace, settings: Settings, named: Sequence[str] = ()
) -> Iterator[None]:
    """Add the next step to the error of a lockfile that is missing or cannot be read.

    Args:
        workspace: The root.
        settings: Where the root's own lockfile is, and how it is generated.
        named: The lockfiles that the command line names in its place; absolute.

    Raises:
        LockfileMissingError: From inside.
    """
    try:
        yield
    except LockfileMissingError as error:
        path = str(error.data["path"])
        if path not in named and settings.project.lockfile and project_path(workspace, settings):
            error.hint = _committed(path)
        else:
            error.hint = _unreadable(path) or (
                _named(workspace, path) if path in named else _own(workspace, settings)
            )
        raise


def first_step(workspace: ReadingWorkspace, settings: Settings | None, history: History) -> str:
    """The step to a first release; empty where there is one, or the settings have to be fixed first."""
    if settings is None or release_ids(workspace.layout, history):
        return ""
    # Late: a root is without a release once in its life.
    from venvship.model.lockfiles.lockfile import read_lockfile

    try:
        project = open_project(workspace, settings)
        read = read_file if project is None else project.reading(read_file)
        read_lockfile(lockfile_paths(workspace, settings), read=read, sdists=settings.build.sdists)
    except LockfileMissingError as error:
        return _unreadable(str(error.data["path"])) or _own(workspace, settings)
    except LockfileError:
        return "fix the lockfile: `venvship release --dry-run` lists its problems"
    except VenvshipError:
        return ""
    return "venvship release"


def _unreadable(path: str) -> str:
    """The advice for a lockfile that is there; empty if it is missing."""
    if os.path.isdir(path):
        return f"{path} is a directory: name a file in it"
    return f"look at its mode and owner: ls -l {shell_line([path])}" if os.path.lexists(path) else ""


def _committed(path: str) -> str:
    """The advice for a lockfile that the commit does not have."""
    if os.path.lexists(path):
        folder, name = os.path.split(path)
        return f"commit it: git -C {shell_line([folder])} add {shell_line([name])}"
    return "`[project] lockfile` in venvship.toml is relative to `path`; name one that is committed"


def _named(workspace: ReadingWorkspace, path: str) -> str:
    in_root = os.path.join(workspace.layout.path, os.path.basename(path))
    if os.path.isfile(in_root):
        return (
            "--lockfile is relative to the working directory; to release the one in the root: "
            f"venvship release --lockfile {shell_line([in_root])}"
        )
    return "name a file that exists: --lockfile is relative to the working directory"


def _own(workspace: ReadingWorkspace, settings: Settings) -> str:
    """The step that brings the root's own lockfile, by the files that are there."""
    lockfile = settings.lockfile[0]
    if is_tool_lock(lockfile):
        path = os.path.join(workspace.layout.path, lockfile)
        return f"write it with {kind_of(path).tool}: {kind_of(path).lock_again(path)}"
    if settings.lock.inputs:
        return "generate the lockfile from the files in `[lock] inputs`: venvship lock"
    if inputs := default_inputs(str(workspace.layout.path), settings):
        return f"generate the lockfile from {inputs[0]}: venvship lock"
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(workspace.layout.path))
    for name in names:
        if name.endswith(".in") or name == "pyproject.toml":
            return (
                f'set `[lock] inputs = ["{name}"]` in venvship.toml, then generate {lockfile}: venvship lock'
            )
    return (
        f"put {lockfile} there, with hashes, or list requirement files in `[lock] inputs` of venvship.toml "
        "and generate it: venvship lock"
    )
