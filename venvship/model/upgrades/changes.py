"""The packages of two locked sets, and the changes from one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from venvship.model.release import PackageChange


@dataclass(frozen=True, slots=True)
class Pinned:
    """One package of a set.

    Attributes:
        name: Normalised.
        version: Its version.
        requires: Its `Requires-Dist` lines.
        extras: The extras that the lockfile asks for; normalised.
        file: Tells two files of one version apart, such as the wheel's SHA-256; `""` where versions decide.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    file: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The facts that make it another package than one of the same name."""
        return self.name, self.version, self.file


PackageSet = Mapping[str, Pinned]
"""The packages of one environment, by name."""


def changes_between(before: PackageSet, after: PackageSet) -> dict[str, PackageChange]:
    """List the names that differ: other versions or files, packages that came, and packages that went.

    Returns:
        The changes by name, sorted by it.
    """
    return {
        name: PackageChange(
            name,
            before[name].version if name in before else None,
            after[name].version if name in after else None,
        )
        for name in sorted(before.keys() | after.keys())
        if name not in before or name not in after or before[name].key != after[name].key
    }
