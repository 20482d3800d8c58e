"""What a lockfile means here: the selected requirements and the interpreter, as one environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from venvship.model.interpreter import Interpreter
from venvship.model.lockfile import Lockfile, environment_digest, read_lockfile, select
from venvship.model.requirement import Requirement
from venvship.model.settings import Settings
from venvship.operations.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What is to be installed, and for what.

    Attributes:
        lockfile: As it was read.
        selected: What of it applies to the interpreter.
        interpreter: The root's.
        digest: Equal digests make equal releases.
    """

    lockfile: Lockfile
    selected: tuple[Requirement, ...]
    interpreter: Interpreter
    digest: str


def lockfile_paths(workspace: Workspace, settings: Settings) -> tuple[str, ...]:
    """Where the settings say that the lockfile is; absolute."""
    return tuple(str(workspace.layout.path / name) for name in settings.lockfile)


def read_file(path: str) -> bytes:
    """Read a file whole: where a lockfile comes from unless it is somewhere else.

    Raises:
        OSError: As the kernel gave it.
    """
    return Path(path).read_bytes()


def read_environment(
    paths: Sequence[str],
    settings: Settings,
    interpreter: Interpreter,
    *,
    read: Callable[[str], bytes] = read_file,
) -> Environment:
    """Read a lockfile for an interpreter.

    Args:
        paths: Absolute; several requirements files, or one of either kind.
        settings: What may be built, and which extras are wanted.
        interpreter: The root's.
        read: Returns a file's bytes; raises `OSError`. For a lockfile that is not written yet.

    Raises:
        LockfileError: It is refused, or missing.
    """
    build = settings.build
    lockfile = read_lockfile(paths, read=read, sdists=build.sdists)
    selected = select(lockfile, interpreter, extras=build.extras, groups=build.groups)
    digest = environment_digest(selected, interpreter, _build_facts(settings))
    return Environment(lockfile=lockfile, selected=selected, interpreter=interpreter, digest=digest)


def _build_facts(settings: Settings) -> Mapping[str, object]:
    """The settings that change what is built; how it is linked or how long a fetch may take do not."""
    build = settings.build
    return {
        "sdists": sorted(build.sdists),
        "optimize": sorted(build.optimize),
        "overlap": sorted(build.overlap),
        "bad_record": sorted(build.bad_record),
        "extras": sorted(build.extras),
        "groups": sorted(build.groups),
    }
