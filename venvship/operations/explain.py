"""`lock --explain PACKAGE`: who asks for a package of the lockfile, and what holds it back. Reads only.

The comments of the lockfile tell who asks, and the wheels of the live release which versions they ask for. No
index is asked.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from venvship.errors import UsageError, VenvshipError
from venvship.model.explanation import Bound, Chain, Explanation
from venvship.model.interpreter import Interpreter
from venvship.model.release import PackageDiff
from venvship.model.settings import Settings
from venvship.operations.lock import LockResult
from venvship.operations.planning.known_interpreter import find_interpreter
from venvship.operations.planning.lock import lockfile_to_write, read_if_there
from venvship.workspace.reading import ReadingWorkspace

_UPPER = ("<", "==", "~=", "!=")
"""The beginnings of the versions that may keep a package from a later one."""


def explain(workspace: ReadingWorkspace, package: str) -> LockResult:
    """Explain a package of the lockfile.

    Arguments and errors: `Root.lock`.
    """
    from packaging.utils import canonicalize_name

    from venvship.model.lockfiles.annotations import chains, requirers
    from venvship.model.lockfiles.lock_inputs import pinned_packages
    from venvship.model.lockfiles.origins import recorded_origins
    from venvship.model.update_policy import bound_of, grouped

    settings = workspace.settings()
    interpreter = find_interpreter(workspace, settings)
    lockfile = lockfile_to_write(workspace, settings, upgrade=False)
    content = read_if_there(lockfile, workspace.trusted.read) or b""
    pins = {pin.name: pin.version for pin in pinned_packages(content)}
    name = canonicalize_name(package)
    if name not in pins:
        raise UsageError(
            f"--explain {package}: {lockfile} has no such package",
            hint="`venvship show` lists the packages of the live release",
        )
    asks = requirers(content)
    live, requires = _live(workspace, settings)
    together = next(one for one in grouped(pins, settings.update.groups) if name in one)
    now = workspace.runtime.clock()
    explained = Explanation(
        package=name,
        version=pins[name],
        live=live.get(name),
        chains=tuple(Chain(file, tuple(packages)) for file, *packages in chains(name, asks)),
        bounds=(
            *_bounds_of_files(workspace, name, asks.get(name, ())),
            *_bounds_of_packages(name, pins, live, requires, interpreter),
        ),
        holds=tuple(
            hold
            for hold in workspace.known_history(warn_of_torn=False).history.held_packages(now)
            if hold.package == name
        ),
        below=bound_of(pins[name], settings.update.only) or None,
        group=tuple(sorted(together - {name})),
        cooldown_days=settings.lock.cooldown_days,
        index=recorded_origins(content, os.path.dirname(lockfile)).get(name),
    )
    return LockResult(
        lockfile=lockfile,
        changed=False,
        first=False,
        diff=PackageDiff(),
        packages=len(pins),
        python=interpreter.version,
        explained=explained,
    )


def _live(
    workspace: ReadingWorkspace, settings: Settings
) -> tuple[Mapping[str, str], Mapping[str, tuple[str, ...]]]:
    """The versions of the live release, and what each package there requires, as far as the store has it."""
    from venvship.building.store.store import Store

    current = workspace.layout.current()
    versions: dict[str, str] = {}
    requires: dict[str, tuple[str, ...]] = {}
    if current is not None:
        with contextlib.suppress(VenvshipError):
            manifest = workspace.manifest(current)
            versions = {package.name: package.version for package in manifest.packages}
            store = Store(str(workspace.layout.path / settings.store), workspace.trusted.trust)
            for name, sha256 in (manifest.wheels or {}).items():
                if store.has(sha256):
                    requires[name] = store.wheel(sha256).requires
    return versions, requires


class _Wheel(NamedTuple):
    version: str
    requires: tuple[str, ...]


def _bounds_of_packages(
    name: str,
    pins: Mapping[str, str],
    live: Mapping[str, str],
    requires: Mapping[str, tuple[str, ...]],
    interpreter: Interpreter,
) -> Iterable[Bound]:
    """The bounds of the packages that require one: of those that are live in the version of the lockfile."""
    from venvship.model.dependencies import DependencyReader

    reader = DependencyReader(interpreter.markers)
    for requirer, lines in sorted(requires.items()):
        if pins.get(requirer) != live.get(requirer):
            continue
        for dependency in reader.of(_Wheel(live[requirer], lines), ()):
            if dependency.target == name and _is_upper(dependency.text):
                yield Bound(f"{requirer} {live[requirer]}", dependency.text)


def _bounds_of_files(workspace: ReadingWorkspace, name: str, asks: Iterable[str]) -> Iterable[Bound]:
    """The bounds in inputs and constraints, best effort: they may have changed, or be gone."""
    from venvship.model.lockfiles.annotations import constraint_of, input_of
    from venvship.model.lockfiles.lock_inputs import asked_versions

    for requirer in asks:
        file = input_of(requirer) or constraint_of(requirer)
        if file is None:
            continue
        with contextlib.suppress(OSError, VenvshipError):
            text = workspace.trusted.read(str(workspace.layout.path / file)).decode("utf-8-sig", "replace")
            for versions in asked_versions(file, text, name):
                if _is_upper(versions):
                    yield Bound(file, versions)


def _is_upper(versions: str) -> bool:
    return any(part.strip().startswith(_UPPER) for part in versions.split(","))
