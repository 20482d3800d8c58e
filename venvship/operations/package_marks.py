"""`hold PACKAGE` and `unhold PACKAGE`: packages that upgrades leave alone. Each is a line of the journal."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from venvship.errors import LockfileError, UsageError
from venvship.model.event import EventName
from venvship.model.lock_kinds import is_tool_lock
from venvship.model.package_hold import HeldVersion, hold_facts
from venvship.model.settings import Settings
from venvship.operations.marks import HoldResult
from venvship.operations.planning.environment import lockfile_paths
from venvship.operations.planning.lock import read_if_there
from venvship.operations.planning.project import in_checkout
from venvship.operations.reporting.report import status
from venvship.operations.switching.outgrown import end_by_hand
from venvship.system.faults import root_faults
from venvship.workspace.workspace import Workspace

_HINT: Final = (
    "a name holds the version of now, NAME==VERSION holds that one back: venvship hold django==5.2.1"
)


def hold_package(
    workspace: Workspace, package: str, *, message: str = "", until: datetime | None = None
) -> HoldResult:
    """Have upgrades leave a package at its version, or pass over one version of it, until `unhold`.

    Arguments and errors: `Root.hold`.
    """
    name, version = _asked(package)
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        before = _pinned(workspace, workspace.settings(), name)
        if before is None and version is None:
            raise UsageError(
                f"the lockfile has no package {name}, so there is no version to hold it at",
                hint="to keep a version out that may come: venvship hold NAME==VERSION",
            )
        if before is not None and version is not None and not _is_beyond(version, before):
            raise UsageError(
                f"the lockfile has {name} {before}, so {version} cannot be held back any more",
                hint=f"to keep it at {before}: venvship hold {name}",
            )
        now = workspace.runtime.clock()
        earlier = workspace.known_history(warn_of_torn=False).history.held_packages(now)
        held = HeldVersion(name, version, before)
        spelled = name if version is None else f"{name}=={version}"
        workspace.record(
            EventName.PACKAGE_HELD,
            release=None,
            reason=f"{spelled}: {message or 'held by hand'}",
            facts=hold_facts([held], until=until),
        )
    replaced = tuple(
        hold for hold in earlier if hold.package == name and (hold.version is None) == (version is None)
    )
    return HoldResult(status=status(workspace), package=name, ended_packages=replaced)


def unhold_package(workspace: Workspace, package: str) -> HoldResult:
    """Have upgrades take a package again: all holds of it end.

    Arguments and errors: `Root.unhold`.
    """
    name, version = _asked(package)
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        now = workspace.runtime.clock()
        holds = workspace.known_history(warn_of_torn=False).history.held_packages(now)
        ended = [hold for hold in holds if hold.package == name and version in {None, hold.version}]
        end_by_hand(workspace, ended)
    return HoldResult(status=status(workspace), package=name, ended_packages=tuple(ended))


def _asked(package: str) -> tuple[str, str | None]:
    """The normalised name, and the version, that an argument names.

    Raises:
        UsageError: It is neither a name nor `NAME==VERSION`.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        asked = Requirement(package)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{package}: {reason}", hint=_HINT) from error
    bounds = list(asked.specifier)
    exact = not bounds or (len(bounds) == 1 and bounds[0].operator == "==" and "*" not in bounds[0].version)
    if asked.url or asked.extras or asked.marker or not exact:
        raise UsageError(f"{package}: neither a name nor NAME==VERSION", hint=_HINT)
    return canonicalize_name(asked.name), bounds[0].version if bounds else None


def _pinned(workspace: Workspace, settings: Settings, name: str) -> str | None:
    """The version of a package in the lockfile; `None` without one.

    Raises:
        LockfileError: Another tool makes the lockfile, or it lies in the checkout.
    """
    from venvship.model.lockfiles.lock_inputs import pinned_packages

    paths = lockfile_paths(workspace, settings)
    if in_checkout(settings) or is_tool_lock(paths[0]):
        raise LockfileError(
            f"the lockfile is {paths[0]}, which venvship does not make, so it upgrades no package of it; "
            "nothing was held",
            hint="bound the version where the tool that makes it reads it, such as in pyproject.toml",
            path=paths[0],
        )
    contents = (read_if_there(path, workspace.trusted.read) or b"" for path in paths)
    return next(
        (each.version for content in contents for each in pinned_packages(content) if each.name == name),
        None,
    )


def _is_beyond(version: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version) > Version(other)
    except InvalidVersion:
        return version != other
