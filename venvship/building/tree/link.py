"""Giving files of the store a place in a release: a hard link where that works, else a clone, else a copy."""

from __future__ import annotations

import os
import stat
from typing import Final

from venvship.errors import StoreDamagedError
from venvship.model.release import sealed_mode
from venvship.model.wheel import StoredFile
from venvship.system.files import FULL_DISK_ERRNOS, remove_name
from venvship.system.linking import link_file

_FEW_NAMES: Final = 1000
"""No file system in use refuses a further name of a file that has fewer (link(2), EMLINK)."""


Stamp = tuple[int, int, int, int]
"""How a file looked when it was linked, which must not change until the release is sealed: `st_dev`, `st_ino`
(for a hard link, that of the store's file), `st_size` and `st_mtime_ns`."""


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of an `lstat`."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Linker:
    """Puts files from the store into a release, and counts how.

    Args:
        how: `"auto"`, `"hardlink"`, `"reflink"` or `"copy"`.
    """

    def __init__(self, how: str) -> None:
        self._how = how
        self._strict = how != "auto"
        self.counts: dict[str, int] = {"hardlink": 0, "reflink": 0, "copy": 0}

    def link(self, source: str, target: str, file: StoredFile) -> Stamp:
        """Put one file of the store at a name that must not exist.

        Its size and mode must still be those that the store recorded; its contents are not read, since
        hashing the file now would bless a damaged store.

        Crash: the name may be missing, or a copy partial; the candidate is debris as a whole.

        Args:
            source: Absolute path in the store.
            target: Absolute path in the release.
            file: Its line in the index of the store.

        Returns:
            How it looks now, for the check at the seal.

        Raises:
            StoreDamagedError: The store's file is gone, or was changed.
            OSError: It could not be linked in the way that was asked for, or there is no room.
        """
        try:
            done = self._link(source, target)
        except FileNotFoundError as error:
            if os.path.lexists(source):
                raise
            raise _damage_error(source, file, "it is gone") from error
        self.counts[done] += 1
        return _checked(source, file, os.lstat(target))

    def _link(self, source: str, target: str) -> str:
        if self._strict:
            return link_file(source, target, self._how)
        if self._how == "auto":
            done = link_file(source, target, "auto")
            # Another file system stays another file system, so the failing call is not made for the other
            # 20,000 files; but one file with too many names tells nothing about the next.
            if done != "hardlink" and os.lstat(source).st_nlink < _FEW_NAMES:
                self._how = done
            return done
        try:
            return link_file(source, target, self._how)
        except OSError as error:
            if self._how == "copy" or error.errno in FULL_DISK_ERRNOS or not os.path.lexists(source):
                raise
            # Some files cannot be cloned where others can: a swap file, other checksums (ioctl_ficlone(2)).
            remove_name(target)
            return link_file(source, target, "copy")


def _checked(source: str, file: StoredFile, status: os.stat_result) -> Stamp:
    mode = sealed_mode(file.executable)
    if status.st_mode != stat.S_IFREG | mode or status.st_size != file.size:
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
            raise _damage_error(source, file, f"it has {status.st_size} bytes instead of {file.size}")
        found = stat.S_IMODE(status.st_mode)
        raise _damage_error(source, file, f"its mode is {found:04o} instead of {mode:04o}")
    return stamp_of(status)


def _damage_error(path: str, file: StoredFile, problem: str) -> StoreDamagedError:
    folder = path.removesuffix(f"/data/{file.path}")
    return StoreDamagedError(
        f"the store was changed: {path}: {problem}",
        hint=f"Remove it, and the next build makes it again: rm -r {folder}; "
        "`venvship verify --all` finds the releases that share the damaged file.",
        path=path,
    )
