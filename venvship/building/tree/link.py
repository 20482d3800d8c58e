"""Giving files of the store a place in a release: a hard link where that works, else a clone, else a copy."""

from __future__ import annotations

import os
import stat

from venvship.building.store.owners import StoreOwners
from venvship.errors import StoreDamagedError
from venvship.model.release import sealed_mode
from venvship.model.wheel import StoredFile
from venvship.printable import removal_line
from venvship.system.linking import link_file

Stamp = tuple[int, int, int, int]
"""How a file looked when it was linked, which must not change until the release is sealed: `st_dev`, `st_ino`
(for a hard link, that of the store's file), `st_size` and `st_mtime_ns`."""


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of an `lstat`."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def link_stored(
    source: str, target: str, file: StoredFile, how: str, owners: StoreOwners
) -> tuple[str, Stamp]:
    """Put one file of the store at a name that must not exist.

    Its size and mode must still be those that the store recorded, and its owner must be one of ours. Its
    contents are not read, since hashing the file now would bless a damaged store.

    Crash: the name may be missing, or a copy partial; the candidate is debris as a whole.

    Args:
        source: Absolute path in the store.
        target: Absolute path in the release.
        file: Its line in the index of the store.
        how: `"auto"`, `"hardlink"`, `"reflink"` or `"copy"`.
        owners: Asked whose the file is that was linked or copied, and what leads to it.

    Returns:
        The way that was used, and how the file looks now, for the check at the seal.

    Raises:
        StoreDamagedError: The store's file is gone, or was changed.
        ForeignStoreError: It belongs to another user, or one could put another file in its place.
        OSError: It could not be linked in the way that was asked for, or there is no room.
    """
    try:
        done, linked = link_file(source, target, how)
    except FileNotFoundError as error:
        if os.path.lexists(source):
            raise
        raise damage_error(source, file, "it is gone") from error
    owners.require(source, linked)
    return done, _checked(source, file, linked if done == "hardlink" else os.lstat(target))


def _checked(source: str, file: StoredFile, status: os.stat_result) -> Stamp:
    mode, found = sealed_mode(file.executable), stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
        raise damage_error(source, file, f"it has {status.st_size} bytes instead of {file.size}")
    if found != mode:
        raise damage_error(source, file, f"its mode is {found:04o} instead of {mode:04o}")
    return stamp_of(status)


def damage_error(path: str, file: StoredFile, problem: str) -> StoreDamagedError:
    """The error of a file of the store that is not as it came in."""
    folder = path.removesuffix(f"/data/{file.path}")
    return StoreDamagedError(
        f"the store was changed: {path}: {problem}",
        hint=f"Remove it, and the next build makes it again: {removal_line(folder)}; "
        "`venvship verify --all` finds the releases that share the damaged file.",
        path=path,
    )
