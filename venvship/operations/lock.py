"""`lock`: from requirements to a lockfile, for the root's interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from venvship.building.locking.untouched import untouched
from venvship.errors import InterruptedByError, LockError, LockfileError, OperationWarning, UsageError
from venvship.model.environment import Environment
from venvship.model.explanation import Explanation
from venvship.model.interpreter import Interpreter
from venvship.model.package_hold import KeptBack
from venvship.model.release import Package, PackageDiff, diff_packages
from venvship.model.settings import Settings
from venvship.operations.planning import recorded_interpreter
from venvship.operations.planning.environment import locked_packages
from venvship.operations.planning.held_back import Upgrade, compile_upgrade
from venvship.operations.planning.lock import (
    Compiled,
    compile_lockfile,
    lockfile_to_write,
    read_content,
    read_if_there,
    write_lockfile,
)
from venvship.operations.planning.origins import warn_of_changes
from venvship.system.faults import root_faults
from venvship.workspace.holding import BuildHeld, hold_build
from venvship.workspace.workspace import Workspace


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
        kept_back: With `upgrade`: the packages that are held, and stay as they were.
        explained: With `explain`: the package, and nothing was locked.
        warnings: The warnings of the operation.
    """

    lockfile: str
    changed: bool
    first: bool
    diff: PackageDiff
    packages: int
    python: str
    kept_back: tuple[KeptBack, ...] = ()
    explained: Explanation | None = None
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `lock --json`."""
        return {
            "lockfile": self.lockfile,
            "changed": self.changed,
            "diff": self.diff.to_json(),
            "packages": self.packages,
            "python": self.python,
            "kept_back": [kept.to_json() for kept in self.kept_back],
            "explained": self.explained.to_json() if self.explained else None,
        }


def lock(workspace: Workspace, *, upgrade: bool = False, packages: Sequence[str] = ()) -> LockResult:
    """Resolve the inputs of the lockfile, and write it if that changed anything.

    It holds build.mutex, not for the lockfile, which is replaced in one step, but for its scratch: a build
    sweeps all scratch that it finds.

    Crash: the lockfile is the old one or the new one. `state/scratch-lock-*` may be left, which the next
    `release` sweeps, and a file `.<lockfile>.<random>` beside it, which the next write removes.

    Arguments and errors: `Root.lock`.
    """
    named = [_required_name(package) for package in packages]
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        with hold_build(workspace, "lock") as held:
            settings = workspace.settings()
            lockfile = lockfile_to_write(workspace, settings, upgrade=upgrade or bool(packages))
            interpreter = recorded_interpreter.settled(workspace, settings)
            workspace.begin("lock")
            try:
                found = _compiled(held, settings, interpreter, upgrade, packages, named)
            except InterruptedByError as error:
                said = f"{error.message} while locking; {untouched(lockfile)}"
                raise InterruptedByError(error.signum, said) from error
            compiled = found.compiled
            warn_of_changes(workspace, compiled.origins)
            for offer in compiled.origins.offers:
                workspace.warn("other-index", offer.text)
            after = _packages(compiled.environment)
            known = {package.name for package in after}
            for name in named:
                if name not in known:  # misspelt: it upgrades nothing, and pip-compile does not report it
                    workspace.warn("not-in-lockfile", f"-P {name}: the lockfile has no such package")
            before = _packages_before(workspace, lockfile, settings, compiled)
            workspace.runtime.signals.raise_if_received()
            if compiled.changed:
                if read_if_there(compiled.path, workspace.trusted.read) != compiled.before:
                    raise LockError(
                        f"{lockfile} was changed by another program during the lock; nothing was written",
                        hint="look at its contents, and lock again",
                    )
                write_lockfile(compiled.path, compiled.content)
                workspace.changes.append("lockfile")
    return LockResult(
        lockfile=lockfile,
        changed=compiled.changed,
        first=compiled.before is None,
        diff=diff_packages(before, after),
        packages=len(after),
        python=interpreter.version,
        kept_back=found.kept,
    )


def _compiled(
    held: BuildHeld,
    settings: Settings,
    interpreter: Interpreter,
    upgrade: bool,
    packages: Sequence[str],
    named: Sequence[str],
) -> Upgrade:
    """Compile. An upgrade of all leaves out the packages that are held, except for those that are named."""
    if not upgrade:
        return Upgrade(compile_lockfile(held, settings, interpreter, upgrade=False, packages=packages))
    history = held.workspace.known_history(warn_of_torn=False).history
    holds = history.held_packages(held.workspace.runtime.clock())
    others = [hold for hold in holds if hold.package not in named]
    return compile_upgrade(held, settings, interpreter, others, packages=packages)


def _required_name(package: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        requirement = Requirement(package)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"-P {package}: {reason}", hint="-P takes a name: venvship lock -P django"
        ) from error
    if requirement.url:
        raise UsageError(f"-P {requirement.name}: a URL cannot be upgraded to; change it in the inputs")
    return canonicalize_name(requirement.name)


def _packages(environment: Environment) -> list[Package]:
    return locked_packages(environment.selected)


def _packages_before(
    workspace: Workspace, lockfile: str, settings: Settings, compiled: Compiled
) -> list[Package]:
    """The packages that the lockfile selected until now; one that is refused still serves a comparison."""
    from venvship.model.lockfiles.lock_inputs import pinned_packages

    if not compiled.changed:
        return _packages(compiled.environment)
    if compiled.before is None:
        return []
    try:
        return _packages(
            read_content(workspace, lockfile, compiled.before, settings, compiled.environment.interpreter)
        )
    except LockfileError:
        return pinned_packages(compiled.before)
