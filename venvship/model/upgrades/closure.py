"""Mixes of two locked sets that are consistent by the packages' own requirements.

A mix takes some of the changes, and has everything else as it was before. Both sets were resolved, so a
requirement that a mix violates has one end in each of them. Taking the change of the other end as well
satisfies it. No index is asked. A requirement that one of the two sets violates itself is left alone there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from venvship.model.dependencies import DependencyReader
from venvship.model.release import PackageChange
from venvship.model.upgrades.changes import PackageSet, Pinned, changes_between

Group = tuple[str, ...]
"""The names of changes that no consistent mix takes apart, sorted."""

Names = frozenset[str]


class Mixes:
    """All consistent mixes of two sets.

    Attributes:
        before: The set before the changes.
        after: The set with all of them.
        changes: The changes, by name.
        groups: The changes that are searched, as groups, each after those that it brings along. A package
            that comes or goes only with others is in no group: it follows from them.

    Args:
        before: The set before the changes.
        after: The set with all of them.
        markers: The interpreter's environment for markers.
        together: Sets of names that move together: a mix takes all changes of a set, or none.
    """

    def __init__(
        self,
        before: PackageSet,
        after: PackageSet,
        markers: Mapping[str, str],
        together: Iterable[Collection[str]] = (),
    ) -> None:
        self.before = dict(before)
        self.after = dict(after)
        self.changes: dict[str, PackageChange] = changes_between(before, after)
        self._reader = DependencyReader(markers)
        self._all = frozenset(self.changes)
        self._together = [frozenset(names) & self._all for names in together]
        self._known: dict[Names, Names] = {}
        self._unmet = frozenset(self._violations(self.before)) | frozenset(self._violations(self.after))
        self.groups: tuple[Group, ...] = self._grouped()
        self._mixes: dict[Names, dict[str, Pinned]] = {}

    def closed(self, names: Iterable[str]) -> Names:
        """Add the changes that some changes need, until the mix is consistent.

        If new `a` needs new `b`, `b` comes along. If old `c` cannot work with new `b`, `c` comes along, too.

        Args:
            names: Of changes.

        Returns:
            The changes to take. Taking more of `names` never takes less.
        """
        asked = frozenset(names)
        taken = asked
        if asked not in self._known:
            while more := self._needed(taken):
                taken |= more
            self._known[asked] = taken
        return self._known[asked]

    def mix(self, taken: Names) -> dict[str, Pinned]:
        """The packages of a mix, by name.

        A package that only the set before has goes when nothing in the mix needs it any more, unless its
        going is a change of its own.

        Args:
            taken: As `closed` returned it.
        """
        if self._everything <= taken:
            return dict(self.after)
        if taken not in self._mixes:
            self._mixes[taken] = self._without_loose(taken)
        return dict(self._mixes[taken])

    def _without_loose(self, taken: Names) -> dict[str, Pinned]:
        found = self._mixed(taken)
        loose = self._following - taken
        while True:
            needed = {target for name, target, _, _ in self._edges(found) if name != target}
            gone = [name for name in loose if name in found and name not in needed]
            if not gone:
                return found
            for name in gone:
                del found[name]

    # -- consistency ------------------------------------------------------------------------------------

    def _mixed(self, taken: Collection[str]) -> dict[str, Pinned]:
        kept = {name: one for name, one in self.before.items() if name not in taken}
        return kept | {name: self.after[name] for name in taken if name in self.after}

    def _edges(self, packages: PackageSet) -> Iterable[tuple[str, str, str, bool]]:
        """The dependencies inside a set: who asks, for which package and versions, whether it is met."""
        extras = self._reader.wanted_extras(packages, {name: one.extras for name, one in packages.items()})
        for name, package in packages.items():
            for dependency in self._reader.of(package, extras[name]):
                target = dependency.target
                found = packages.get(target)
                met = found is not None and self._reader.satisfies(found.version, dependency)
                yield name, target, dependency.text, met

    def _violations(self, packages: PackageSet) -> set[tuple[tuple[str, str, str], str, str]]:
        return {
            (packages[name].key, target, versions)
            for name, target, versions, met in self._edges(packages)
            if not met
        }

    def _needed(self, taken: Names) -> Names:
        """The changes that a mix lacks: of packages that move together, or that its requirements ask for."""
        if moving := frozenset[str]().union(*(one for one in self._together if one & taken)) - taken:
            return moving
        packages = self._mixed(taken)
        violated = [(key[0], target) for key, target, _ in self._violations(packages) - self._unmet]
        pairs = [{name, target} & self._all - taken for name, target in violated]
        more = frozenset[str]().union(*pairs)
        if more or not pairs:
            return more
        # Both ends are taken, and a package that was not has asked for an extra of one of them.
        ends = {name for name, _ in violated}
        return frozenset(name for name, target, _, _ in self._edges(packages) if target in ends) & (
            self._all - taken
        )

    # -- groups -----------------------------------------------------------------------------------------

    def _grouped(self) -> tuple[Group, ...]:
        """Sort the changes that are searched into groups, those that bring most along last."""
        changed = {name for name, change in self.changes.items() if None not in (change.before, change.after)}
        came = {name for name, change in self.changes.items() if change.before is None}
        went = self._all - changed - came
        self._following = frozenset(went)
        self._everything = self._all
        own = came - self.closed(changed)
        # With all of these taken, a package that nothing needs is gone. Others have a reason of their own.
        staying = went & self._without_loose(self.closed(changed | own)).keys()
        # One that nothing needed before does not go because of another.
        needed = {target for name, target, _, _ in self._edges(self.before) if name != target}
        staying |= went - needed
        self._following = frozenset(went - staying)
        self._everything = frozenset(changed | own | staying)
        by_closure: dict[Names, list[str]] = {}
        for name in sorted(self._everything):
            by_closure.setdefault(self.closed([name]), []).append(name)
        ordered = sorted(by_closure.items(), key=lambda item: (len(item[0]), item[1]))
        return tuple(tuple(names) for _, names in ordered)
