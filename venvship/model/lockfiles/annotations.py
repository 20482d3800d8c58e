"""Who asks for a package, in the comments of a requirements file that pip-compile or uv generates.

Below a pin they write `# via NAME`, or `# via` and a line `#   NAME` for each. NAME is a package, `-r FILE`
for an input, `-c FILE` for a constraint, or `NAME (FILE)` for a project.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Final

from packaging.utils import canonicalize_name

MOST: Final = 5
"""The number of chains that are followed for one package."""

_PINNED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*===?\s*[^\s;,=]")
_VIA: Final = re.compile(r"\s+# via(?: (?P<one>\S.*))?")
_MORE: Final = re.compile(r"\s+#   (?P<one>\S.*)")
_INPUT: Final = re.compile(r"-r (?P<file>.+)|\S+ \((?P<project>.+)\)")
_CONSTRAINT: Final = re.compile(r"-c (?P<file>.+)")


def requirers(lockfile: bytes) -> dict[str, tuple[str, ...]]:
    """Who asks for each package, as the comments spell it, by normalised name.

    Args:
        lockfile: The bytes of a requirements file.
    """
    found: dict[str, tuple[str, ...]] = {}
    name, listing = "", False
    for line in lockfile.decode("utf-8-sig", "replace").splitlines():
        if pin := _PINNED.match(line):
            name, listing = canonicalize_name(pin[1]), False
        elif name and (via := _VIA.fullmatch(line)):
            listing = True
            if via["one"]:
                found[name] = (*found.get(name, ()), via["one"])
        elif name and listing and (more := _MORE.fullmatch(line)):
            found[name] = (*found.get(name, ()), more["one"])
        else:
            listing = False
    return found


def input_of(requirer: str) -> str | None:
    """The file of an input that asks; `None` for a package or a constraint."""
    match = _INPUT.fullmatch(requirer)
    return (match["file"] or match["project"]) if match else None


def constraint_of(requirer: str) -> str | None:
    """The file of a constraint that bounds; `None` for anything else."""
    match = _CONSTRAINT.fullmatch(requirer)
    return match["file"] if match else None


def chains(package: str, asks: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """The chains from the inputs to a package, the shortest first: the input's file, then the packages.

    A package is in one chain of an input only, the shortest. So there are few, and no circle is followed.

    Args:
        package: Its normalised name.
        asks: As `requirers` returned it.
    """
    found: list[tuple[str, ...]] = []
    seen = {package}
    pending = deque[tuple[str, ...]]([(package,)])
    while pending and len(found) < MOST:
        chain = pending.popleft()
        for requirer in asks.get(chain[0], ()):
            if (file := input_of(requirer)) is not None:
                found.append((file, *chain))
            elif constraint_of(requirer) is None and (name := canonicalize_name(requirer)) not in seen:
                seen.add(name)
                pending.append((name, *chain))
    return tuple(found[:MOST])
