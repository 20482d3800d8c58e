"""Export a uv.lock for a root: with the uv that is there, which is recorded once it has served a release."""

from __future__ import annotations

import functools
import posixpath
import tomllib
from collections.abc import Mapping

from venvship.model.interpreter import Interpreter
from venvship.model.lock_neighbours import Export
from venvship.model.settings import Settings
from venvship.model.spelling import FORMAT
from venvship.operations.planning.project import in_checkout
from venvship.system import files
from venvship.system.json_files import read_json
from venvship.workspace.reading import ReadingWorkspace

_RECORD = "uv.json"
_TEMPORARY = "/tmp"  # noqa: S108  # a folder with a random name is made in it


def exporter(
    workspace: ReadingWorkspace, settings: Settings, interpreter: Interpreter, *, record: bool = False
) -> Export:
    """The function that exports a uv.lock of this root. It does nothing until it is called.

    Args:
        workspace: The root.
        settings: The extras and groups that are wanted.
        interpreter: The interpreter that the lockfile is read for.
        record: Whether to record the uv that was found. cron's PATH may not have it.
    """
    return functools.partial(_export, workspace, settings, interpreter, record)


def _export(
    workspace: ReadingWorkspace,
    settings: Settings,
    interpreter: Interpreter,
    record: bool,
    path: str,
    contents: Mapping[str, bytes],
) -> bytes:
    # Late: most roots have a lockfile of another kind.
    from venvship.building.locking.uv_export import UvExport, export_uv_lock, private_directory
    from venvship.building.locking.uv_program import find_uv

    runtime = workspace.runtime
    parent = runtime.environ.get("TMPDIR") or _TEMPORARY
    recorded = _recorded(workspace)
    with private_directory(parent, runtime.token()) as directory:
        uv = find_uv(
            runtime.environ,
            recorded,
            executable=runtime.executable,
            require=workspace.trusted.require_path,
            directory=directory,
            signals=runtime.signals,
        )
        request = UvExport(
            path=path,
            contents=contents,
            interpreter=interpreter,
            extras=settings.build.extras,
            groups=settings.build.groups,
            member=_member(settings, contents),
        )
        exported = export_uv_lock(request, uv, directory=directory, signals=runtime.signals)
    if record and recorded != uv.path:
        # Crash: the record is the old one, the new one or missing; all three are fine.
        files.write_json(workspace.layout.state / _RECORD, {"format": FORMAT, "path": uv.path})
    return exported


def _member(settings: Settings, contents: Mapping[str, bytes]) -> str:
    """The name of the project of a workspace to export; `""` for that of the lock's own folder."""
    named = settings.project.member
    if named is None or not in_checkout(settings):
        return ""
    declared = contents.get(posixpath.join(posixpath.normpath(named), "pyproject.toml"))
    if declared is None:
        return named
    try:
        return str(tomllib.loads(declared.decode())["project"]["name"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return named


def _recorded(workspace: ReadingWorkspace) -> str | None:
    data = read_json(workspace.layout.state / _RECORD, workspace.layout.ask)
    path = (data or {}).get("path")
    return path if isinstance(path, str) and path.startswith("/") else None
