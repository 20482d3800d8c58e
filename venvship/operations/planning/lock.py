"""Make a lockfile in memory: from `[lock] inputs`, for the root's interpreter.

`lock` writes it at once. `update --upgrade` releases it first, and writes it once the release is proven.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from venvship.building.locking.untouched import untouched
from venvship.errors import LockError, LockfileError, LockfileMissingError, SettingsError
from venvship.model.environment import Environment
from venvship.model.interpreter import Interpreter
from venvship.model.lock_kinds import LockKind, is_tool_lock, kind_of
from venvship.model.settings import Settings
from venvship.operations.planning.default_inputs import default_inputs
from venvship.operations.planning.environment import lockfile_paths, read_environment
from venvship.operations.planning.exporting import exporter
from venvship.operations.planning.origins import OriginChanges, origin_rules
from venvship.printable import enclosed, lines, shell_line
from venvship.root import SCRATCH_PREFIX
from venvship.system import files, trees
from venvship.system.regular import IrregularFileError
from venvship.workspace.holding import BuildHeld
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.building.locking.pip_compile import Compilation, CompileRequest

_PROJECT: Final = "pyproject.toml"

NEW_MODE: Final = 0o644
"""Of a lockfile that was not there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A lockfile that was made, and not written.

    Attributes:
        path: Its path: absolute and real, also if the settings name a link to it.
        content: Its bytes.
        before: The bytes of the lockfile that is there now; `None`: no such file.
        environment: The environment that it stands for, read as `release` would if it were written.
        origins: The packages that come from another index than before, and those that another one offers.
        offered: By name, the versions on offer, in no order.
        uploaded: The time at which each version was uploaded (RFC 3339), where the index tells it.
    """

    path: str
    content: bytes = field(repr=False)
    before: bytes | None = field(repr=False)
    environment: Environment = field(repr=False)
    origins: OriginChanges = field(default_factory=OriginChanges)
    offered: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    uploaded: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    @property
    def changed(self) -> bool:
        """Whether it differs from the lockfile that is there now."""
        return self.content != self.before


def compile_lockfile(
    held: BuildHeld,
    settings: Settings,
    interpreter: Interpreter,
    *,
    upgrade: bool,
    packages: Sequence[str] = (),
    base: bytes | None = None,
) -> Compiled:
    """Make a lockfile from `[lock] inputs`, and read it as `release` would. Write nothing that stays.

    No cooldown leaves out the version that a security update has moved a package to: the fix would go.

    Crash: `state/scratch-lock-*` is left; the next build sweeps it.

    Args:
        held: The root.
        settings: Inputs, cooldown, time-out, and the names that may be built from source.
        interpreter: The interpreter that the lockfile is for; it runs pip-compile.
        upgrade: Whether all pins may change, rather than only those that must.
        packages: Packages that may change as well: names, or names with versions. Unattended, `[update] only`
            and `groups` bound the others, and a package that stays at `NAME==VERSION` keeps its group.
        base: For a security update: the lockfile whose pins are kept, in place of the one that is there.
            There is no cooldown then.

    Raises:
        LockfileError: The lockfile is that of another tool, or lies in the checkout.
        SettingsError: There are no inputs, one is missing, or the lockfile is of a kind that is not compiled;
            or pip is too old for a cooldown.
        LockfileMissingError: The lockfile that is there is no regular file, or is too large.
        UntrustedError: Others can write an input, a file that it includes, or the lockfile that is there.
        LockError: pip-compile failed, or made a lockfile that `release` would refuse.
        IndexChangedError: Packages could only have come from another index than they may.
        BuildError: The index could not be reached, it took too long, or there is no room.
        InterruptedByError: A signal came.
        OSError: The lockfile cannot be read, or the root not be written.
    """
    # Late: an `update` that changes nothing does not compile.
    from venvship.building.locking.pip_compile import CompileRequest, pip_that_keeps_hashes
    from venvship.model.lockfiles.lock_inputs import completed, kept_pins, pinned_packages, read_inputs
    from venvship.model.lockfiles.origins import with_origins
    from venvship.model.lockfiles.requirement import marker_environment
    from venvship.model.update_policy import held_by_policy, upgrade_constraints

    workspace = held.workspace
    root, runtime = str(workspace.layout.path), workspace.runtime
    lockfile = lockfile_to_write(workspace, settings, upgrade=upgrade)
    names = _inputs(workspace, settings, lockfile)
    try:
        before = read_if_there(lockfile, workspace.trusted.read)
    except IrregularFileError as error:
        raise LockfileMissingError(
            f"the lockfile {lockfile} cannot be read: {error.strerror}; nothing was locked",
            hint="remove it, or name another one by `lockfile` in venvship.toml",
            path=lockfile,
        ) from error
    inputs = read_inputs(
        [os.path.join(root, name) for name in names],
        cwd=root,
        lockfile=lockfile,
        read=workspace.trusted.read,
        exists=os.path.exists,
    )
    if inputs.refused:
        texts = [f"{path} cannot be read: {reason}" for path, reason in inputs.refused.items()]
        raise SettingsError(
            lines(f"{workspace.layout.settings_file}: nothing was locked", *(f"  {text}" for text in texts)),
            hint="a file that `[lock] inputs` includes must be a file like a lockfile",
            problems=[{"key": "lock.inputs", "message": text} for text in texts],
        )
    # pip-compile reads these itself, and runs the code of projects and of source archives.
    folders = map(os.path.expanduser, inputs.folders)
    for path in (*(os.path.join(root, name) for name in names), *sorted(inputs.archives), *folders):
        workspace.trusted.require_path(path)
    pins = (before or b"") if base is None else base
    cooldown = settings.lock.cooldown_days if base is None else 0
    log_dir = str(workspace.layout.log("lock"))
    files.make_directory(log_dir, 0o700)
    known = {package.name: package.version for package in pinned_packages(pins)}
    policy = functools.partial(
        upgrade_constraints, known, packages, only=settings.update.only, groups=settings.update.groups
    )
    unattended = upgrade and runtime.unattended
    rules = origin_rules(workspace, settings, lockfile, pins, upgrade=upgrade, packages=packages)
    if cooldown:
        rules = replace(rules, excepted=_fixed_versions(workspace))
    request = CompileRequest(
        inputs=names,
        texts=inputs.texts,
        kept=kept_pins(pins, marker_environment(interpreter)),
        upgrade=upgrade,
        packages=policy() if unattended else tuple(packages),
        interpreter=interpreter,
        sdists=settings.build.sdists,
        uploaded_before=runtime.clock() - timedelta(days=cooldown) if cooldown else None,
        origins=rules,
        lockfile=lockfile,
        cwd=root,
        timeout=settings.build.timeout,
        log=os.path.join(log_dir, "pip-compile.txt"),
    )
    compilation = _compilation(workspace, request)
    if unattended:
        held_back = held_by_policy(
            known, compilation.origins.chosen, only=settings.update.only, groups=settings.update.groups
        )
        if (further := policy(held=held_back)) != request.packages:
            compilation = _compilation(workspace, replace(request, packages=further))
    if request.kept and not upgrade and base is None and (pip := pip_that_keeps_hashes()):
        workspace.warn(
            "hashes-not-compared",
            f"pip {pip}, which venvship has, keeps the hashes of a pin without a look at the index: only a "
            "release notices a file that was replaced there. Newer ones compare: "
            f"{shell_line([sys.executable])} -m pip install --upgrade pip",
        )
    pinned = {package.name: package.version for package in pinned_packages(compilation.content)}
    origins = compilation.origins.of(pinned)
    content = with_origins(
        compilation.content, origins, folder=os.path.dirname(lockfile), root=os.path.realpath(root)
    )
    content = completed(content, inputs, lockfile=lockfile)
    return Compiled(
        origins=OriginChanges.of(rules, origins, pinned, compilation.origins),
        path=os.path.realpath(lockfile),
        content=content,
        before=before,
        environment=_accepted(workspace, lockfile, content, settings, interpreter),
        offered={name: tuple(versions) for name, versions in compilation.origins.chosen.items()},
        uploaded=compilation.origins.uploaded,
    )


def _fixed_versions(workspace: Workspace) -> dict[str, str]:
    """The version that a security update has moved each package to, by name; the last one of each."""
    applied = workspace.known_history(warn_of_torn=False).history.fixes.values()
    return {one.fix.package: one.fix.after for one in sorted(applied, key=lambda one: one.at)}


def _compilation(workspace: Workspace, request: CompileRequest) -> Compilation:
    """Run pip-compile in a scratch directory of its own."""
    from venvship.building.locking.pip_compile import pip_compile

    runtime = workspace.runtime
    scratch = str(workspace.layout.state / f"{SCRATCH_PREFIX}lock-{runtime.token()}")
    try:
        files.make_directory(scratch, 0o700)
        return pip_compile(request, directory=scratch, environ=runtime.environ, signals=runtime.signals)
    finally:
        # The next build sweeps what is left; the error on its way out matters more.
        with contextlib.suppress(OSError):
            trees.remove_tree(scratch)


def _accepted(
    workspace: Workspace, lockfile: str, content: bytes, settings: Settings, interpreter: Interpreter
) -> Environment:
    """Read a lockfile that was compiled as `release` would, or refuse what that would refuse."""
    try:
        return read_content(workspace, lockfile, content, settings, interpreter)
    except LockfileError as error:
        problems = cast(list[dict[str, object]], error.data.get("problems", []))
        said = [f"  {problem['message']}" for problem in problems] or [enclosed("  ", error.message)]
        names = ", ".join(settings.lock.inputs or ("the inputs",))
        raise LockError(
            lines(f"`release` would refuse the result of {names}; {untouched(lockfile)}:", *said),
            hint="change it in the inputs",
            problems=problems,
        ) from error


def read_content(
    workspace: Workspace, lockfile: str, content: bytes, settings: Settings, interpreter: Interpreter
) -> Environment:
    """Read a lockfile whose content is not that of its file.

    Raises:
        LockfileError: It is refused.
        UntrustedError: Others can write a file that it includes.
    """

    def read(path: str) -> bytes:
        return content if path == lockfile else workspace.trusted.read(path)

    return read_environment(
        [lockfile], settings, interpreter, read=read, export=exporter(workspace, settings, interpreter)
    )


def write_lockfile(path: str, content: bytes) -> None:
    """Replace a lockfile: whole, durable, and with the mode that it had.

    Crash: the file is the old one or the new one. A file `.<name>.<random>` may be left beside it; the
    next write removes it.

    Args:
        path: Absolute and real.
        content: Its new bytes.

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


