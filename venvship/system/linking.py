"""Further names and copies of a file: a hard link, a reflink (a clone of its blocks), or a copy.

The only module that calls `os.link`. Nothing here is durable until a later sync.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import BinaryIO, Final

from venvship.system import effects
from venvship.system.files import open_new

FICLONE: Final = 0x40049409
"""ioctl_ficlone(2): share the blocks of one file with another (btrfs, xfs)."""


def link_file(source: str, target: str, how: str) -> tuple[str, os.stat_result]:
    """Give a file a second name, or the next best thing.

    Args:
        source: An existing regular file.
        target: A name that must not exist.
        how: `"hardlink"`, `"reflink"` or `"copy"`: exactly that; or `"auto"`: the first that works.

    Returns:
        The way that was used: `"hardlink"`, `"reflink"` or `"copy"`; and the status of the very file that has
        another name now, or was copied, however often `source` came to mean another one.

    Crash: the target may be empty or partial. Only for trees that a later sync and rename publish.

    Raises:
        OSError: The way asked for does not work here, or there is no room; the target is not there.
    """
    if how in {"auto", "hardlink"}:
        try:
            effects.reach("link", target)
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            # EXDEV: another file system. EPERM: one without hard links, or protected_hardlinks(5).
            # EMLINK: ext4 stops at 65,000 names of one file.
            if how == "hardlink" or error.errno not in {
                errno.EXDEV,
                errno.EPERM,
                errno.EMLINK,
                errno.ENOTSUP,
            }:
                raise
        else:
            return "hardlink", os.lstat(target)
    return _clone_or_copy(source, target, how)


def _clone_or_copy(source: str, target: str, how: str) -> tuple[str, os.stat_result]:
    with open(source, "rb") as reader:
        status = os.fstat(reader.fileno())
        fd = open_new(target)
        try:
            with open(fd, "wb") as writer:
                effects.reach("write", target)
                done = _fill(writer, reader, how)
                writer.flush()
                os.fchmod(writer.fileno(), stat.S_IMODE(status.st_mode))
        except BaseException:
            os.unlink(target)
            raise
        return done, status


def _fill(writer: BinaryIO, reader: BinaryIO, how: str) -> str:
    if how in {"auto", "reflink"} and sys.platform == "linux":
        import fcntl

        try:
            fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
        except OSError:
            if how == "reflink":
                raise
        else:
            return "reflink"
    elif how == "reflink":
        raise OSError(errno.ENOTSUP, "no reflinks on this platform")
    while chunk := reader.read(1 << 20):
        writer.write(chunk)
    return "copy"
