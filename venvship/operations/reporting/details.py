"""What to know of a package that a release changes: who asks for it, and where its changes are described.

The lockfile of the release tells who asks, else the metadata of its packages. Nothing is fetched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from venvship.errors import VenvshipError
from venvship.model.release import PackageDiff
from venvship.model.spelling import format_time, parse_time
from venvship.operations.planning.environment import read_file
from venvship.workspace.reading import ReadingWorkspace

if TYPE_CHECKING:
    from venvship.model.wheel import StoredWheel


class PackageDetail(NamedTuple):
    """What to know of a package.

    Attributes:
        package: Its normalised name.
        direct: Whether an input of the lockfile asks for it; `None` if the lockfile does not tell.
        through: The packages that ask for it, sorted.
        changelog: The link to its changelog, as its metadata has it; `None` without one.
        uploaded: The time at which it was uploaded; `None` unless venvship locked it and the index told.
    """

    package: str
    direct: bool | None
    through: tuple[str, ...] = ()
    changelog: str | None = None
    uploaded: datetime | None = None

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        uploaded = format_time(self.uploaded) if self.uploaded is not None else None
        return {**self._asdict(), "through": list(self.through), "uploaded": uploaded}


def details_of(workspace: ReadingWorkspace, release_id: str, diff: PackageDiff) -> tuple[PackageDetail, ...]:
    """The details of the packages that are new in a release, or that it has in another version.

    Best effort: there are none where the release or the store cannot be read.

    Args:
        workspace: The root; reads only.
        release_id: The release.
        diff: How it differs.
    """
    names = sorted(change.name for change in (*diff.added, *diff.changed))
    with contextlib.suppress(OSError, VenvshipError):
        return _details(workspace, release_id, names) if names else ()
    return ()


def _details(
    workspace: ReadingWorkspace, release_id: str, names: Collection[str]
) -> tuple[PackageDetail, ...]:
    # Late: `status` and others of this room do without.
    from packaging.utils import canonicalize_name

    from venvship.building.store.store import Store
    from venvship.model.lockfiles.annotations import constraint_of, input_of, requirers

    manifest = workspace.manifest(release_id)
    settings = workspace.settings_or_kept()
    store = Store(str(workspace.layout.path / settings.store), workspace.trusted.trust)
    wheels = {
        name: store.wheel(sha256) for name, sha256 in (manifest.wheels or {}).items() if store.has(sha256)
    }
    content = read_file(str(workspace.layout.release_path(release_id) / ".venvship" / "lockfile"))
    asks, inside = requirers(content), _requirers_in(wheels, names)
    uploaded = _uploads(workspace, release_id)
    found = []
    for name in names:
        said = asks.get(name, ())
        packages = {
            canonicalize_name(one) for one in said if input_of(one) is None and constraint_of(one) is None
        }
        found.append(
            PackageDetail(
                package=name,
                direct=any(input_of(one) is not None for one in said) if said else None,
                through=tuple(sorted(packages if said else inside.get(name, set()))),
                changelog=_changelog(wheels[name]) if name in wheels else None,
                uploaded=uploaded.get(name),
            )
        )
    return tuple(found)


def _uploads(workspace: ReadingWorkspace, release_id: str) -> dict[str, datetime]:
    """When the packages that a release moved were uploaded, as the journal has it of its promotions."""
    found: dict[str, datetime] = {}
    for event in workspace.known_history().history.switches:
        told = event.facts.get("uploaded") if event.release == release_id else None
        for name, time in told.items() if isinstance(told, dict) else ():
            with contextlib.suppress(TypeError, ValueError):
                found[name] = parse_time(time)
    return found


def _requirers_in(wheels: Mapping[str, StoredWheel], names: Collection[str]) -> dict[str, set[str]]:
    """The packages whose metadata ask for others, whatever the marker: for a lockfile without comments."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, set[str]] = {}
    for requirer, wheel in wheels.items():
        for line in wheel.requires:
            with contextlib.suppress(InvalidRequirement):
                requirement = Requirement(line)
                if requirement.marker is not None and "extra" in str(requirement.marker):
                    continue
                if (name := canonicalize_name(requirement.name)) in names and name != requirer:
                    found.setdefault(name, set()).add(requirer)
    return found


def _changelog(wheel: StoredWheel) -> str | None:
    from venvship.model import bounds
    from venvship.model.metadata import fields_of, read_headers
    from venvship.model.project_urls import changelog_link
    from venvship.system.regular import read_regular

    path = os.path.join(wheel.data, "site", wheel.dist_info, "METADATA")
    try:
        return changelog_link(
            fields_of(read_headers(read_regular(path, bounds.METADATA).data), "Project-URL")
        )
    except (OSError, ValueError):
        return None
