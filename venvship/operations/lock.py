"""`lock`: from requirements to a lockfile, for the root's interpreter.

What is compiled need not be written at once: it may be tried first. So the two are separate functions, and
`lock` is one after the other.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, cast

from venvship.errors import (
    InterruptedByError,
    LockError,
    LockfileError,
    OperationWarning,
    SettingsError,
    UsageError,
)
from venvship.model.environment import Environment
from venvship.model.interpreter import Interpreter
from venvship.model.release import Package, PackageDiff, diff_packages
from venvship.model.settings import Settings
from venvship.operations.planning import recorded_interpreter
from venvship.operations.planning.environment import lockfile_paths, read_environment, read_file
from venvship.root import SCRATCH_PREFIX
from venvship.system import files, trees
from venvship.system.faults import root_faults
from venvship.workspace.holding import BuildHeld, hold_build
from venvship.workspace.workspace import Workspace

NEW_MODE: Final = 0o644
"""Of a lockfile that was not there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A lockfile that was made and not written.

    Attributes:
        path: Where it belongs: absolute and real, also if the settings name a link to it.
        content: What it says.
        before: What stands there now; `None`: no such file.
    """

    path: str
    content: bytes = field(repr=False)
    before: bytes | None = field(repr=False)

    @property
    def changed(self) -> bool:
        """Whether it says something else than what stands there."""
        return self.content != self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class LockResult:
    """The result of `Root.lock`.

    Attributes:
        lockfile: The lockfile's path, as the settings name it; absolute.
        changed: Whether it was written.
        first: Whether there was none before.
        diff: How the packages differ, for the root's interpreter.
        packages: The number of packages that it selects.
        python: The interpreter's full version.
        warnings: The warnings of the operation.
    """

    lockfile: str
    changed: bool
    first: bool
    diff: PackageDiff
    packages: int
    python: str
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `lock --json`."""
        return {
            "lockfile": self.lockfile,
            "changed": self.changed,
            "diff": self.diff.to_json(),
            "packages": self.packages,
            "python": self.python,
        }


def lock(workspace: Workspace, *, upgrade: bool = False, packages: Sequence[str] = ()) -> LockResult:
    """Resolve the inputs of the lockfile, and write it if that changed anything.

    It holds build.mutex, not for the lockfile, which is replaced in one step, but for its scratch: a build
    sweeps all scratch that it finds.

    Crash: the lockfile is the old one or the new one. `state/scratch-lock-*` may be left, which the next
    `release` sweeps, and a file `.<lockfile>.<random>` beside it, which the next write removes.

    Args:
        workspace: The root.
        upgrade: Whether all pins may change, rather than only those that must.
        packages: What may change besides: names, or names with versions (`"django<6"`).

    Raises:
        UsageError: One of `packages` is no requirement.
        SettingsError: There are no inputs, one is missing, or the lockfile is of a kind that is not compiled;
            or the interpreter is gone.
        LockError: pip-compile failed, or made what `release` would refuse; or somebody else has changed the
            lockfile meanwhile.
        BuildError: The index could not be reached, it took too long, or there is no room.
        RootError: The root or the lockfile cannot be written.
        BusyError: Another command is building or locking.
        InterruptedByError: A signal came; the lockfile is as it was.
    """
    for package in packages:
        _require_package(package)
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        with hold_build(workspace, "lock") as held:
            settings = workspace.settings()
            lockfile = _lockfile(workspace, settings)
            interpreter = recorded_interpreter.settled(workspace, settings)
            workspace.begin("lock")
            try:
                compiled = compile_lockfile(held, settings, interpreter, upgrade=upgrade, packages=packages)
            except InterruptedByError as error:
                said = f"{error.message} while locking; {lockfile} is as it was"
                raise InterruptedByError(error.signum, said) from error
            selected = read_compiled(workspace, settings, interpreter, compiled).selected
            after = [Package(requirement.name, requirement.version) for requirement in selected]
            _warn_of_unknown(workspace, packages, after)
            before = _packages_before(lockfile, settings, interpreter, compiled.before)
            workspace.runtime.signals.raise_if_received()
            if compiled.changed:
                if _read_if_there(compiled.path) != compiled.before:
                    raise LockError(
                        f"{lockfile} was changed by somebody else meanwhile; nothing was written",
                        hint="look at what it says now, and lock again",
                    )
                write_lockfile(compiled.path, compiled.content)
    return LockResult(
        lockfile=lockfile,
        changed=compiled.changed,
        first=compiled.before is None,
        diff=diff_packages(before, after),
        packages=len(after),
        python=interpreter.version,
    )


