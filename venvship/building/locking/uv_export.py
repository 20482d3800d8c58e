"""Export a uv.lock as a pylock file with uv itself, on copies in a private folder, not in the checkout."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from venvship.building.locking.uv_program import Uv, run_uv
from venvship.errors import FetchTimeoutError, LockfileError
from venvship.model import bounds
from venvship.model.interpreter import Interpreter
from venvship.model.lock_kinds import KINDS
from venvship.model.lockfiles.staleness import stale
from venvship.model.redaction import Redactor
from venvship.printable import lines
from venvship.system import files, trees
from venvship.system.faults import build_faults
from venvship.system.process import ProcessResult
from venvship.system.signals import Signals

_SECONDS: Final = 120.0
"""For each run. uv takes less than a second for the largest lockfiles in public."""

_PROJECT: Final = "pyproject.toml"
_UNKNOWN: Final = (
    b"Failed to generate package metadata",
    b"Failed to build",
    b"does not appear to be a Python project",
    b"Failed to read metadata",
)
"""Messages of `uv lock --check` where dependencies are only known to a build of the project, which it is not
given the files for, nor the packages that build it. So it cannot be told whether the lock is stale."""

_SHOWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class UvExport:
    """One export.

    Attributes:
        path: The uv.lock; absolute.
        contents: The uv.lock and the projects' files, by their paths relative to its folder.
        interpreter: The root's.
        extras: Extras to install.
        groups: Dependency groups to install; none: the default ones, but `dev`.
        member: The project of a workspace to install; `""`: that of the uv.lock's folder.
    """

    path: str
    contents: Mapping[str, bytes]
    interpreter: Interpreter
    extras: Sequence[str]
    groups: Sequence[str]
    member: str = ""


def export_uv_lock(request: UvExport, uv: Uv, *, directory: str, signals: Signals) -> bytes:
    """Export a uv.lock, and refuse it if uv finds it stale.

    Crash: `directory` is left in part or whole; the caller owns it.

    Args:
        request: The lockfile, and the part of it that is wanted.
        uv: The uv.
        directory: An empty directory of the caller's.
        signals: Signals that end uv.

    Returns:
        A pylock file.

    Raises:
        StaleLockfileError: The dependencies have changed since it was locked.
        LockfileError: uv refuses it.
        FetchTimeoutError: uv took too long.
        BuildError: The directory cannot be written.
        InterruptedByError: A signal came.
    """
    with build_faults("export the lockfile", directory):
        project = _lay_out(request.contents, directory)
        common = ["--project", project, "--no-python-downloads", "--python", request.interpreter.path]
        if _PROJECT in request.contents:
            checked = run_uv(uv, ["lock", "--check", *common], directory, _SECONDS, signals, cwd=project)
            _require_fresh(request, checked)
        arguments = ["export", *_arguments(request), *common]
        result = run_uv(uv, arguments, directory, _SECONDS, signals, cwd=project)
        if result.timed_out:
            raise _took_too_long(request.path)
        if result.returncode or result.truncated or len(result.stdout) > bounds.LOCKFILE:
            raise _refused(request, "exports", result)
        return result.stdout


def _arguments(request: UvExport) -> list[str]:
    words = ["--frozen", "--format", "pylock.toml", "--no-header", "--no-annotate"]
    words += ["--no-default-groups"] if request.groups else ["--no-dev"]
    words += [f"--extra={extra}" for extra in request.extras]
    words += [f"--group={group}" for group in request.groups]
    return [*words, f"--package={request.member}"] if request.member else words


def _lay_out(contents: Mapping[str, bytes], directory: str) -> str:
    """Write copies below a directory; a name that leads out of the lock's folder stays below it, too.

    Returns:
        The folder that has the uv.lock.
    """
    up = max(name.split("/").count("..") for name in contents)
    top = os.path.join(directory, "copy")
    project = os.path.join(top, *["up"] * up, "project")
    # uv looks for settings and for a workspace in the folders above, where others may write, as in /tmp.
    paths = {f"{top}/uv.toml": b"", f"{top}/pyproject.toml": b"[tool.uv.workspace]\nmembers = []\n"}
    paths |= {posixpath.normpath(posixpath.join(project, name)): data for name, data in contents.items()}
    for path, data in paths.items():
        if not path.startswith(f"{top}/"):
            raise RuntimeError(f"{path} is not in the private folder")
        files.make_directories(os.path.dirname(path), 0o700)
        files.create_file(path, data, mode=0o600)
    return project


def _require_fresh(request: UvExport, result: ProcessResult) -> None:
    """Refuse a stale lock, by the end of `uv lock --check`.

    uv resolves anew where the lock does not fit the project's file. Offline that fails, so each failure that
    is not known to be another one means that the lock is stale.
    """
    if result.timed_out:
        raise _took_too_long(request.path)
    if result.returncode == 0 or any(message in result.output for message in _UNKNOWN):
        return
    if result.returncode == 1 or b"needs to be updated" in result.output:
        raise stale(request.path)
    raise _refused(request, "checks", result)


def _refused(request: UvExport, verb: str, result: ProcessResult) -> LockfileError:
    path = request.path
    redact = Redactor({}, [data.decode(errors="replace") for data in request.contents.values()])
    output = redact(result.output.decode(errors="replace"))
    said = [line for line in output.splitlines() if line.strip() and not line.startswith("Using ")]
    if result.truncated or len(result.stdout) > bounds.LOCKFILE:
        said = [f"its export is larger than {bounds.LOCKFILE:,} bytes"]
    shown = [f"  {line}" for line in said[:_SHOWN]]
    return LockfileError(
        lines(f"uv refuses {path} when it {verb} it; nothing was built", *shown),
        hint=KINDS["uv.lock"].lock_again(path),
        path=path,
        problems=[{"file": path, "line": None, "message": " ".join(said[:_SHOWN])}],
    )


def _took_too_long(path: str) -> FetchTimeoutError:
    return FetchTimeoutError(
        f"uv took longer than {_SECONDS:g} s with {path}, and was ended; nothing was built",
        hint="run `uv export --frozen` beside it to see why",
        timeout=_SECONDS,
    )


@contextlib.contextmanager
def private_directory(parent: str, token: str) -> Iterator[str]:
    """Make a directory for one export, and remove it afterwards.

    Crash: the directory `venvship-uv-*` is left in `parent`, which is one for temporary files.

    Raises:
        BuildError: It cannot be made.
    """
    path = os.path.join(os.path.abspath(parent), f"venvship-uv-{token}")
    with build_faults("export the lockfile", path):
        files.make_new_directory(path)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            trees.remove_tree(path)
