"""A lockfile that leaves out the project itself, or packages that its inputs ask for."""

from __future__ import annotations

import os
import tomllib
from typing import Any

from venvship.errors import VenvshipError
from venvship.model.environment import Environment
from venvship.model.settings import Settings
from venvship.operations.planning.default_inputs import default_inputs
from venvship.operations.planning.environment import lockfile_paths
from venvship.operations.planning.project import in_checkout
from venvship.printable import shell_line
from venvship.workspace.workspace import Workspace


def warn_if_left_out(workspace: Workspace, settings: Settings, environment: Environment) -> None:
    """Warn about a release that would have all dependencies of a project, and not the project.

    That is so where the lockfile lies beside the pyproject.toml of a project, and no wheel of that name is
    selected. A release like that starts, passes checks of its dependencies, and has no application in it.

    Args:
        workspace: The root.
        settings: With `[project]`, the project is a member of every release.
        environment: The environment that is about to be built.
    """
    if settings.project.path is not None:
        return
    beside = os.path.join(os.path.dirname(environment.lockfile.path), "pyproject.toml")
    name = _project_name(workspace, beside)
    if name and name not in {requirement.name for requirement in environment.selected}:
        folder = os.path.dirname(beside)
        workspace.warn(
            "project-left-out",
            f"the lockfile has the dependencies of {name}, and not {name} itself, so this release is"
            f' without it: set path = "{folder}" below [project] in venvship.toml, or build a wheel of it and'
            " add that to the lockfile",
        )


def warn_if_not_locked(workspace: Workspace, settings: Settings, environment: Environment) -> None:
    """Warn about a release without packages that the inputs of its lockfile have asked for since `lock`.

    A lock of another tool tells by itself whether it is older than its project. One that `venvship lock` made
    does not, and a package that the code needs by now is missing from the release.

    Args:
        workspace: The root.
        settings: `[lock] inputs`, or the project.
        environment: The environment that is about to be built.
    """
    # Late: an idle `update` reads no lockfile, and loads no parser.
    from venvship.model.lockfiles.lock_inputs import asked_names
    from venvship.model.lockfiles.requirement import marker_environment

    root, lockfile = str(workspace.layout.path), environment.lockfile.path
    if in_checkout(settings) or lockfile != lockfile_paths(workspace, settings)[0]:
        return
    selected = {requirement.name for requirement in environment.selected}
    markers = marker_environment(environment.interpreter)
    for name in settings.lock.inputs or default_inputs(root, settings):
        path = os.path.normpath(os.path.join(root, name))
        try:
            text = workspace.trusted.read(path).decode("utf-8-sig", "replace")
        except (OSError, VenvshipError):
            continue  # `lock` says so
        missing = sorted(asked_names(path, text, markers) - selected)
        if missing:
            again = shell_line(["venvship", "-C", root, "lock"])
            workspace.warn(
                "not-locked",
                f"{path} asks for {', '.join(missing)}, and the lockfile is from before that, so this "
                f"release is without: lock again, then release: {again}",
            )


def _project_name(workspace: Workspace, path: str) -> str:
    """The normalised name of a project; `""` where it cannot be told, or the file is no project's."""
    from packaging.utils import InvalidName, canonicalize_name

    try:
        declared = tomllib.loads(workspace.trusted.read(path).decode())
        return canonicalize_name(_name(declared), validate=True)
    except (OSError, VenvshipError, ValueError, RecursionError, InvalidName):
        return ""


def _name(declared: dict[str, Any]) -> str:
    tool = declared.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    for table in (declared.get("project"), poetry):
        if isinstance(table, dict) and isinstance(table.get("name"), str):
            return str(table["name"])
    return ""
