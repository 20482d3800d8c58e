"""The two environments that a search mixes, and the environment of a mix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from venvship.errors import BuildError
from venvship.model.environment import Environment
from venvship.model.interpreter import Interpreter
from venvship.model.settings import Settings
from venvship.operations.planning.replacement import replacement_of
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.model.upgrades.changes import Pinned


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two environments.

    Attributes:
        environment: The environment.
        wheels: By requirement name, the SHA-256 of the wheel, which the store has.
        packages: Its packages by name, as the search takes them.
    """

    environment: Environment
    wheels: Mapping[str, str]
    packages: Mapping[str, Pinned]


def side_of_release(
    workspace: Workspace, settings: Settings, release_id: str, interpreter: Interpreter
) -> Side:
    """The side that a sealed release is. Reads only.

    Args:
        workspace: The root.
        settings: Where the store is.
        release_id: The release.
        interpreter: The interpreter of the trials.

    Raises:
        ReleaseError: Its manifest cannot be read.
        BuildError: It does not say what it was built from, or the store has lost a wheel of it.
        LockfileError: Today's venvship or settings refuse its lockfile.
    """
    manifest = workspace.manifest(release_id)
    found = replacement_of(workspace, manifest, interpreter, settings)
    return _side(workspace, settings, found.environment, found.wheels)


def side_of_environment(workspace: Workspace, settings: Settings, environment: Environment) -> Side:
    """The side that an environment is whose wheels are all in the store. Reads only.

    Args:
        workspace: The root.
        settings: Where the store is, and the names that may be built.
        environment: The environment.

    Raises:
        BuildError: The store lacks a wheel; all are named.
    """
    from venvship.building.store.store import Store, selection_key
    from venvship.model.lockfiles.requirement import may_build

    store = Store(str(workspace.layout.path / settings.store), workspace.trusted.trust)
    found = {
        one.name: store.selection(
            selection_key(one, environment.interpreter, may_build(one.name, settings.build.sdists))
        )
        for one in environment.selected
    }
    wheels = {name: sha256 for name, sha256 in found.items() if sha256 is not None}
    if lacking := sorted(found.keys() - wheels.keys()):
        raise BuildError(f"the store lacks the wheels of {', '.join(lacking)}")
    return _side(workspace, settings, environment, wheels)


def _side(
    workspace: Workspace, settings: Settings, environment: Environment, wheels: Mapping[str, str]
) -> Side:
    from venvship.building.store.store import Store
    from venvship.model.upgrades.changes import Pinned

    store = Store(str(workspace.layout.path / settings.store), workspace.trusted.trust)
    if lacking := sorted(name for name, sha256 in wheels.items() if not store.has(sha256)):
        raise BuildError(f"the store lacks the wheels of {', '.join(lacking)}")
    packages = {}
    for one in environment.selected:
        wheel = store.wheel(wheels[one.name])
        packages[one.name] = Pinned(one.name, wheel.version, wheel.requires, one.extras, wheel.sha256)
    return Side(environment=environment, wheels=wheels, packages=packages)


def mixed(before: Side, after: Side, packages: Mapping[str, Pinned]) -> tuple[Environment, dict[str, str]]:
    """The environment of a mix, and its wheels by requirement name.

    Its lockfile is that of `after`, for the options in it; a mix has none of its own.

    Args:
        before: The side before the changes.
        after: The side with all of them.
        packages: Of the mix, by name.
    """
    selected, wheels = [], {}
    rows = {
        (one.name, side.wheels[one.name]): one
        for side in (before, after)
        for one in side.environment.selected
    }
    for name, package in sorted(packages.items()):
        selected.append(rows[name, package.file])
        wheels[name] = package.file
    # No release comes of it, so no digest stands for it.
    return after.environment._replace(selected=tuple(selected), digest="", inputs="", fetched=""), wheels
