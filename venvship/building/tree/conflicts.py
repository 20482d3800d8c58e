"""The report of every path that two wheels want and cannot share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from venvship.building.tree.placement import Conflict, Placement
from venvship.errors import FileConflictError
from venvship.printable import lines

_SHOWN: Final = 10
"""How many paths of two wheels the message names."""

_LISTED: Final = 1000
"""How many conflicts the error lists for scripts."""


def refuse_conflicts(placement: Placement) -> None:
    """Refuse a placement with conflicts, and name all of them.

    Raises:
        FileConflictError: Two wheels bring different code for one path, or a file and a directory.
    """
    conflicts = placement.conflicts
    if not conflicts:
        return
    by_names: dict[tuple[str, str], list[Conflict]] = {}
    for conflict in conflicts:
        if not conflict.is_directory:
            by_names.setdefault(conflict.names, []).append(conflict)
    texts = [_pair_line(found) for found in by_names.values()]
    texts += [
        f"{one.names[0]} brings {one.first.path} as a file, and {one.names[1]} brings {one.second.path}, "
        "for which it must be a directory"
        for one in conflicts
        if one.is_directory
    ]
    names = sorted({name for conflict in conflicts for name in conflict.names})
    raise FileConflictError(
        lines(*texts),
        hint=_conflict_hint(conflicts, f"{placement.site_packages}/"),
        packages=names,
        path=conflicts[0].first.path,
        conflicts=[{"path": one.first.path, "packages": list(one.names)} for one in conflicts[:_LISTED]],
        more_conflicts=max(len(conflicts) - _LISTED, 0),
    )


def _pair_line(conflicts: Sequence[Conflict]) -> str:
    first, second = conflicts[0].first.wheel, conflicts[0].second.wheel
    paths = [one.first.path for one in conflicts]
    shown = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
    if first.name == second.name:
        return f"{first.name} {first.version} brings two files of different contents each for {shown}"
    both = f"{first.name} {first.version} and {second.name} {second.version} both bring"
    if len(paths) == 1:
        return f"{both} {shown}, with different contents"
    return f"{both} {len(paths)} files with different contents: {shown}"


def _conflict_hint(conflicts: Sequence[Conflict], site: str) -> str:
    allowed = [one for one in conflicts if not one.is_directory]
    others = sorted({name for one in conflicts if one.is_directory for name in one.names})
    hints = []
    if allowed:
        example = allowed[0].first.path.removeprefix(site)
        hints.append(
            "Drop one of the two from the lockfile; or, if it does not matter which is used, add "
            f'"{example}" or one of the package names to "overlap" under [build]: then the file of '
            f"{allowed[0].names[0]} is used."
            if len(allowed) == 1
            else "Drop one of each two from the lockfile; or, if it does not matter which is used, add the "
            f'paths (as "{example}") or package names to "overlap" under [build]: then the file of the first '
            "by name is used."
        )
    if others:
        hints.append(
            "They cannot be installed together, whatever the settings are: drop"
            f" {' or '.join(others)} from the lockfile."
        )
    return " ".join(hints)