def compile_lockfile(
    held: BuildHeld,
    settings: Settings,
    interpreter: Interpreter,
    *,
    upgrade: bool,
    packages: Sequence[str] = (),
) -> Compiled:
    """Make a lockfile of `[lock] inputs`, and hold it against what `release` takes. Write nothing that stays.

    Crash: `state/scratch-lock-*` is left; the next build sweeps it.

    Args:
        held: The root.
        settings: Inputs, cooldown, time-out, and what may be built from source.
        interpreter: Which one the lockfile is for; it runs pip-compile.
        upgrade: Whether all pins may change, rather than only those that must.
        packages: What may change besides: names, or names with versions.

    Raises:
        SettingsError: There are no inputs, one is missing, or the lockfile is of a kind that is not compiled;
            or pip is too old for a cooldown.
        LockError: pip-compile failed, or made what `release` would refuse.
        BuildError: The index could not be reached, it took too long, or there is no room.
        InterruptedByError: A signal came.
        OSError: The lockfile cannot be read, or the root not be written.
    """
    # Only who compiles needs it.
    from venvship.building.locking.pip_compile import CompileRequest, pip_compile
    from venvship.model.lockfiles.lock_inputs import completed, kept_pins, read_inputs
    from venvship.model.lockfiles.requirement import marker_environment

    workspace = held.workspace
    root, runtime = str(workspace.layout.path), workspace.runtime
    lockfile = _lockfile(workspace, settings)
    names = _inputs(workspace, settings, lockfile)
    before = _read_if_there(lockfile)
    inputs = read_inputs(
        [os.path.join(root, name) for name in names],
        cwd=root,
        lockfile=lockfile,
        read=read_file,
        exists=os.path.exists,
    )
    cooldown = settings.lock.cooldown_days
    log_dir = str(workspace.layout.log("lock"))
    files.make_directory(log_dir, 0o700)
    scratch = str(workspace.layout.state / f"{SCRATCH_PREFIX}lock-{runtime.token()}")
    request = CompileRequest(
        inputs=names,
        texts=inputs.texts,
        kept=kept_pins(before or b"", marker_environment(interpreter)),
        upgrade=upgrade,
        packages=tuple(packages),
        interpreter=interpreter,
        sdists=settings.build.sdists,
        uploaded_before=runtime.clock() - timedelta(days=cooldown) if cooldown else None,
        lockfile=lockfile,
        cwd=root,
        timeout=settings.build.timeout,
        log=os.path.join(log_dir, "pip-compile.txt"),
    )
    try:
        files.make_directory(scratch, 0o700)
        content = pip_compile(request, directory=scratch, environ=runtime.environ, signals=runtime.signals)
    finally:
        # What cannot be removed here is swept by the next build; the error on its way out matters more.
        with contextlib.suppress(OSError):
            trees.remove_tree(scratch)
    compiled = Compiled(
        path=os.path.realpath(lockfile),
        content=completed(content, inputs, lockfile=lockfile),
        before=before,
    )
    read_compiled(workspace, settings, interpreter, compiled)
    return compiled


def read_compiled(
    workspace: Workspace, settings: Settings, interpreter: Interpreter, compiled: Compiled
) -> Environment:
    """Read what was compiled as `release` would if it were written.

    Raises:
        LockError: `release` would refuse it.
    """
    lockfile = _lockfile(workspace, settings)
    try:
        return _environment(lockfile, compiled.content, settings, interpreter)
    except LockfileError as error:
        problems = cast(list[dict[str, object]], error.data.get("problems", []))
        said = [f"  {problem['message']}" for problem in problems] or [f"  {error.message}"]
        names = ", ".join(settings.lock.inputs)
        raise LockError(
            "\n".join([f"`release` would refuse what {names} comes to; {lockfile} is as it was:", *said]),
            hint="change it in the inputs",
            problems=problems,
        ) from error