def read_if_there(path: str, read: Callable[[str], bytes]) -> bytes | None:
    """Read a file whole; `None` if there is none.

    Args:
        path: Absolute.
        read: `TrustedFiles.read`.

    Raises:
        UntrustedError: Others can write it.
        OSError: It cannot be read.
    """
    try:
        return read(path)
    except FileNotFoundError:
        return None


def lockfile_to_write(workspace: ReadingWorkspace, settings: Settings, *, upgrade: bool) -> str:
    """The one lockfile that can be compiled; absolute, as the settings name it.

    Args:
        workspace: The root.
        settings: Where the lockfile is.
        upgrade: Whether all pins are to be upgraded.

    Raises:
        LockfileError: It is that of another tool, or lies in the checkout: the tool writes it there.
        SettingsError: There are several, or it is a pylock file.
    """
    where = workspace.layout.settings_file
    line = LockKind.upgrade_all if upgrade else LockKind.lock_again
    if foreign := written_elsewhere(workspace, settings, line):
        raise foreign
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


def written_elsewhere(
    workspace: ReadingWorkspace, settings: Settings, line: Callable[[LockKind, str], str], options: str = ""
) -> LockfileError | None:
    """The refusal of a lockfile that another tool writes, or that lies in the checkout; `None` for others.

    Args:
        workspace: The root.
        settings: Where the lockfile is.
        line: Returns the command line for the lockfile of a tool at a path.
        options: The words for the options to add to the command in the first lines of a requirements file.
    """
    root, project = str(workspace.layout.path), settings.project
    in_checkout = project.path is not None and bool(project.lockfile)
    folder = os.path.join(root, project.path or "")
    names = project.lockfile if in_checkout else settings.lockfile
    paths = [os.path.normpath(os.path.join(folder if in_checkout else root, name)) for name in names]
    path = next((path for path in paths if is_tool_lock(path)), paths[0] if in_checkout else "")
    if not path:
        return None
    if is_tool_lock(path):
        kind = kind_of(path)
        step, why = line(kind, path), f"{kind.tool} writes it"
    else:
        # pip-compile and uv write their command there.
        step, why = (
            f"run the command in its first lines (head {shell_line([path])}){options}",
            "its own tool writes it",
        )
    if in_checkout:
        step, why = f"{step}, then commit it", f"{why}, in the checkout, where venvship writes nothing"
    return LockfileError(
        f"the lockfile is {path}, and {why}; nothing was locked",
        hint=f"{step}, and release: venvship release",
        path=path,
    )


