"""The policy of unattended upgrades: how far a version may go, and which packages move together.

Levels go by the release segments of PEP 440, literally, as Dependabot and Renovate read them: `a.b.c` to
another `a` is major, to another `b` minor, and all else is a patch, post-releases and fourth segments too.
So 0.1 to 0.2 is minor, and 2024.12 to 2025.1 of a calendar version is major.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal

from packaging.version import Version

Level = Literal["patch", "minor", "major"]

_SEGMENTS: Final = {"patch": 2, "minor": 1}
"""The number of release segments that stay, by the setting."""


def level_of(before: str, after: str) -> Level:
    """The level of a change, up or down.

    Args:
        before: A version (PEP 440).
        after: Another one.
    """
    old, new = Version(before), Version(after)
    if (old.epoch, old.major) != (new.epoch, new.major):
        return "major"
    return "patch" if old.minor == new.minor else "minor"


def bound_of(version: str, only: str) -> str:
    """The version below which an upgrade stays; `""` for no bound.

    Args:
        version: The version now (PEP 440).
        only: `"patch"`, `"minor"` or `"all"`.
    """
    if only not in _SEGMENTS:
        return ""
    now = Version(version)
    *most, last = (now.major, now.minor)[: _SEGMENTS[only]]
    bound = ".".join(map(str, (*most, last + 1)))
    return f"{now.epoch}!{bound}" if now.epoch else bound


def grouped(names: Iterable[str], groups: Mapping[str, Sequence[str]]) -> tuple[frozenset[str], ...]:
    """Divide packages into those that move together.

    Each package of no group is alone. Groups that share a package are one.

    Args:
        names: Normalised names, such as those of changed packages.
        groups: Patterns for names, by the name of a group; `*` stands for any characters.

    Returns:
        The sets, in the order of their first package by name.
    """
    left = sorted(set(names))
    sets = [
        found
        for patterns in groups.values()
        if (found := frozenset(name for name in left if _fits(name, patterns)))
    ]
    joined: list[frozenset[str]] = []
    for one in (*sets, *(frozenset({name}) for name in left)):
        touching = [other for other in joined if one & other]
        joined = [other for other in joined if not one & other]
        joined.append(one.union(*touching))
    return tuple(sorted(joined, key=min))


def upgrade_constraints(
    pinned: Mapping[str, str],
    given: Sequence[str],
    *,
    only: str,
    groups: Mapping[str, Sequence[str]],
    held: Collection[str] = (),
) -> tuple[str, ...]:
    """The constraints of an unattended upgrade, each `NAME<VERSION` or `NAME==VERSION`.

    A package that is held keeps all packages of its group where they are.

    Args:
        pinned: The versions of the lockfile now, by normalised name.
        given: Constraints that there are already. Their packages are bounded by nothing else.
        only: `[update] only`.
        groups: `[update] groups`.
        held: Normalised names of packages that stay at their version.
    """
    found = list(given)
    named = {one.partition("=")[0].partition("<")[0].partition(">")[0].strip() for one in given}
    exact = {one.partition("==")[0].strip() for one in given if "==" in one}
    for together in grouped(pinned, groups):
        stays = not together.isdisjoint({*held, *exact})
        for name in sorted(together - named):
            if stays:
                found.append(f"{name}=={pinned[name]}")
            elif bound := bound_of(pinned[name], only):
                found.append(f"{name}<{bound}")
    return tuple(found)


def held_by_policy(
    pinned: Mapping[str, str],
    offered: Mapping[str, Iterable[str]],
    *,
    only: str,
    groups: Mapping[str, Sequence[str]],
) -> frozenset[str]:
    """The packages of groups that have a version on offer which the policy does not allow.

    Args:
        pinned: The versions of the lockfile now, by normalised name.
        offered: The versions on offer, by normalised name.
        only: `[update] only`.
        groups: `[update] groups`.
    """
    return frozenset(
        name
        for together in grouped(pinned, groups)
        if len(together) > 1
        for name in together
        if (bound := bound_of(pinned[name], only))
        and any(_beyond(version, bound) for version in offered.get(name, ()))
    )


def _beyond(version: str, bound: str) -> bool:
    parsed = Version(version)
    return not parsed.is_prerelease and parsed >= Version(bound)


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
