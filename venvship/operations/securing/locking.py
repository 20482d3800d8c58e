"""What the search for fixes works with in a root: pip-compile, the pins to keep, and the live release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from venvship.errors import LockError
from venvship.model.dependencies import DependencyReader
from venvship.model.environment import Environment
from venvship.model.interpreter import Interpreter
from venvship.model.release import Manifest, diff_packages
from venvship.model.settings import Settings
from venvship.operations.planning.environment import locked_packages
from venvship.operations.planning.lock import compile_lockfile, lockfile_to_write, read_content
from venvship.operations.securing.fixing import Lock, Locked, Requirers
from venvship.workspace.holding import BuildHeld
from venvship.workspace.workspace import Workspace


def locker(held: BuildHeld, settings: Settings, interpreter: Interpreter, base: bytes) -> Lock:
    """Lock with the pins of a lockfile kept, but for packages that are named.

    Args:
        held: The root.
        settings: As for `compile_lockfile`.
        interpreter: As for `compile_lockfile`.
        base: The lockfile.
    """

    def lock(packages: Sequence[str]) -> Locked | None:
        try:
            return _locked(held, settings, interpreter, base, packages)
        except LockError:
            return None

    return lock


def unchanged_lock(held: BuildHeld, settings: Settings, interpreter: Interpreter, base: bytes) -> Locked:
    """Lock with all pins of a lockfile kept.

    Raises:
        LockError: That is not what the inputs ask for, or it cannot be resolved.
        VenvshipError: See `compile_lockfile`.
    """
    workspace = held.workspace
    lockfile = lockfile_to_write(workspace, settings, upgrade=False)
    pinned = read_content(workspace, lockfile, base, settings, interpreter)
    found = _locked(held, settings, interpreter, base, ())
    diff = diff_packages(
        locked_packages(pinned.selected), locked_packages(found.compiled.environment.selected)
    )
    if diff.added or diff.removed or diff.changed:
        raise LockError(
            "the inputs of the lockfile ask for other packages than the live release has: "
            f"{', '.join(diff.phrases())}; no fix was locked",
            hint="lock and release by hand: venvship lock",
        )
    return found


def _locked(
    held: BuildHeld, settings: Settings, interpreter: Interpreter, base: bytes, packages: Sequence[str]
) -> Locked:
    compiled = compile_lockfile(
        held, settings, interpreter, upgrade=False, packages=tuple(packages), base=base
    )
    return Locked(_versions(compiled.environment), compiled.offered, compiled)


def _versions(environment: Environment) -> Mapping[str, str]:
    return {package.name: package.version for package in locked_packages(environment.selected)}


def requirers_in(
    workspace: Workspace, settings: Settings, manifest: Manifest, interpreter: Interpreter
) -> Requirers:
    """The packages of a release that do not work with a version of another one; none of a lost wheel.

    Args:
        workspace: The root.
        settings: Where the store is.
        manifest: The release's.
        interpreter: The root's, for markers.
    """
    from venvship.building.store.store import Store

    store = Store(str(workspace.layout.path / settings.store), workspace.trusted.trust)
    reader = DependencyReader(interpreter.markers)
    wheels = {
        name: store.wheel(sha256) for name, sha256 in (manifest.wheels or {}).items() if store.has(sha256)
    }

    def requirers(name: str, version: str) -> Iterable[str]:
        return [
            requirer
            for requirer, wheel in wheels.items()
            for dependency in reader.of(wheel, ())
            if dependency.target == name and not reader.satisfies(version, dependency)
        ]

    return requirers
