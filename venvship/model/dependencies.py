"""Read the `Requires-Dist` lines of installed packages, for one interpreter. Pure."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvship.model.lockfiles.requirement import MARKER_ERRORS


class Installed(Protocol):
    """A package whose dependencies are known."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def requires(self) -> tuple[str, ...]:
        """Its `Requires-Dist` lines."""


class Dependency(NamedTuple):
    """One package that another one needs.

    Attributes:
        name: As the line spells it.
        target: The same, normalised.
        extras: The extras that are asked for; normalised.
        specifier: The versions that are asked for.
        text: The same as text, for messages.
    """

    name: str
    target: str
    extras: frozenset[str]
    specifier: SpecifierSet
    text: str


class DependencyReader:
    """Reads dependencies for one interpreter, each line once.

    Args:
        markers: The interpreter's environment for markers.
    """

    def __init__(self, markers: Mapping[str, str]) -> None:
        self._markers = markers
        self._applying: dict[tuple[tuple[str, ...], frozenset[str]], tuple[Dependency, ...]] = {}
        self._satisfied: dict[tuple[str, str], bool] = {}

    def of(self, package: Installed, extras: Iterable[str]) -> tuple[Dependency, ...]:
        """The dependencies of a package that apply here.

        Lines that cannot be read are left out. Old wheels hold lines that never were valid, and pip ignores
        them after the installation, too.

        Args:
            package: The package.
            extras: Its extras that are wanted; normalised.
        """
        key = package.requires, frozenset(extras)
        if key not in self._applying:
            self._applying[key] = tuple(self._read(*key))
        return self._applying[key]

    def _read(self, requires: Sequence[str], extras: Iterable[str]) -> Iterable[Dependency]:
        for line in requires:
            try:
                requirement = _parsed(line)
                marker = requirement.marker
                applies = marker is None or any(
                    marker.evaluate({**self._markers, "extra": extra}) for extra in ("", *extras)
                )
            except MARKER_ERRORS:
                continue
            if applies:
                yield Dependency(
                    name=requirement.name,
                    target=canonicalize_name(requirement.name),
                    extras=frozenset(map(canonicalize_name, requirement.extras)),
                    specifier=requirement.specifier,
                    text=str(requirement.specifier),
                )

    def wanted_extras(
        self, packages: Mapping[str, Installed], asked: Mapping[str, Iterable[str]]
    ) -> dict[str, set[str]]:
        """The extras of each package that the lockfile or another package asks for, however indirectly.

        Args:
            packages: All installed packages, by name.
            asked: The extras that the lockfile asks for, by name.
        """
        wanted = {name: set[str](map(canonicalize_name, asked.get(name, ()))) for name in packages}
        pending = set(packages)
        while pending:
            name = pending.pop()
            for dependency in self.of(packages[name], wanted[name]):
                target = dependency.target
                if target in wanted and not dependency.extras <= wanted[target]:
                    wanted[target] |= dependency.extras
                    pending.add(target)
        return wanted

    def satisfies(self, version: str, dependency: Dependency) -> bool:
        """Whether a version of the package is one that the dependency asks for."""
        key = version, dependency.text
        if key not in self._satisfied:
            try:
                found = dependency.specifier.contains(Version(version), prereleases=True)
            except ValueError:  # no version, or one of thousands of digits, of a wheel of an older store
                found = True
            self._satisfied[key] = found
        return self._satisfied[key]


@functools.cache
def _parsed(line: str) -> Requirement:
    return Requirement(line)