def write_lockfile(path: str, content: bytes) -> None:
    """Replace a lockfile: whole, durable, and with the mode that it had.

    Crash: the file says the old or the new. A file `.<name>.<random>` may be left beside it; the next write
    removes it.

    Args:
        path: Absolute and real.
        content: All that it is to say.

    Raises:
        OSError: It could not be written; the old one is there.
    """
    folder, name = os.path.split(path)
    for other in os.listdir(folder):
        if files.left_over_of(other) == name:
            files.remove_name(os.path.join(folder, other))
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        mode = NEW_MODE
    files.write_file(path, content, mode=mode)


def _lockfile(workspace: Workspace, settings: Settings) -> str:
    """The one lockfile that can be compiled; absolute, as the settings name it.

    Raises:
        SettingsError: There are several, or it is a pylock file.
    """
    where = workspace.layout.settings_file
    if len(settings.lockfile) > 1:
        raise SettingsError(
            f"{where}: `lockfile` names {len(settings.lockfile)} files, and `lock` writes one; "
            "nothing was locked",
            hint='name one: lockfile = "requirements.txt", with all their inputs in `[lock] inputs`',
        )
    path = lockfile_paths(workspace, settings)[0]
    if path.endswith(".toml"):
        raise SettingsError(
            f"{where}: `lockfile` is {settings.lockfile[0]}, and `lock` writes requirements files only; "
            "nothing was locked",
            hint='`uv export --format pylock.toml` or `pip lock` writes it; or lockfile = "requirements.txt"',
        )
    return path


def _inputs(workspace: Workspace, settings: Settings, lockfile: str) -> tuple[str, ...]:
    """The inputs, relative to the root.

    Raises:
        SettingsError: There are none, or one is missing, or is the lockfile.
    """
    where, root = workspace.layout.settings_file, str(workspace.layout.path)
    if not settings.lock.inputs:
        raise SettingsError(
            f"{where}: `[lock] inputs` names no requirements to lock; {lockfile} is as it was",
            hint='write them into requirements.in, and inputs = ["requirements.in"] below [lock] there',
        )
    paths = [os.path.join(root, name) for name in settings.lock.inputs]
    problems = [
        {"key": f"lock.inputs[{number}]", "message": f"{path} {problem}"}
        for number, path in enumerate(paths)
        if (problem := _problem_of_input(path, lockfile))
    ]
    if problems:
        lines = [f"{problem['key']}: {problem['message']}" for problem in problems]
        raise SettingsError(
            "\n".join([f"{where}: nothing was locked", *(f"  {line}" for line in lines)]),
            hint="paths in `[lock] inputs` are relative to the root",
            problems=problems,
        )
    return tuple(os.path.relpath(path, root) for path in paths)


def _problem_of_input(path: str, lockfile: str) -> str:
    if os.path.realpath(path) == os.path.realpath(lockfile):
        return "is the lockfile, which is written"
    if not os.path.exists(path):
        return "does not exist"
    return "" if os.path.isfile(path) and os.access(path, os.R_OK) else "is no file that can be read"


def _require_package(package: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(package)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"-P {package}: {reason}", hint="-P takes a name: venvship lock -P django"
        ) from error
    if requirement.url:
        raise UsageError(f"-P {requirement.name}: a URL cannot be upgraded to; change it in the inputs")


def _warn_of_unknown(workspace: Workspace, packages: Sequence[str], after: Sequence[Package]) -> None:
    """A misspelt name upgrades nothing, and pip-compile does not say so."""
    if not packages:
        return
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    known = {package.name for package in after}
    for package in packages:
        name = canonicalize_name(Requirement(package).name)
        if name not in known:
            workspace.warn("not-in-lockfile", f"-P {name}: the lockfile has no such package")


def _environment(lockfile: str, content: bytes, settings: Settings, interpreter: Interpreter) -> Environment:
    def read(path: str) -> bytes:
        return content if path == lockfile else read_file(path)

    return read_environment([lockfile], settings, interpreter, read=read)


def _packages_before(
    lockfile: str, settings: Settings, interpreter: Interpreter, content: bytes | None
) -> list[Package]:
    """What the lockfile selected until now; one that is refused is still good for a comparison."""
    from venvship.model.lockfiles.lock_inputs import pinned_packages

    if content is None:
        return []
    try:
        selected = _environment(lockfile, content, settings, interpreter).selected
    except LockfileError:
        return pinned_packages(content)
    return [Package(requirement.name, requirement.version) for requirement in selected]


def _read_if_there(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None
