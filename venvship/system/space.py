"""How much room a file system has."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from venvship.model import bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Room on a file system, free or needed.

    Attributes:
        bytes: For contents and directories.
        names: Inodes: one for each file, directory or link that is no hard link.
    """

    bytes: int = 0
    names: int = 0

    def __add__(self, other: Space) -> Space:
        return Space(bytes=self.bytes + other.bytes, names=self.names + other.names)

    def covers(self, other: Space) -> bool:
        """Whether the other one fits in."""
        return self.bytes >= other.bytes and self.names >= other.names


def kept_free(path: str | os.PathLike[str]) -> int:
    """The bytes that downloads leave free on the file system of a path.

    Raises:
        OSError: The path is not there.
    """
    found = os.statvfs(path)
    return min(bounds.ROOM, found.f_blocks * found.f_frsize // 50)


def free(path: str | os.PathLike[str]) -> Space:
    """The room that the caller may still use on the file system of a path (statvfs(3)).

    A file system that makes inodes as it needs them says that it has none at all (btrfs): no limit.

    Raises:
        OSError: The path is not there.
    """
    found = os.statvfs(path)
    return Space(
        bytes=found.f_bavail * found.f_frsize,
        names=found.f_favail if found.f_files else sys.maxsize,
    )
