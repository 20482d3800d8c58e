"""Find the lowest versions that fix vulnerable packages, with everything else as it is.

pip-compile resolves, the index offers, and a source of advisories judges: all three come in as functions. A
resolver prefers the highest version. So one version at a time is asked for: the lowest that fixes, and where
that cannot be resolved, the next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from packaging.version import InvalidVersion, Version

from venvship.model.advisories.advisory import Vulnerability
from venvship.model.security_fix import Unfixed
from venvship.operations.planning.lock import Compiled

ROUNDS: Final = 5
"""The number of lockfiles that are audited at most: each may have one vulnerability more."""

NEAR: Final = 3
"""The number of versions that are tried one after the other; beyond them, half of the others is left out."""

ATTEMPTS: Final = 60
"""The number of runs of the resolver at most, for all packages together."""

_NOT_OFFERED: Final = "the index offers no version that fixes it here"
_UNRESOLVED: Final = "no version that fixes it can be resolved with the other packages"
_NO_FIX: Final = "no fix is known"


class Locked(NamedTuple):
    """A lockfile that was resolved.

    Attributes:
        versions: By normalised name, for the root's interpreter.
        offered: By name, the versions on offer, in no order.
        compiled: The lockfile.
    """

    versions: Mapping[str, str]
    offered: Mapping[str, Sequence[str]]
    compiled: Compiled


Lock = Callable[[Sequence[str]], Locked | None]
"""Locks with some packages free, each a name with versions; `None` if that cannot be resolved."""

Audit = Callable[[Iterable[tuple[str, str]]], Sequence[Vulnerability]]
"""The vulnerabilities of packages that count: names with versions."""

Requirers = Callable[[str, str], Iterable[str]]
"""The packages that are live and do not work with a version of another one: by its name and that version."""


class Fixed(NamedTuple):
    """The lockfile that fixes what can be fixed.

    Attributes:
        locked: The lockfile.
        own: The packages that moved for vulnerabilities of their own, each with the identifiers of these.
        unfixed: The packages whose vulnerabilities stay, with the reason.
    """

    locked: Locked
    own: Mapping[str, tuple[str, ...]]
    unfixed: tuple[Unfixed, ...]


def unfixed_of(vulnerabilities: Iterable[Vulnerability], reasons: Mapping[str, str]) -> tuple[Unfixed, ...]:
    """The packages whose vulnerabilities stay: without a fix, or for one of the reasons, by package."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in vulnerabilities:
        reason = reasons.get(one.package) if one.advisory.fixed else _NO_FIX
        if reason is not None:
            found.setdefault((one.package, one.version, reason), []).append(one.advisory.id)
    return tuple(Unfixed(package, version, tuple(ids), why) for (package, version, why), ids in found.items())


def minimums(vulnerabilities: Iterable[Vulnerability]) -> dict[str, str]:
    """By package, the lowest version that fixes all of its vulnerabilities for which there is a fix."""
    found: dict[str, str] = {}
    for one in vulnerabilities:
        if one.advisory.fixed:
            lowest = one.advisory.fixed[0]
            known = found.get(one.package, lowest)
            found[one.package] = max(known, lowest, key=Version)
    return found


