"""Whether there is room for a release, asked before anything of it is made.

An estimate. It spares the user a build that would fail half-way on a full disk, and reports in figures how
much room is missing. A build that runs out of room all the same fails as cleanly, only later.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Final

from venvship.building.request import BuildRequest
from venvship.building.store.store import Store
from venvship.errors import DiskFullError
from venvship.model.wheel import StoredWheel
from venvship.system.faults import build_faults
from venvship.system.space import Space, free

UNPACKED: Final = 3
"""How many times the size of its file a wheel takes up, unpacked and compiled; about."""

_BASE: Final = Space(bytes=128 << 10, names=32)
"""The room for every release: the virtualenv's own files, start-up files, `.venvship/`, a lease, a log."""

_BLOCK: Final = 4096
"""Bytes that a directory or a small file takes up on most file systems."""

_ROW: Final = 250
"""Bytes that one file adds to `files.json` and to its wheel's RECORD."""

_WRITTEN: Final = 4
"""Files that are written, not linked, for each wheel: RECORD, INSTALLER, REQUESTED, direct_url.json."""


def require_room(
    request: BuildRequest, store: Store, wheels: Iterable[StoredWheel], files: Iterable[str]
) -> None:
    """Refuse a build that there is no room for.

    Args:
        request: The release to build.
        store: Where its wheels are, or get to.
        wheels: Those of them that the store has.
        files: Those that it lacks, as far as they are already files: their paths.

    Raises:
        DiskFullError: There is not enough room; the message has how much is free and how much is needed.
        BuildError: A file is not there.
    """
    root, at_store = request.root_path, _nearest(store.path)
    with build_faults("look how much room there is", root):
        unpacked = Space(bytes=UNPACKED * sum(os.path.getsize(path) for path in files))
        one = os.stat(root).st_dev == os.stat(at_store).st_dev
        release = _of_release(wheels, copied=request.link == "copy" or not one)
        for path, needed in [(root, release + unpacked)] if one else [(root, release), (at_store, unpacked)]:
            found = free(path)
            if not found.covers(needed):
                raise DiskFullError(
                    f"not enough room on the file system of {path}: the build needs about {_shown(needed)}, "
                    f"and {_shown(found)} are free. Nothing that is live was touched",
                    hint="Free some space (`venvship prune --dry-run` shows what could go), then try again.",
                    path=path,
                )


def _of_release(wheels: Iterable[StoredWheel], *, copied: bool) -> Space:
    """The room that a release takes up besides its wheels in the store."""
    total = _BASE
    for wheel in wheels:
        folders = {os.path.dirname(file.path) for file in wheel.files}
        written = _WRITTEN + len(wheel.scripts)
        total += Space(
            bytes=_BLOCK * (len(folders) + written) + _ROW * len(wheel.files),
            names=len(folders) + written,
        )
        if copied:
            total += Space(bytes=sum(file.size for file in wheel.files), names=len(wheel.files))
    return total


def _nearest(path: str) -> str:
    """A directory that is not made yet is going to be on the file system of the nearest one that is."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _shown(space: Space) -> str:
    names = "any number of" if space.names == sys.maxsize else str(space.names)
    return f"{space.bytes / (1 << 20):.1f} MiB and {names} inodes"
