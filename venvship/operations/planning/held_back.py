"""A lockfile that is made with the holds of packages respected: `lock --upgrade` and `update --upgrade`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from venvship.errors import LockError
from venvship.model.interpreter import Interpreter
from venvship.model.package_hold import KeptBack, PackageHold
from venvship.model.settings import Settings
from venvship.operations.planning.environment import locked_packages
from venvship.operations.planning.lock import Compiled, compile_lockfile, lockfile_to_write, read_if_there
from venvship.workspace.holding import BuildHeld

NAMED: Final = 3
"""The number of held packages that a hint names; the rest is counted by none."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """An upgrade of the lockfile, not written: the result, and the packages that were kept back."""

    compiled: Compiled
    kept: tuple[KeptBack, ...] = ()


def compile_upgrade(
    held: BuildHeld,
    settings: Settings,
    interpreter: Interpreter,
    holds: Sequence[PackageHold],
    *,
    packages: Sequence[str] = (),
) -> Upgrade:
    """Lock again with all pins free, except for packages that are held; see `compile_lockfile`.

    A package that is held at its version is not asked for. A version that is held back is excluded only
    while it is the newest on offer: pip-compile is asked without the exclusion first, and once more with the
    package at the lockfile's version where the answer is not beyond. An exclusion may free, or bind, another
    package that is held, so that is repeated; each turn excludes at least one more.

    Crash: as for `compile_lockfile`.

    Args:
        held: The root.
        settings: As for `compile_lockfile`.
        interpreter: As for `compile_lockfile`.
        holds: The holds of packages that are in force.
        packages: Further constraints, each a name with versions.

    Raises:
        LockError: As `compile_lockfile` raises it. The hint names the holds that were in force.
        VenvshipError: See `compile_lockfile`.
        OSError: As for `compile_lockfile`.
    """
    if not holds:
        return Upgrade(compile_lockfile(held, settings, interpreter, upgrade=True, packages=tuple(packages)))
    pins = _pins(held, settings)
    frozen = [hold for hold in holds if hold.version is None and hold.package in pins]
    kept = {hold.package: KeptBack(hold, pins[hold.package]) for hold in frozen}
    backs = [hold for hold in holds if hold.version is not None and hold.package not in kept]
    while True:
        constraints = [_constraint(each) for each in kept.values()]
        try:
            compiled = compile_lockfile(
                held, settings, interpreter, upgrade=True, packages=(*packages, *constraints)
            )
        except LockError as error:
            if kept:
                names = ", ".join(sorted(kept)[:NAMED])
                error.hint = (
                    f"{error.hint or 'see the log'}; held at its version: {names} (`venvship unhold PACKAGE`)"
                )
            raise
        offered = {each.name: each.version for each in locked_packages(compiled.environment.selected)}
        more = {
            hold.package: KeptBack(hold, pins.get(hold.package), offered[hold.package])
            for hold in backs
            if hold.package not in kept
            and hold.package in offered
            and offered[hold.package] != pins.get(hold.package)
            and _reaches(hold, offered[hold.package])
        }
        if not more:
            return Upgrade(compiled, tuple(kept.values()))
        kept |= more


def _constraint(kept: KeptBack) -> str:
    """The constraint that keeps a package: at its version, or, without one, away from what is held back."""
    if kept.version is None:
        return f"{kept.hold.package}!={kept.offered}"
    return f"{kept.hold.package}=={kept.version}"


def _reaches(hold: PackageHold, offered: str) -> bool:
    """Whether a version on offer is the one that is held back, or one below it."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(offered) <= Version(hold.version or "")
    except InvalidVersion:
        return offered == hold.version


def _pins(held: BuildHeld, settings: Settings) -> Mapping[str, str]:
    """The versions of the lockfile that is there, by name."""
    from venvship.model.lockfiles.lock_inputs import pinned_packages

    workspace = held.workspace
    path = lockfile_to_write(workspace, settings, upgrade=True)
    content = read_if_there(path, workspace.trusted.read) or b""
    return {package.name: package.version for package in pinned_packages(content)}