@dataclass(slots=True)
class Fixer:
    """The search for one lockfile.

    Attributes:
        lock: Locks.
        audit: Audits.
        requirers: Knows the packages that hold another one back.
        start: The lockfile without any change.
        before: The vulnerabilities that count now.
        reasons: By package, why its vulnerabilities stay; filled by the search.
    """

    lock: Lock
    audit: Audit
    requirers: Requirers
    start: Locked
    before: Sequence[Vulnerability]
    reasons: dict[str, str] = field(default_factory=dict)
    attempts: int = 0

    def fix(self, packages: Iterable[str]) -> Fixed:
        """Search for the lockfile that fixes some packages, and others only if a fix needs it.

        Args:
            packages: Those with a fix.

        Raises:
            VenvshipError: As `lock` and `audit` raise it.
        """
        wanted = set(packages)
        floors = {name: v for name, v in minimums(self.before).items() if name in wanted}
        excluded: set[tuple[str, str]] = set()
        known = {(one.package, name) for one in self.before for name in one.advisory.names}
        locked, own = self.start, frozenset[str]()
        for _ in range(ROUNDS):
            options = {name: self._options(name, floor, excluded) for name, floor in floors.items()}
            locked, own = self._lowest(options)
            worse = [
                one
                for one in self.audit(self._moved(locked).items())
                if one.advisory.fixed or not known.intersection((one.package, n) for n in one.advisory.names)
            ]
            if not worse:
                break
            excluded |= {(one.package, one.version) for one in worse}
            higher = minimums(worse)
            for name in {one.package for one in worse}:
                floor = higher.get(name, locked.versions[name])
                floors[name] = max(floor, floors.get(name, floor), key=Version)
        else:
            names = ", ".join(sorted({f"{one.package} {one.version}" for one in worse}))
            self.reasons |= dict.fromkeys(own, f"its fix needs {names}, with another vulnerability")
            locked, own = self.start, frozenset()
        ids = {
            name: tuple(one.advisory.id for one in self.before if one.package == name and one.advisory.fixed)
            for name in sorted(own & wanted)
        }
        return Fixed(locked, ids, unfixed_of(self.before, self.reasons))

    def _options(self, name: str, floor: str, excluded: set[tuple[str, str]]) -> list[str]:
        """The versions on offer that fix a package, the lowest first; a pre-release only after another."""
        now = self.start.versions.get(name)
        early = now is not None and Version(now).is_prerelease
        found = [
            version
            for version in _ascending(self.start.offered.get(name, ()), floor)
            if (name, version) not in excluded and (early or not Version(version).is_prerelease)
        ]
        if not found:
            self.reasons[name] = _NOT_OFFERED
        return found

    def _lowest(self, options: Mapping[str, Sequence[str]]) -> tuple[Locked, frozenset[str]]:
        """Lock the lowest version of each package, together if that can be resolved, else one by one."""
        possible = {name: versions for name, versions in options.items() if versions}
        pins = {name: versions[0] for name, versions in possible.items()}
        locked = self._lock(pins) if pins else self.start
        if locked is None:
            locked, pins = self.start, {}
            for name in sorted(possible):
                found = self._first(possible[name], {**pins}, name)
                if found is None:
                    self.reasons[name] = _UNRESOLVED
                else:
                    locked = found
                    pins[name] = found.versions[name]
        return self._settled(locked, pins), frozenset(pins)

    def _settled(self, locked: Locked, pins: Mapping[str, str]) -> Locked:
        """Move the packages that a fix needs in another version no farther than it needs them."""
        along = sorted(self._moved(locked).keys() & self.start.versions.keys() - pins.keys())
        held = {**pins, **{name: locked.versions[name] for name in along}}
        for name in along:
            now, then = self.start.versions[name], locked.versions[name]
            nearer = [v for v in _ascending(locked.offered.get(name, ()), now) if Version(v) < Version(then)]
            rest = {one: version for one, version in held.items() if one != name}
            found = self._first([*nearer, then], rest, name) if nearer else None
            if found is not None and self._moved(found).keys() <= self._moved(locked).keys():
                locked = found
                held[name] = found.versions[name]
        return locked

    def _first(self, versions: Sequence[str], pins: Mapping[str, str], name: str) -> Locked | None:
        """Lock the first version of a package that can be resolved.

        Beyond the nearest ones it is found by halves: mostly there is one bound, by another package, and all
        versions beyond it can be resolved.
        """
        for version in versions[:NEAR]:
            if (locked := self._lock({**pins, name: version})) is not None:
                return locked
        low, high, found = NEAR, len(versions) - 1, None
        if high >= low:
            found = self._lock({**pins, name: versions[high]})
        while found is not None and low < high:
            middle = (low + high) // 2
            locked = self._lock({**pins, name: versions[middle]})
            if locked is None:
                low = middle + 1
            else:
                high, found = middle, locked
        return found

    def _lock(self, pins: Mapping[str, str]) -> Locked | None:
        """Lock with packages at versions; those that do not work with such a version may move, too."""
        self.attempts += 1
        if self.attempts > ATTEMPTS:
            return None
        free = {
            requirer
            for name, version in pins.items()
            for requirer in self.requirers(name, version)
            if requirer not in pins
        }
        locked = self.lock(
            [
                *(f"{name}=={version}" for name, version in sorted(pins.items())),
                *(f"{name}>={self.start.versions[name]}" for name in sorted(free)),
            ]
        )
        right = locked is not None and all(locked.versions.get(name, v) == v for name, v in pins.items())
        return locked if right else None

    def _moved(self, locked: Locked) -> dict[str, str]:
        return {
            name: version
            for name, version in locked.versions.items()
            if self.start.versions.get(name) != version
        }


def _ascending(versions: Iterable[str], floor: str) -> list[str]:
    """The versions from a lowest one on, in their order; those that are none are left out."""
    parsed = []
    for version in versions:
        try:
            parsed.append((Version(version), version))
        except InvalidVersion:
            continue
    return [version for key, version in sorted(parsed) if key >= Version(floor)]
