"""The report of every path that several wheels want and cannot share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from venvship.building.tree.placement import Conflict, Placement
from venvship.errors import FileConflictError
from venvship.printable import lines

_SHOWN: Final = 10
"""How many paths of the same wheels the message names."""

_LISTED: Final = 1000
"""How many conflicts the error lists for scripts."""


def refuse_conflicts(placement: Placement) -> None:
    """Refuse a placement with conflicts, and name all of them.

    Raises:
        FileConflictError: Wheels bring different code for one path, or a file and a directory.
    """
    conflicts = placement.conflicts
    if not conflicts:
        return
    by_names: dict[tuple[str, ...], list[Conflict]] = {}
    for conflict in conflicts:
        if not conflict.is_directory:
            by_names.setdefault(conflict.names, []).append(conflict)
    texts = [_line(found) for found in by_names.values()]
    texts += [_directory_line(one) for one in conflicts if one.is_directory]
    names = sorted({name for conflict in conflicts for name in conflict.names})
    raise FileConflictError(
        lines(*texts),
        hint=_conflict_hint(conflicts, f"{placement.site_packages}/"),
        packages=names,
        path=conflicts[0].path,
        conflicts=[{"path": one.path, "packages": list(one.names)} for one in conflicts[:_LISTED]],
        more_conflicts=max(len(conflicts) - _LISTED, 0),
    )


def _line(conflicts: Sequence[Conflict]) -> str:
    """The line on all paths that the same wheels bring."""
    wheels = {one.wheel.name: f"{one.wheel.name} {one.wheel.version}" for one in conflicts[0].files}
    paths = [one.path for one in conflicts]
    shown = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
    if len(wheels) == 1:
        return f"{_enumerated(wheels.values())} brings two files of different contents each for {shown}"
    bring = f"{_enumerated(wheels.values())} {'both' if len(wheels) == 2 else 'all'} bring"
    if len(paths) == 1:
        return f"{bring} {shown}, with different contents"
    return f"{bring} {len(paths)} files with different contents: {shown}"


def _directory_line(conflict: Conflict) -> str:
    owners = dict.fromkeys(one.wheel.name for one in conflict.files if one.path == conflict.path)
    below = [f"{one.wheel.name} brings {one.path}" for one in conflict.below]
    return (
        f"{_enumerated(owners)} {'brings' if len(owners) == 1 else 'bring'} {conflict.path} as a file, and "
        f"{_enumerated(below)}, for which it must be a directory"
    )


def _enumerated(texts: Iterable[str]) -> str:
    """Texts as a part of a sentence: `"a, b and c"`."""
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last


def _conflict_hint(conflicts: Sequence[Conflict], site: str) -> str:
    allowed = [one for one in conflicts if not one.is_directory]
    others = sorted({name for one in conflicts if one.is_directory for name in one.names})
    hints = []
    if allowed:
        example = allowed[0].path.removeprefix(site)
        hints.append(
            "Drop one of the two from the lockfile; or, if it does not matter which is used, add "
            f'"{example}" or one of the package names to "overlap" under [build]: then the file of '
            f"{allowed[0].names[0]} is used."
            if len(allowed) == 1 and len(allowed[0].names) <= 2
            else "Drop packages from the lockfile until one is left for each path; or, if it does not matter "
            f'which is used, add the paths (as "{example}") or package names to "overlap" under [build]: '
            "then the file of the first by name is used."
        )
    if others:
        hints.append(
            "They cannot be installed together, whatever the settings are: drop"
            f" {' or '.join(others)} from the lockfile."
        )
    return " ".join(hints)
