"""Where the packages of a lock may come from, and what to report of it: see ADR 0059.

A package of the lockfile stays with its index, unless a person decides otherwise: at a terminal with
`lock --upgrade`, or by naming it with `lock -P`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from venvship.model.settings import Settings
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.building.locking.origins import OriginNotes, OriginRules

_NAMED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class OriginChange(NamedTuple):
    """A package that comes from another index than before.

    Attributes:
        name: Normalised.
        before: The index that the lockfile had for it.
        after: The index that it comes from now.
    """

    name: str
    before: str
    after: str


class OriginOffer(NamedTuple):
    """A package that another index offers, and that was not taken from there.

    Attributes:
        name: Normalised.
        own: The index that it comes from.
        other: The other index.
        version: The version that the other one offers: a higher one, or the same with other files.
        same: Whether it is the same version.
    """

    name: str
    own: str
    other: str
    version: str
    same: bool

    @property
    def text(self) -> str:
        """The offer in a sentence."""
        what = f"{self.version} with other files" if self.same else self.version
        return f"{self.name} comes from {self.own}; {what}, which {self.other} offers, was not taken"


@dataclass(frozen=True, slots=True)
class OriginChanges:
    """What a lock has to report of indexes.

    Attributes:
        changed: The packages that come from another index than before.
        offers: What was not taken from other indexes.
    """

    changed: tuple[OriginChange, ...] = ()
    offers: tuple[OriginOffer, ...] = ()

    @classmethod
    def of(
        cls,
        rules: OriginRules,
        origins: Mapping[str, str],
        pinned: Mapping[str, str],
        notes: OriginNotes,
    ) -> OriginChanges:
        """Compare the indexes of a new lockfile with those before.

        Args:
            rules: With the indexes that the lockfile had.
            origins: The index of each package now.
            pinned: The version of each package now.
            notes: What the other indexes offer.
        """
        changed = [
            OriginChange(name, before, origins[name])
            for name, before in rules.recorded.items()
            if origins.get(name, before) != before
        ]
        return cls(tuple(changed), tuple(_offers(origins, pinned, notes)))


def _offers(
    origins: Mapping[str, str], pinned: Mapping[str, str], notes: OriginNotes
) -> Iterable[OriginOffer]:
    from packaging.version import Version

    for name, others in sorted(notes.elsewhere.items()):
        for other in others if name in origins else ():
            version = pinned[name]
            if other.highest and Version(other.highest) > Version(version):
                yield OriginOffer(name, origins[name], other.origin, other.highest, same=False)
            elif Version(version) in map(Version, other.different):
                yield OriginOffer(name, origins[name], other.origin, version, same=True)


def origin_rules(
    workspace: Workspace,
    settings: Settings,
    lockfile: str,
    before: bytes | None,
    *,
    upgrade: bool,
    packages: Sequence[str],
) -> OriginRules:
    """The rules of one lock.

    Args:
        workspace: The root, and who asks.
        settings: With `[lock] index`.
        lockfile: Absolute, as the settings name it.
        before: The bytes of the lockfile that is there now; `None` for none.
        upgrade: Whether all packages may change.
        packages: Those that may change besides: names, or names with versions.
    """
    from packaging.utils import canonicalize_name

    from venvship.building.locking.origins import OriginRules
    from venvship.building.locking.pip_compile_worker import origin_of
    from venvship.model.lockfiles.lock_inputs import kept_hashes
    from venvship.model.lockfiles.origins import recorded_origins

    runtime = workspace.runtime
    named = {canonicalize_name(match[1]) for package in packages if (match := _NAMED.match(package))}
    person = runtime.person and not runtime.unattended
    recorded = recorded_origins(before or b"", os.path.dirname(lockfile))
    fixed = {
        pattern: origin_of(index if "://" in index else os.path.join(str(workspace.layout.path), index))
        for pattern, index in settings.lock.index.items()
    }
    return OriginRules(
        fixed=tuple(sorted(fixed.items(), key=lambda pair: ("*" in pair[0], -len(pair[0])))),
        recorded=recorded,
        movable=None if person and upgrade else frozenset(() if runtime.unattended else named),
        strict=bool(recorded) and not person,
        kept=kept_hashes(before or b""),
    )


def warn_of_changes(workspace: Workspace, origins: OriginChanges) -> None:
    """Warn of packages that come from another index than before, as a person has decided."""
    if origins.changed:
        said = "; ".join(f"{c.name} from {c.after}, before from {c.before}" for c in origins.changed)
        workspace.warn("index-changed", f"packages come from another index than before: {said}")