def _inputs(workspace: Workspace, settings: Settings, lockfile: str) -> tuple[str, ...]:
    """The inputs, relative to the root, or the error that there are none or that one cannot serve."""
    where, root = workspace.layout.settings_file, str(workspace.layout.path)
    named = settings.lock.inputs or default_inputs(root, settings)
    if not named:
        raise SettingsError(
            f"{where}: `[lock] inputs` names no requirements to lock; {untouched(lockfile)}",
            hint='write them into requirements.in, and inputs = ["requirements.in"] below [lock] there',
        )
    paths = [os.path.join(root, name) for name in named]
    if not settings.lock.inputs and os.path.basename(paths[0]) == _PROJECT:
        _require_static(workspace, paths[0], lockfile)
    problems = [
        {"key": f"lock.inputs[{number}]", "message": f"{path} {problem}"}
        for number, path in enumerate(paths)
        if (problem := _problem_of_input(path, lockfile))
    ]
    if problems:
        texts = [f"  {problem['key']}: {problem['message']}" for problem in problems]
        raise SettingsError(
            lines(f"{where}: nothing was locked", *texts),
            hint="paths in `[lock] inputs` are relative to the root",
            problems=problems,
        )
    return tuple(os.path.relpath(path, root) for path in paths)


def _require_static(workspace: Workspace, path: str, lockfile: str) -> None:
    """Refuse a project in the checkout whose dependencies only a build of it tells, which would write there.

    Raises:
        SettingsError: They are dynamic, or not declared in the standard table.
    """
    try:
        project = tomllib.loads(workspace.trusted.read(path).decode()).get("project", {})
        static = "name" in project and not {"dependencies", "optional-dependencies"} & {
            *project.get("dynamic", [])
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        static = False
    if not static:
        raise SettingsError(
            f"{path} does not list its dependencies in [project], so only a build in the checkout could tell"
            f" them; {untouched(lockfile)}",
            hint="write them into requirements.in in the root, then: venvship lock",
        )


def _problem_of_input(path: str, lockfile: str) -> str:
    if os.path.realpath(path) == os.path.realpath(lockfile):
        return "is the lockfile, which is written"
    if not os.path.exists(path):
        return "does not exist"
    return "" if os.path.isfile(path) and os.access(path, os.R_OK) else "is no file that can be read"
